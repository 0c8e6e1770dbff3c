//! A query that is cancelled stops the scans of its tasks at once.
//!
//! A worker's cache keeps the plan of a task for a while after its query, and with the plan what its
//! repartitions have begun to read. So a scan is stopped by the end of the request that brought its
//! plan, which the session holds open for as long as the query runs.

use std::convert::Infallible;

use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    codegen::http::{Request, Response},
    service::Routes,
};
use tower::{Layer, Service, layer::layer_fn, service_fn};

tokio::task_local! {
    static CANCELLED: CancellationToken;
}

/// When the plan that is being built by this request is given up.
pub(super) fn cancelled() -> CancellationToken {
    CANCELLED.try_with(CancellationToken::clone).unwrap_or_default()
}

/// Ties what a request begins to the request.
pub(super) fn on_close() -> impl Layer<
    Routes,
    Service: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
                 + Clone
                 + Send,
> + Clone {
    layer_fn(|routes: Routes| {
        service_fn(move |request: Request<Body>| {
            let cancelled = CancellationToken::new();
            let open = cancelled.clone().drop_guard();
            let request = request.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &open;
                    frame
                }))
            });
            CANCELLED.scope(cancelled, routes.clone().call(request))
        })
    })
}

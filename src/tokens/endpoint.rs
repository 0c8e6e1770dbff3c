//! Requests to a token endpoint, over a pool of their own. Knows neither what is asked for nor what
//! the response means.

use http::Uri;

use crate::{
    config::PoolConfig,
    error::{Error, ErrorKind},
    pool::{AwwPool, PoolBuilder},
    request::Request,
    response::Response,
};

/// The largest response of a token endpoint that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// A token endpoint, and the pool of the requests to it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: String,
    /// The type of the source, for errors.
    source: &'static str,
    pool: Result<AwwPool, Error>,
}

impl Endpoint {
    /// The endpoint at `url`, for a source of this type.
    pub(super) fn new(source: &'static str, url: String) -> Self {
        let pool = pool_of(source, &url, &PoolConfig::new(""));
        Self { pool, url, source }
    }

    /// Uses another pool.
    pub(super) fn through(&mut self, pool: AwwPool) {
        self.pool = Ok(pool);
    }

    /// Reaches the endpoint as the API is reached: by the same proxy, with the same certificates
    /// and timeouts.
    pub(super) fn reached_as(&mut self, config: &PoolConfig) {
        self.pool = pool_of(self.source, &self.url, config);
    }

    /// # Errors
    /// [`ErrorKind::Config`] for a URL that cannot be requested.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.pool.as_ref().map(drop).map_err(Clone::clone)
    }

    /// Sends a request, which may be retried, and returns what counts as a response beside a
    /// success. Its headers may hold secrets, so none is shown.
    ///
    /// # Errors
    /// [`ErrorKind::Token`] without a response.
    pub(super) async fn send(
        &self,
        request: Request,
        is_response: impl Fn(&Response) -> bool,
    ) -> Result<Response, Error> {
        let mut request = request.idempotent(true);
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        let pool = self.pool.as_ref().map_err(Clone::clone)?;
        pool.request(request).await.or_else(|error| match error.response() {
            Some(response) if is_response(response) => Ok(response.clone()),
            _ => {
                let what = format!("the token endpoint gave no response to use: {error}");
                Err(Error::new(ErrorKind::Token, what).with_source(error))
            }
        })
    }
}

/// A pool for the origin of `url`, which is reached as `config` says.
fn pool_of(source: &str, url: &str, config: &PoolConfig) -> Result<AwwPool, Error> {
    let illegal = || Error::config(format!("{source}: the token URL is not an http or https URL"));
    let uri: Uri = url.parse().map_err(|_| illegal())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(illegal());
    };
    let own = PoolConfig {
        proxy: config.proxy.clone(),
        no_proxy: config.no_proxy.clone(),
        root_certificates: config.root_certificates.clone(),
        platform_roots: config.platform_roots,
        client_certificate: config.client_certificate.clone(),
        attempt_timeout: config.attempt_timeout,
        connect_timeout: config.connect_timeout,
        ..PoolConfig::new(format!("{scheme}://{authority}"))
    };
    let builder = PoolBuilder { config: own };
    let builder = builder.workers(1).connections_per_worker(4).max_body_bytes(MOST_BYTES);
    builder.build().map_err(|error| illegal().with_source(error))
}

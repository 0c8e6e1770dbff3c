//! One exchange within an attempt: sent, read within its time limit, and classified by the pool's
//! rules.

use std::pin::pin;

use http::Uri;

use crate::{
    dispatch::Call,
    error::{Delivery, Error, ErrorKind},
    request::Request,
    token_manager::Issued,
    transport::Client,
    worker::{attempt::Running, context::WorkerContext, hedge::Outcome},
};

/// Sends a request and reads its response, for an attempt that has begun.
pub(super) async fn exchange(
    running: Running<'_>,
    worker: &WorkerContext,
    client: &Client,
    call: &Call,
    token: Option<&Issued>,
    request: &Request,
    url: &Uri,
) -> Outcome {
    let remaining = call.remaining(running.started);
    let limit = remaining.min(worker.config().settings.attempt_timeout);
    let answer = pin!(client.send(request, url));
    let outcome = tokio::time::timeout(limit, answer).await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(if limit == remaining {
            let what = "the call's deadline passed before the answer came";
            Error::new(ErrorKind::DeadlineExceeded, what)
        } else {
            Error::new(ErrorKind::Timeout, "the answer took longer than attempt_timeout")
        }
        .with_delivery(Delivery::Unknown))
    });
    let outcome = outcome.map(|answer| worker.ruled(call, answer, token));
    (running.end(&outcome), outcome)
}

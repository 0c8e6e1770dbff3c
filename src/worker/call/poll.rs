//! Polls for a result that is not ready.

use std::time::Instant;

use http::header::LOCATION;

use super::{Attempts, after};
use crate::{
    error::{Error, ErrorKind},
    response::{Action, Response, Ruling},
};

/// Some APIs use this header instead of `Location`.
const OPERATION_LOCATION: &str = "operation-location";

impl Attempts<'_> {
    /// Whether a rule says that the result is not ready, and the request may be sent again: only a
    /// method without effects may.
    pub(super) fn has_to_wait(&self, response: &Response) -> bool {
        let is_poll = |ruling: &Ruling| ruling.action == Action::Poll;
        response.ruling().is_some_and(is_poll) && self.call.request.method().is_safe()
    }

    /// Waits until the request is sent again, to the URL in the response if that is followed, or
    /// returns a failure that may be retried.
    pub(super) async fn poll(&mut self, response: Response) -> Result<Option<Error>, Error> {
        let ruling = response.ruling();
        let interval = ruling.and_then(|ruling| ruling.wait).unwrap_or_default();
        let asked = self.worker.classify(&response).and_then(|classified| classified.wait);
        let wait = asked.filter(|wait| !wait.is_zero()).unwrap_or(interval);
        if ruling.is_some_and(|ruling| ruling.follow_location)
            && let Some(location) = location(&response)
        {
            let base = self.call.request.base(&self.worker.config().base);
            match base.follow(&self.url, location) {
                Ok(url) => self.url = std::sync::Arc::new(url),
                Err(error) => return Ok(Some(error.with_response(response))),
            }
        }
        let pending = Error::status_of(response);
        if wait >= self.call.remaining(Instant::now()) {
            let what = "the result was not ready within the call's timeout";
            let late = Error::new(ErrorKind::DeadlineExceeded, what).with_wait(wait);
            return Err(after(late, Some(pending)));
        }
        self.wait(wait, &pending).await?;
        Ok(None)
    }
}

/// The URL of the result.
fn location(response: &Response) -> Option<&str> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    header(LOCATION.as_str()).or_else(|| header(OPERATION_LOCATION))
}

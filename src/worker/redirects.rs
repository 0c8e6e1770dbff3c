//! Redirects of a call: which are followed, and the errors of those that are not. Makes no request.

use std::{mem, sync::Arc};

use http::header::LOCATION;

use super::call::Attempts;
use crate::{
    error::{Error, ErrorKind, without_query},
    header_value::header_url,
    response::Response,
};

/// How many redirects one call follows, each on the pool's own origin.
const MOST: usize = 5;

impl Attempts<'_> {
    /// Goes on at the URL to which `response` redirects a safe request, if that stays on the origin
    /// of the base URL and below it.
    ///
    /// # Errors
    /// The error that ends the call, with the response in it.
    pub(super) fn redirect(&mut self, response: Response) -> Result<(), Error> {
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).map(header_url);
        let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location) else {
            return Err(Error::status_of(response));
        };
        let refused = |what: &str| {
            let what = format!("{what} {}", without_query(&location));
            Error::new(ErrorKind::Status, what).with_response(response.clone())
        };
        let request = &self.call.request;
        // An unsafe request is never sent to another place (RFC 9110 section 15.4).
        if !request.method().is_safe() {
            return Err(Error::status_of(response));
        }
        let base = request.base(&self.worker.config().base);
        let url = base.follow(&self.url, &location).map_err(|error| {
            let what = format!("a redirect is not followed, to {}", without_query(&location));
            Error::new(error.kind(), what).with_source(error).with_response(response.clone())
        })?;
        if self.redirects.len() == MOST {
            let is_circle = url == *self.url || self.redirects.iter().any(|left| url == **left);
            return Err(refused(match is_circle {
                true => "the redirects lead in a circle, back to",
                false => "there are more than 5 redirects in a row, the last of them to",
            }));
        }
        self.is_moved = matches!(status, 301 | 308) && (self.is_moved || self.redirects.is_empty());
        self.redirects.push(mem::replace(&mut self.url, Arc::new(url)));
        Ok(())
    }
}

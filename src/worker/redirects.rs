//! [pure] Redirects of a call: which are followed, and the errors of those that are not. Makes no
//! request.

use http::{Uri, header::LOCATION};

use crate::{
    base_url::{BaseUrl, without_query},
    error::{Error, ErrorKind},
    header_value::header_url,
    request::Request,
    response::Response,
};

/// How many redirects one call follows, each on the pool's own origin.
const MOST: usize = 5;

/// The redirects that a call has followed.
#[derive(Default)]
pub(super) struct Redirects {
    /// The URLs that were left.
    left: Vec<Uri>,
    /// Whether all of them were permanent, and there were any.
    pub(super) is_moved: bool,
}

impl Redirects {
    /// The URL to which `response`, received from `current`, redirects a safe request, if it
    /// stays on the origin of `base` and below it.
    ///
    /// # Errors
    /// The error that ends the call, with the response in it.
    pub(super) fn follow(
        &mut self,
        request: &Request,
        base: &BaseUrl,
        current: &Uri,
        response: Response,
    ) -> Result<Uri, Error> {
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION).map(header_url);
        let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location) else {
            return Err(Error::status_of(response));
        };
        let refused = |what: &str| {
            let what = format!("{what} {}", without_query(&location));
            Error::new(ErrorKind::Status, what).with_response(response.clone())
        };
        // An unsafe request is never sent to another place (RFC 9110 section 15.4).
        if !request.method().is_safe() {
            return Err(Error::status_of(response));
        }
        let url = base.follow(current, &location).map_err(|error| {
            let what = format!("a redirect is not followed, to {}", without_query(&location));
            Error::new(error.kind(), what).with_source(error).with_response(response.clone())
        })?;
        if self.left.len() == MOST {
            let is_circle = url == *current || self.left.contains(&url);
            return Err(refused(match is_circle {
                true => "the redirects lead in a circle, back to",
                false => "there are more than 5 redirects in a row, the last of them to",
            }));
        }
        self.is_moved = matches!(status, 301 | 308) && (self.is_moved || self.left.is_empty());
        self.left.push(current.clone());
        Ok(url)
    }
}

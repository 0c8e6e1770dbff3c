//! A response as a value.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header::RETRY_AFTER};
use secrecy::SecretString;

mod mismatch;
mod ruling;

pub(crate) use mismatch::Mismatch;
pub(crate) use ruling::{Action, Ruling, is_transient};

/// Some servers put it before a text (RFC 8259 section 8.1 allows a reader to ignore it).
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// A response that was read to its end and checked to be complete.
///
/// ```
/// # use vantage_api_pool::Response;
/// # fn demo(response: Response) -> Result<(), vantage_api_pool::Error> {
/// let rows: Vec<serde_json::Value> = response.json()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    url: Option<Arc<Uri>>,
    method: Method,
    /// The result of the response rule that applied, if any.
    ruling: Option<Box<Ruling>>,
    /// Whether every redirect on the way to the URL was permanent, and there was at least one.
    is_moved: bool,
    overruns: bool,
    /// The secret sent with the request, which is masked if the response repeats it.
    secret: Option<Arc<SecretString>>,
}

impl Response {
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::from_parts(status, HeaderMap::new(), body.into())
    }

    pub(crate) fn from_parts(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        let (method, url, ruling, secret) = (Method::GET, None, None, None);
        let (is_moved, overruns) = (false, false);
        Self { status, headers, body, url, method, ruling, is_moved, overruns, secret }
    }

    /// Marks the response as one that may be incomplete: more bytes followed its declared end, or
    /// the rest was not read.
    pub(crate) fn overrunning(mut self, overruns: bool) -> Self {
        self.overruns = overruns;
        self
    }

    /// Whether the body may be truncated.
    pub(crate) fn overruns(&self) -> bool {
        self.overruns
    }

    /// Sets the URL that the response came from, and the method of its request.
    pub(crate) fn with_url(mut self, url: &Arc<Uri>, method: &Method, is_moved: bool) -> Self {
        self.url = Some(Arc::clone(url));
        self.method = method.clone();
        self.is_moved = is_moved;
        self
    }

    /// The method of the request.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether the requested resource has moved permanently to [`url`](Self::url).
    pub(crate) fn is_moved(&self) -> bool {
        self.is_moved
    }

    /// Sets the token that was sent with the request.
    pub(crate) fn with_secret(mut self, secret: Option<&Arc<SecretString>>) -> Self {
        self.secret = secret.cloned();
        self
    }

    /// The token that was sent with the request.
    pub(crate) fn secret(&self) -> Option<&Arc<SecretString>> {
        self.secret.as_ref()
    }

    /// The status. A call ends with `Ok` only for a success (2xx), or for what a
    /// [`ResponseRule`](crate::retry::ResponseRule) accepts.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The status that the response counts as: its own, unless a rule overrides it.
    pub(crate) fn counts_as(&self) -> StatusCode {
        self.ruling.as_ref().map_or(self.status, |ruling| ruling.counts_as(self.status))
    }

    /// The result of the rule that applied.
    pub(crate) fn ruling(&self) -> Option<&Ruling> {
        self.ruling.as_deref()
    }

    /// Applies the result of a rule. The wait that the body of a rate-limit response names becomes
    /// the `Retry-After` if the response has none.
    pub(crate) fn ruled(mut self, ruling: Ruling) -> Self {
        if let (Action::RateLimited, Some(wait)) = (ruling.action, ruling.told) {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            self.headers.entry(RETRY_AFTER).or_insert_with(|| seconds.into());
        }
        self.ruling = Some(Box::new(ruling));
        self
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The URL that responded: the last one after redirects. Relative URLs in the response are
    /// relative to it (RFC 3986 section 5.1.3). It does not include the token, even if that is sent
    /// in the query. `None` for a response that did not come from a call.
    #[must_use]
    pub fn url(&self) -> Option<&Uri> {
        self.url.as_deref()
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The whole body, decompressed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The response with an empty body.
    pub(crate) fn without_body(&self) -> Self {
        self.clone().with_body(Bytes::new())
    }

    /// The response with another body, which is what was made of its own.
    pub(crate) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// The whole body, without copying it.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// The body as the text of a JSON document.
    pub(crate) fn json_text(&self) -> Result<&str, Mismatch> {
        let text = str::from_utf8(&self.body)?;
        // The end of any other JSON value shows that it is complete.
        if self.overruns && text.trim_end().ends_with(|last: char| last.is_ascii_digit()) {
            return Err(Mismatch::from("the body may go on behind its end"));
        }
        Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_len", &self.body.len())
            .finish()
    }
}

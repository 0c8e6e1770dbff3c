//! A request as a value: the builder for users, and what the pool reads from it.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, COOKIE},
};
use serde::Serialize;

use crate::{
    base_url::{self, BaseUrl},
    error::{Error, ErrorKind},
    priority::Priority,
    retry::Hedge,
};

/// The content types of bodies.
pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A request to the pool's API.
///
/// The target is a path below the pool's base URL, with or without a leading
/// slash and with an optional query, or an absolute URL on the same origin.
///
/// ```
/// use vantage_api_pool::Request;
///
/// let request = Request::post("/orders")
///     .json(&serde_json::json!({ "item": 7 }))?
///     .header("x-tenant", "blue")?
///     .idempotency_key("order-7")?;
/// assert_eq!(request.headers()["content-type"], "application/json");
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    deadline: Option<Duration>,
    queue_timeout: Option<Duration>,
    idempotent: Option<bool>,
    rate_key: Option<Arc<str>>,
    priority: Option<Priority>,
    /// `Some(None)` turns hedging off, whatever the pool's setting.
    hedge: Option<Option<Hedge>>,
    /// Where the request goes, if not to the pool's API.
    other_base: Option<Arc<BaseUrl>>,
    /// Whether it has credentials of its own, so that default credentials are left out.
    is_without_default_credentials: bool,
}

impl Request {
    /// A request with the given method.
    #[must_use]
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: None,
            deadline: None,
            queue_timeout: None,
            idempotent: None,
            rate_key: None,
            priority: Priority::of_scope(),
            hedge: None,
            other_base: None,
            is_without_default_credentials: false,
        }
    }

    /// A GET request.
    #[must_use]
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    /// A POST request.
    #[must_use]
    pub fn post(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(target: impl Into<String>) -> Self {
        Self::new(Method::PUT, target)
    }

    /// A PATCH request.
    #[must_use]
    pub fn patch(target: impl Into<String>) -> Self {
        Self::new(Method::PATCH, target)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(target: impl Into<String>) -> Self {
        Self::new(Method::DELETE, target)
    }

    /// Sets the body to `value` as JSON, and `Content-Type: application/json`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `value` does not serialize.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|source| {
            Error::new(ErrorKind::InvalidRequest, "the body does not serialize as JSON")
                .with_source(source)
        })?;
        self.body = Some(body.into());
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        Ok(self)
    }

    /// Makes it a POST that only reads, with this body of this type.
    pub(crate) fn into_query(mut self, body: String, of: &'static str) -> Self {
        self.method = Method::POST;
        self.body = Some(body.into());
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(of));
        self.idempotent(true)
    }

    /// Sets the body to `fields` (a struct, a map or a list of pairs) as a form, and
    /// `Content-Type: application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `fields` is not a flat set of fields.
    pub fn form<T: Serialize + ?Sized>(mut self, fields: &T) -> Result<Self, Error> {
        let body = serde_urlencoded::to_string(fields).map_err(|source| {
            Error::new(ErrorKind::InvalidRequest, "the body does not serialize as a form")
                .with_source(source)
        })?;
        self.body = Some(body.into());
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(FORM));
        Ok(self)
    }

    /// Sets the body to these bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the fields of `params` (a struct, a map or a list of pairs) in the query. Each field
    /// replaces all fields of that name in the query; a name may occur in `params` several times.
    /// To keep existing fields, see [`add_query`](Self::add_query).
    ///
    /// ```
    /// use vantage_api_pool::Request;
    ///
    /// let request = Request::get("/rows?page=1&ids=1").query(&[("page", 2)])?;
    /// assert_eq!(request.target(), "/rows?ids=1&page=2");
    /// assert_eq!(request.add_query(&[("ids", 2)])?.target(), "/rows?ids=1&page=2&ids=2");
    /// # Ok::<(), vantage_api_pool::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `params` is not a flat set of fields.
    pub fn query<T: Serialize + ?Sized>(mut self, params: &T) -> Result<Self, Error> {
        base_url::set_query(&mut self.target, params)?;
        Ok(self)
    }

    /// Adds the fields of `params` to the query and keeps existing fields of the same names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `params` is not a flat set of fields.
    pub fn add_query<T: Serialize + ?Sized>(mut self, params: &T) -> Result<Self, Error> {
        base_url::append_query(&mut self.target, params)?;
        Ok(self)
    }

    /// Sets a header, replacing earlier values of that name. The value never appears in `Debug`
    /// output.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the name or the value is not legal in
    /// HTTP; the value is not echoed.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends `token` as a bearer token (RFC 6750).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `token` is not legal in a header; it is not echoed.
    pub fn bearer_auth(self, token: &str) -> Result<Self, Error> {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Sends a user name and a password (RFC 7617), which may be empty.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `user` holds a colon.
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            let what = "the user name must not hold a colon";
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
        let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header(AUTHORIZATION.as_str(), &format!("Basic {credentials}"))
    }

    /// Ends the call with [`ErrorKind::DeadlineExceeded`] if it has no response after `timeout`,
    /// which includes queueing, waits and retries. The default is the pool's call timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Some(timeout);
        self
    }

    /// Ends the call with [`ErrorKind::PoolTimeout`] if it waits longer than `timeout` for a free
    /// connection; with zero it never waits. The default is the pool's queue timeout.
    #[must_use]
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = Some(timeout);
        self
    }

    /// Sends `Idempotency-Key`, which allows the pool to retry the request after an ambiguous
    /// failure, whatever its method.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when `key` is not a legal header value.
    pub fn idempotency_key(self, key: &str) -> Result<Self, Error> {
        Ok(self.header("idempotency-key", key)?.idempotent(true))
    }

    /// Sets whether the request may be retried after an ambiguous failure. The default is the
    /// rule of RFC 9110 section 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT and DELETE may, POST and
    /// PATCH may not.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Counts the request under `key`, such as a tenant, if the pool has a
    /// [`rate_limit_per_key`](crate::PoolBuilder::rate_limit_per_key). The key is not sent. A key
    /// longer than 1,024 bytes fails the call with [`ErrorKind::InvalidRequest`].
    #[must_use]
    pub fn rate_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.rate_key = Some(key.into());
        self
    }

    /// Sets the priority among calls that wait for a connection or for the rate limit, see
    /// [`Priority`]. The default is that of the Vantage scope in which the request is made or
    /// submitted.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// When to send this request a second time, on another connection, if there is no response yet;
    /// `None` means never. Only a GET is hedged. The default is the pool's
    /// [`hedge`](crate::PoolBuilder::hedge).
    #[must_use]
    pub fn hedge(mut self, hedge: impl Into<Option<Hedge>>) -> Self {
        self.hedge = Some(hedge.into());
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The headers of this request.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers of this request, mutable.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Where the request goes: a path below the pool's base URL with its query, or an absolute
    /// URL, such as that of a next page or a redirect. It may contain secrets.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn set_target(&mut self, target: String) {
        self.target = target;
    }

    /// Sends the request to another API, without credentials: no token is applied, and of the
    /// pool's default headers only `User-Agent` and the `Accept` headers go with it.
    pub(crate) fn with_other_base(mut self, base: BaseUrl) -> Self {
        self.other_base = Some(Arc::new(base));
        self
    }

    /// The base URL of another API, if the request goes there.
    pub(crate) fn other_base(&self) -> Option<&Arc<BaseUrl>> {
        self.other_base.as_ref()
    }

    /// The base URL of the API that the request goes to, which is `own` unless it names another.
    pub(crate) fn base<'a>(&'a self, own: &'a BaseUrl) -> &'a BaseUrl {
        self.other_base.as_deref().unwrap_or(own)
    }

    /// The base URL of the other API if that is of another origin than `own`.
    pub(crate) fn foreign_base(&self, own: &BaseUrl) -> Option<&Arc<BaseUrl>> {
        self.other_base().filter(|base| base.origin() != own.origin())
    }

    pub(crate) fn payload(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    pub(crate) fn own_queue_timeout(&self) -> Option<Duration> {
        self.queue_timeout
    }

    pub(crate) fn or_queue_timeout(mut self, default: Option<Duration>) -> Self {
        self.queue_timeout = self.queue_timeout.or(default);
        self
    }

    /// From here on no default header with credentials is sent with it.
    pub(crate) fn go_without_default_credentials(&mut self) {
        self.is_without_default_credentials = true;
    }

    /// Whether the default header of this name is sent with it.
    pub(super) fn wants_default(&self, name: &str) -> bool {
        let authenticates = || [AUTHORIZATION, COOKIE].iter().any(|header| header == name);
        let is_left_out = self.is_without_default_credentials && authenticates();
        !is_left_out && !self.headers.contains_key(name)
    }

    pub(crate) fn own_rate_key(&self) -> Option<&Arc<str>> {
        self.rate_key.as_ref()
    }

    pub(crate) fn own_deadline(&self) -> Option<Duration> {
        self.deadline
    }

    pub(crate) fn own_hedge(&self) -> Option<Option<Hedge>> {
        self.hedge
    }

    /// Must be called where the request is submitted.
    pub(crate) fn own_priority(&self) -> Priority {
        self.priority.or_else(Priority::of_scope).unwrap_or_default()
    }

    /// Whether the request may be sent again if the first one may have been processed.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or(self.method.is_idempotent())
    }
}

/// A checked header whose value is kept out of `Debug` output.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let invalid = |what| Error::new(ErrorKind::InvalidRequest, what);
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid("a header name is not legal in HTTP"))?;
    let mut value =
        HeaderValue::from_str(value).map_err(|_| invalid("a header value is not legal in HTTP"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.target.split('?').next().unwrap_or_default())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_len", &self.body.as_ref().map(Bytes::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_their_schemes_have_it_and_are_not_shown() {
        // The example of RFC 7617 section 2.
        let basic = Request::get("/").basic_auth("Aladdin", "open sesame").unwrap();
        assert_eq!(basic.headers()[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let bearer = basic.bearer_auth("mF_9.B5f-4.1JqM").unwrap();
        assert_eq!(bearer.headers()[AUTHORIZATION], "Bearer mF_9.B5f-4.1JqM");
        assert!(bearer.headers()[AUTHORIZATION].is_sensitive());
        for refused in
            [Request::get("/").basic_auth("a:b", "c"), Request::get("/").bearer_auth("a\nb")]
        {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest);
        }
    }

    #[test]
    fn a_form_is_encoded_with_its_content_type() {
        let form = Request::post("/").form(&[("a", "1 & 2"), ("a", "\u{e9}")]).unwrap();
        assert_eq!(form.payload().unwrap(), "a=1+%26+2&a=%C3%A9");
        assert_eq!(form.headers()["content-type"], "application/x-www-form-urlencoded");
        let nested = Request::post("/").form(&[("a", [1, 2])]);
        assert_eq!(nested.unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}

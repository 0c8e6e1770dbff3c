//! Which pages of other origins may make requests (the Fetch standard, "CORS protocol"): none,
//! unless they are named.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::error::Error;

/// What a page may send beside the fields that are always allowed.
const REQUEST_FIELDS: &str =
    "authorization, content-type, if-match, if-none-match, prefer, range, x-api-key, x-request-id";
/// What a page may read beside the fields that are always allowed.
const ANSWER_FIELDS: &str = "etag, location, preference-applied, ratelimit, ratelimit-policy, \
                             retry-after, x-request-id, content-range";

/// The origins whose pages may make requests. Credentials in cookies do not exist here, so no
/// answer ever allows them.
///
/// ```
/// use vantage_api_gateway::Cors;
///
/// let cors = Cors::origins(["https://app.example.com"])?;
/// assert!(Cors::origins(["https://*.example.com"]).is_err());
/// # drop(cors);
/// # Ok::<(), vantage_api_gateway::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<String>,
    any: bool,
    max_age: Duration,
}

impl Cors {
    /// Allows pages of these origins, such as `https://app.example.com`, compared as a whole.
    ///
    /// # Errors
    /// If an origin is not `http(s)://host` or `http(s)://host:port`, or has a wildcard.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Result<Self, Error> {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        for origin in &origins {
            if !is_origin(origin) {
                return Err(Error::Cors(format!("{origin:?} is not scheme://host[:port]")));
            }
        }
        Ok(Self { origins, any: false, max_age: Duration::from_secs(600) })
    }

    /// Allows pages of any origin, answered with `*`. They can only use what they have a token
    /// for, since no credentials of the browser are sent.
    #[must_use]
    pub fn any_origin() -> Self {
        Self { origins: Vec::new(), any: true, max_age: Duration::from_secs(600) }
    }

    /// How long a browser keeps the answer to a preflight: 10 minutes by default.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// What `Access-Control-Allow-Origin` is for a request with these fields.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let is_known = self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        is_known.then(|| origin.clone())
    }

    /// The answer to a preflight, if these fields are one: with permission or without.
    pub(crate) fn preflight(&self, headers: &HeaderMap, methods: &str) -> Option<HttpResponse> {
        headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        headers.get(header::ORIGIN)?;
        let mut response = HttpResponse::build(StatusCode::NO_CONTENT);
        if self.allowed(headers).is_some() {
            response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods));
            response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_FIELDS));
            let seconds = self.max_age.as_secs().to_string();
            response.insert_header((header::ACCESS_CONTROL_MAX_AGE, seconds));
        }
        Some(response.finish())
    }

    /// Adds what a browser must see on any answer.
    pub(crate) fn mark(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if !self.any {
            response.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allowed(request) {
            let expose: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.insert(expose, HeaderValue::from_static(ANSWER_FIELDS));
        }
    }
}

/// Whether a text is an origin as browsers send it: lower case, and without a path.
fn is_origin(text: &str) -> bool {
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let is_legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_legal)
}

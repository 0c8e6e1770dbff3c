//! Tokens from any endpoint: a request that is described, and where its response has the token.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::LocalBoxFuture;
use http::{Method, StatusCode, header::SET_COOKIE};
use serde::Serialize;

use super::endpoint::Endpoint;
use crate::{
    config::PoolConfig,
    error::{Error, ErrorKind},
    header_value::header_text,
    path::{Gaps, Path},
    pool::AwwPool,
    rate_limit::time,
    request::Request,
    response::Response,
    token_manager::{Token, TokenSource},
};

/// Tokens from any endpoint, such as a login that opens a session: a request, and where its response
/// has the token. Each slot gets its own token. It is requested when it is first needed, before it
/// expires, and after the API has refused it.
///
/// For the grants of OAuth 2.0 there are [`ClientCredentials`](crate::tokens::ClientCredentials)
/// and [`RefreshToken`](crate::tokens::RefreshToken). Requests use a pool of their own with one
/// worker, which retries transient failures; or one that is [given](Self::through). No secret is in
/// any `Debug` output, error or log.
///
/// ```
/// use std::time::Duration;
/// use serde_json::json;
/// use vantage_api_pool::{AwwPool, Request, tokens::TokenRequest};
///
/// let login = TokenRequest::post("https://api.example.com/v1/login")
///     .json(&json!({ "user": "ada", "password": "s3cret" }))
///     .token_at("data.session")
///     .lifetime(Duration::from_secs(1800));
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(1, login, |request: Request, token: &str| {
///         request.header("x-session", token)
///     })
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct TokenRequest {
    endpoint: Endpoint,
    /// Its error is that of the first use.
    request: Result<Request, Error>,
    token: Place,
    expires: Option<Path>,
    lifetime: Option<Duration>,
}

/// Where a response has the token.
#[derive(Clone)]
enum Place {
    Body(Path),
    Header(String),
    Cookie(String),
}

impl TokenRequest {
    /// A request to `url`, an absolute http or https URL.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let url = url.into();
        Self {
            request: Ok(Request::new(method, &url)),
            endpoint: Endpoint::new("TokenRequest", url),
            token: Place::Body(Path::parse("access_token")),
            expires: None,
            lifetime: None,
        }
    }

    /// A POST to `url`.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// A GET from `url`.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Sends `value` as JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|request| request.json(value))
    }

    /// Sends these fields (a struct, a map or a list of pairs) as a form.
    #[must_use]
    pub fn form<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        self.with(|request| request.form(fields))
    }

    /// Sends a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|request| request.header(name, value))
    }

    /// Sends a user name and a password (RFC 7617).
    #[must_use]
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.with(|request| request.basic_auth(user, password))
    }

    /// The path of the token in a JSON response, `access_token` by default; see
    /// [`Envelope`](crate::Envelope#paths) for paths. It is a text or a number. With an empty path
    /// the body is the token, as a JSON text or as it is.
    #[must_use]
    pub fn token_at(mut self, path: &str) -> Self {
        self.token = Place::Body(Path::parse(path));
        self
    }

    /// The response header that has the token, such as `X-Auth-Token`.
    #[must_use]
    pub fn token_in_header(mut self, name: &str) -> Self {
        self.token = Place::Header(name.to_owned());
        self
    }

    /// The cookie that is the token, by its name: the response sets it.
    #[must_use]
    pub fn token_in_cookie(mut self, name: &str) -> Self {
        self.token = Place::Cookie(name.to_owned());
        self
    }

    /// The path of how long the token is valid, in seconds, or of the moment when it expires: a Unix
    /// timestamp or a date. By default nothing is read.
    #[must_use]
    pub fn expires_at(mut self, path: &str) -> Self {
        self.expires = Some(Path::parse(path));
        self
    }

    /// How long a token is valid, above zero, if the response does not say so. By default a token is
    /// used until the API refuses it.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Uses this pool for the requests, which has its own timeouts, proxy and certificates. The URL
    /// must be below its base URL.
    #[must_use]
    pub fn through(mut self, pool: AwwPool) -> Self {
        self.endpoint.through(pool);
        self
    }

    pub(super) fn reached_as(mut self, config: &PoolConfig) -> Self {
        self.endpoint.reached_as(config);
        self
    }

    fn with(self, set: impl FnOnce(Request) -> Result<Request, Error>) -> Self {
        Self { request: self.request.and_then(set), ..self }
    }

    async fn token(&self) -> Result<Token, Error> {
        let request = self.request.clone()?;
        let is_response = |response: &Response| {
            let status = response.status();
            let is_refusal = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
            is_refusal || self.is_beside(response)
        };
        let response = self.endpoint.send(request, is_response).await?;
        if !response.status().is_success() && !self.is_beside(&response) {
            let status = response.status().as_u16();
            return Err(failed(format!("the token endpoint refused (status {status})")));
        }
        let token = self.token.read(&response)?;
        let told = self.expires.as_ref().and_then(|path| lifetime_at(path, &response));
        let token = Token::new(token);
        Ok(match told.or(self.lifetime) {
            Some(lifetime) => token.expires_in(lifetime),
            None => token,
        })
    }
}

impl TokenRequest {
    /// Whether it is a redirect that may have the token: a form signs in so.
    fn is_beside(&self, response: &Response) -> bool {
        !matches!(self.token, Place::Body(_)) && response.status().is_redirection()
    }
}

impl Place {
    /// The token in a response.
    ///
    /// # Errors
    /// [`ErrorKind::Token`], naming the place and nothing that is there.
    fn read(&self, response: &Response) -> Result<String, Error> {
        let found = match self {
            Self::Body(path) => in_body(path, response),
            Self::Header(name) => {
                response.headers().get(name).map(|value| header_text(value).into_owned())
            }
            Self::Cookie(name) => {
                // The last one of a name counts (RFC 6265 section 5.3).
                response.headers().get_all(SET_COOKIE).into_iter().rev().find_map(|value| {
                    let text = header_text(value);
                    let pair = text.split(';').next()?;
                    let (own, value) = pair.split_once('=')?;
                    (own.trim() == name).then(|| value.trim().to_owned())
                })
            }
        };
        let found = found.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        found.ok_or_else(|| failed(format!("the token endpoint's response has no token {self}")))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(path) if path.is_root() => f.write_str("as its body"),
            Self::Body(path) => write!(f, "at `{path}` of its body"),
            Self::Header(name) => write!(f, "in the header `{name}`"),
            Self::Cookie(name) => write!(f, "in the cookie `{name}`"),
        }
    }
}

/// The text, or the number as it is written, at a place of a JSON body.
fn in_body(path: &Path, response: &Response) -> Option<String> {
    let body = String::from_utf8_lossy(response.body());
    let body = body.trim_start_matches('\u{feff}');
    if path.is_root() {
        let text = serde_json::from_str(body);
        return Some(text.unwrap_or_else(|_| body.to_owned()));
    }
    let found = path.find(body, Gaps::PassedOver).ok()??;
    let json = found.into_iter().find(|json| *json != "null")?;
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// How long a token is valid as its response says. A past moment, and what cannot be read, says
/// nothing: then the token is used until the API refuses it.
fn lifetime_at(path: &Path, response: &Response) -> Option<Duration> {
    let text = in_body(path, response)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let told = time(text.trim()).map(|time| time.from(now));
    if told.is_none() {
        tracing::warn!(%path, "what the token endpoint says of its token's life cannot be read");
    }
    told.filter(|lifetime| !lifetime.is_zero())
}

fn failed(what: String) -> Error {
    Error::new(ErrorKind::Token, what)
}

impl TokenSource for TokenRequest {
    fn acquire(
        &self,
        _: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { self.token().await.map_err(Into::into) })
    }

    fn validate(&self, _: usize) -> Result<(), Error> {
        self.endpoint.check()?;
        if self.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(Error::config("lifetime: must be above zero"));
        }
        self.request.as_ref().map(drop).map_err(|error| {
            Error::config(format!("TokenRequest: the request is illegal: {error}"))
        })
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = format_args!("{}", self.token);
        f.debug_struct("TokenRequest").field("token", &token).finish_non_exhaustive()
    }
}

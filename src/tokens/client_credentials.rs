//! Tokens from an OAuth 2.0 token endpoint, by the client credentials grant (RFC 6749
//! section 4.4). The `oauth2` crate makes the request, a pool of its own sends it, and `grant`
//! parses the response.

use std::fmt;

use futures::future::LocalBoxFuture;
use http::Uri;
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenUrl, basic::BasicClient,
};
use secrecy::{ExposeSecret, SecretString};

use super::grant;
use crate::{
    error::{Error, ErrorKind},
    pool::AwwPool,
    request::Request,
    response::Response,
    token_manager::{Token, TokenSource},
};

/// The largest response of a token endpoint that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Tokens from an OAuth 2.0 token endpoint, by the client credentials grant (RFC 6749
/// section 4.4). Each slot gets its own token, refreshed before it expires according to
/// `expires_in`. Needs the feature `oauth2`.
///
/// The response needs only `access_token`. The lifetime comes from `expires_in`, in seconds, as a
/// number or a string; without one above zero the token is used until the API refuses it. An
/// `error` is a refusal whatever the status (RFC 6749 section 5.2).
///
/// Requests to the endpoint use a pool of their own with one worker, which starts with the first
/// request, retries transient failures, and knows nothing of the tokens it gets; or a pool that
/// is [given](Self::through). Neither secret nor token is in any `Debug` output, error or log.
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{ClientCredentials, bearer}};
///
/// let source = ClientCredentials::new("https://id.example.com/oauth/token", "my-id", "s3cret")
///     .scope("read");
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(1, source, bearer)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCredentials {
    token_url: String,
    client_id: String,
    client_secret: SecretString,
    scopes: Vec<String>,
    params: Vec<(String, String)>,
    auth_type: AuthType,
    pool: Result<AwwPool, Error>,
}

impl ClientCredentials {
    /// The client `client_id` at the token endpoint `token_url`, an absolute http or https
    /// URL. Credentials are sent in an `Authorization: Basic` header (RFC 6749 section 2.3.1).
    pub fn new(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        let token_url = token_url.into();
        Self {
            pool: pool_of(&token_url),
            token_url,
            client_id: client_id.into(),
            client_secret: SecretString::from(client_secret.into()),
            scopes: Vec::new(),
            params: Vec::new(),
            auth_type: AuthType::BasicAuth,
        }
    }

    /// Requests a scope; several calls request several scopes.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Sends an additional parameter, such as `audience`.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Sends id and secret as parameters in the body instead of a header, for endpoints that
    /// require that.
    #[must_use]
    pub fn credentials_in_body(mut self) -> Self {
        self.auth_type = AuthType::RequestBody;
        self
    }

    /// Uses this pool for the requests, which has its own timeouts, proxy and certificates. The
    /// token URL must be below its base URL.
    #[must_use]
    pub fn through(mut self, pool: AwwPool) -> Self {
        self.pool = Ok(pool);
        self
    }

    async fn token(&self) -> Result<Token, Error> {
        let url = TokenUrl::new(self.token_url.clone()).map_err(|_| illegal_url())?;
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.client_secret.expose_secret().into()))
            .set_auth_type(self.auth_type.clone())
            .set_token_uri(url);
        let mut exchange = client.exchange_client_credentials();
        for scope in &self.scopes {
            exchange = exchange.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &self.params {
            exchange = exchange.add_extra_param(name, value);
        }
        // The crate would refuse a response over fields the token does not need, so it never sees
        // one.
        let send = async |request| Err::<HttpResponse, _>(Answered(self.send(request).await));
        match exchange.request_async(&|request| send(request)).await {
            Err(RequestTokenError::Request(Answered(answer))) => grant::token(&answer?),
            _ => Err(failed("the request for a token could not be made")),
        }
    }

    /// Sends a request of the protocol, and returns any response that the protocol defines.
    async fn send(&self, request: HttpRequest) -> Result<Response, Error> {
        let (parts, body) = request.into_parts();
        let mut outgoing = Request::new(parts.method, &self.token_url).body(body).idempotent(true);
        *outgoing.headers_mut() = parts.headers;
        for value in outgoing.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        let pool = self.pool.as_ref().map_err(Clone::clone)?;
        pool.request(outgoing).await.or_else(|error| match error.response() {
            Some(response) if grant::is_refusal(response) => Ok(response.clone()),
            _ => Err(failed("the token endpoint gave no response to use").with_source(error)),
        })
    }
}

/// The response to a request, carried past the crate that made the request.
#[derive(Debug, thiserror::Error)]
#[error("answered")]
struct Answered(Result<Response, Error>);

impl TokenSource for ClientCredentials {
    fn acquire(
        &self,
        _: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { self.token().await.map_err(Into::into) })
    }

    fn validate(&self, _: usize) -> Result<(), Error> {
        self.pool.as_ref().map_err(Clone::clone)?;
        TokenUrl::new(self.token_url.clone()).map(drop).map_err(|_| illegal_url())
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A pool for the origin of `token_url`.
fn pool_of(token_url: &str) -> Result<AwwPool, Error> {
    let uri: Uri = token_url.parse().map_err(|_| illegal_url())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(illegal_url());
    };
    AwwPool::builder(format!("{scheme}://{authority}"))
        .workers(1)
        .connections_per_worker(4)
        .max_body_bytes(MOST_BYTES)
        .build()
        .map_err(|error| illegal_url().with_source(error))
}

fn failed(what: &'static str) -> Error {
    Error::new(ErrorKind::Token, what)
}

fn illegal_url() -> Error {
    Error::config("ClientCredentials: the token URL is no http or https URL")
}

//! Tokens from an OAuth 2.0 token endpoint, by the client credentials grant (RFC 6749
//! section 4.4).

use std::fmt;

use futures::future::LocalBoxFuture;

use super::{endpoint::Endpoint, oauth::OAuthClient};
use crate::{
    config::PoolConfig,
    error::Error,
    pool::AwwPool,
    token_manager::{Token, TokenSource},
};

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
pub struct ClientCredentials(OAuthClient);

impl ClientCredentials {
    /// The client `client_id` at the token endpoint `token_url`, an absolute http or https
    /// URL. Credentials are sent in an `Authorization: Basic` header (RFC 6749 section 2.3.1).
    pub fn new(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        let endpoint = Endpoint::new("ClientCredentials", token_url.into());
        Self(OAuthClient::new(endpoint, client_id.into(), client_secret.into()))
    }

    /// Requests a scope; several calls request several scopes.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.0.scopes.push(scope.into());
        self
    }

    /// Sends an additional parameter, such as `audience`.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.params.push((name.into(), value.into()));
        self
    }

    /// Sends id and secret as parameters in the body instead of a header, for endpoints that
    /// require that.
    #[must_use]
    pub fn credentials_in_body(mut self) -> Self {
        self.0.put_credentials_in_body();
        self
    }

    /// Uses this pool for the requests, which has its own timeouts, proxy and certificates. The
    /// token URL must be below its base URL.
    #[must_use]
    pub fn through(mut self, pool: AwwPool) -> Self {
        self.0.endpoint.through(pool);
        self
    }

    pub(super) fn reached_as(mut self, config: &PoolConfig) -> Self {
        self.0.endpoint.reached_as(config);
        self
    }
}

impl TokenSource for ClientCredentials {
    fn acquire(
        &self,
        _: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { Ok(self.0.ask(None).await?.token) })
    }

    fn validate(&self, _: usize) -> Result<(), Error> {
        self.0.endpoint.check()
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client_id", &self.0.id)
            .field("scopes", &self.0.scopes)
            .finish_non_exhaustive()
    }
}

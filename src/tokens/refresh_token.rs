//! Tokens from an OAuth 2.0 token endpoint, by a refresh token (RFC 6749 section 6) that the
//! endpoint may replace with each use.

use std::{fmt, path::PathBuf, sync::Arc};

use futures::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    endpoint::Endpoint,
    oauth::OAuthClient,
    refresh_file::{OpenRefreshFile, RefreshFile},
};
use crate::{
    config::PoolConfig,
    error::{Error, ErrorKind},
    pool::AwwPool,
    token_manager::{Token, TokenSource},
};

/// Tokens from an OAuth 2.0 token endpoint, by a refresh token (RFC 6749 section 6), refreshed
/// before they expire according to `expires_in`. Needs the feature `oauth2`. It serves one token.
///
/// If the endpoint replaces the refresh token with each use, the latest one is used from then on.
/// The next process needs it too: [`keep_in`](Self::keep_in) keeps it in a file. Without one, a
/// replacement is logged as a warning, once.
///
/// Responses are read, and requests sent, as for
/// [`ClientCredentials`](crate::tokens::ClientCredentials).
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{RefreshToken, bearer}};
///
/// let url = "https://id.example.com/oauth/token";
/// let source = RefreshToken::new(url, "my-id", "s3cret", "first-refresh-token")
///     .keep_in("/var/lib/my-app/refresh-token");
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(1, source, bearer)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct RefreshToken {
    client: OAuthClient,
    first: SecretString,
    /// The latest one, if it is in no file. Locked while a token is requested.
    latest: Arc<Mutex<Option<SecretString>>>,
    file: Option<RefreshFile>,
}

impl RefreshToken {
    /// The client `client_id` at the token endpoint `token_url`, an absolute http or https URL,
    /// with the refresh token it was given. A client without a secret, which is an empty one, sends
    /// its id in the body.
    pub fn new(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> Self {
        let endpoint = Endpoint::new("RefreshToken", token_url.into());
        Self {
            client: OAuthClient::new(endpoint, client_id.into(), client_secret.into()),
            first: SecretString::from(refresh_token.into()),
            latest: Arc::default(),
            file: None,
        }
    }

    /// Keeps the latest refresh token in this file, which is made when it is needed, readable by its
    /// owner alone, and replaced as a whole. Processes that name the same file share the token: one
    /// refreshes at a time, and the others wait. Beside it lies a file with the ending `.lock`.
    ///
    /// A token in the file is used as long as it descends from the one given to [`new`](Self::new):
    /// to begin anew, give another one.
    #[must_use]
    pub fn keep_in(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(RefreshFile::new(file.into(), self.first.expose_secret()));
        self
    }

    /// Requests a scope; several calls request several scopes. Without any, the scopes are those of
    /// the refresh token.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.client.scopes.push(scope.into());
        self
    }

    /// Sends an additional parameter.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.client.params.push((name.into(), value.into()));
        self
    }

    /// Sends id and secret as parameters in the body instead of a header, for endpoints that
    /// require that.
    #[must_use]
    pub fn credentials_in_body(mut self) -> Self {
        self.client.put_credentials_in_body();
        self
    }

    /// Uses this pool for the requests, which has its own timeouts, proxy and certificates. The
    /// token URL must be below its base URL.
    #[must_use]
    pub fn through(mut self, pool: AwwPool) -> Self {
        self.client.endpoint.through(pool);
        self
    }

    pub(super) fn reached_as(mut self, config: &PoolConfig) -> Self {
        self.client.endpoint.reached_as(config);
        self
    }

    async fn token(&self) -> Result<Token, Error> {
        // Held until the next one is kept, so that nobody else uses this one.
        let latest = Arc::clone(&self.latest).lock_owned().await;
        let file = match &self.file {
            Some(file) => Some(file.open().await?),
            None => None,
        };
        // The endpoint may replace the token once it is asked, so this goes on to its end, whether
        // or not anybody still waits.
        let exchange = tokio::spawn(self.clone().exchange(latest, file));
        let lost = |_| Error::new(ErrorKind::Token, "the request for a token was given up");
        exchange.await.map_err(lost)?
    }

    async fn exchange(
        self,
        mut latest: OwnedMutexGuard<Option<SecretString>>,
        mut file: Option<OpenRefreshFile>,
    ) -> Result<Token, Error> {
        // One that could not be written is later than what is in the file, and is kept before it is
        // used: it may be worth nothing then.
        if let (Some(latest), Some(file)) = (&*latest, &mut file) {
            file.put(latest.clone()).await?;
        }
        let kept = file.as_ref().and_then(|file| file.token.clone());
        let current = latest.clone().or(kept).unwrap_or_else(|| self.first.clone());
        let granted = self.client.ask(Some(&current)).await?;
        let next = granted.refresh_token;
        let next = next.filter(|next| next.expose_secret() != current.expose_secret());
        let Some(next) = next else { return Ok(granted.token) };
        let before = latest.replace(next.clone());
        match &mut file {
            Some(file) => match file.put(next).await {
                Ok(()) => *latest = None,
                Err(error) => tracing::error!(
                    %error,
                    "the refresh token was replaced, and the next one is in memory alone"
                ),
            },
            None if before.is_none() => tracing::warn!(
                "the token endpoint has replaced the refresh token, which is kept in memory alone: \
                 set RefreshToken::keep_in, or the next process begins with a used one"
            ),
            None => {}
        }
        Ok(granted.token)
    }
}

impl TokenSource for RefreshToken {
    fn acquire(
        &self,
        _: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { self.token().await.map_err(Into::into) })
    }

    fn validate(&self, slots: usize) -> Result<(), Error> {
        if slots != 1 {
            return Err(Error::config("RefreshToken: serves one token, not several"));
        }
        if self.first.expose_secret().trim().is_empty() {
            return Err(Error::config("RefreshToken: the refresh token is empty"));
        }
        self.client.endpoint.check()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("client_id", &self.client.id)
            .field("scopes", &self.client.scopes)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

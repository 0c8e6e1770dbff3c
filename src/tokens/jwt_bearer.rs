//! Tokens from an OAuth 2.0 token endpoint, by the JWT bearer grant (RFC 7523 section 2.1).

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::LocalBoxFuture;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    assertion::{Assertion, PrivateKey},
    endpoint::Endpoint,
    grant,
};
use crate::{
    config::PoolConfig,
    error::{Error, ErrorKind},
    pool::AwwPool,
    request::Request,
    token_manager::{Token, TokenSource},
};

/// The grant type (RFC 7523 section 2.1).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is valid, unless it is set.
const LIFETIME: Duration = Duration::from_secs(300);

/// Tokens from an OAuth 2.0 token endpoint, by the JWT bearer grant (RFC 7523 section 2.1): a JSON
/// Web Token that a private key signs is exchanged for each access token, as Google's service
/// accounts and Salesforce's connected apps do it. Needs the feature `oauth2`.
///
/// The claims are `iss`, `aud`, `iat`, `exp` and a random `jti`, and what is set here. Responses are
/// read, and requests sent, as for [`ClientCredentials`](crate::tokens::ClientCredentials).
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{JwtBearer, bearer}};
///
/// let url = "https://oauth2.example.com/token";
/// let source = JwtBearer::with_key_file(url, "me@my-project.example.com", "/run/secrets/key.json")
///     .claim("scope", "https://www.example.com/auth/calendar.readonly");
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(1, source, bearer)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct JwtBearer {
    endpoint: Endpoint,
    assertion: Assertion,
    params: Vec<(String, String)>,
}

impl JwtBearer {
    /// Assertions of `issuer` (`iss`) for the token endpoint `token_url`, an absolute http or https
    /// URL, signed by RS256 with this private key. The key is a text in PEM (RFC 7468): PKCS #8 or
    /// PKCS #1, not encrypted; or the JSON of a service account, which has the key as `private_key`
    /// and its id as `private_key_id`.
    pub fn new(
        token_url: impl Into<String>,
        issuer: impl Into<String>,
        private_key: impl Into<String>,
    ) -> Self {
        Self::with(token_url.into(), issuer.into(), PrivateKey::Text(private_key.into().into()))
    }

    /// The same with the private key in a file, of at most 64 KiB, which is read for each assertion.
    pub fn with_key_file(
        token_url: impl Into<String>,
        issuer: impl Into<String>,
        file: impl Into<PathBuf>,
    ) -> Self {
        Self::with(token_url.into(), issuer.into(), PrivateKey::File(file.into()))
    }

    fn with(token_url: String, issuer: String, key: PrivateKey) -> Self {
        let claims = [("iss", issuer), ("aud", token_url.clone())];
        let claims = claims.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Self {
            endpoint: Endpoint::new("JwtBearer", token_url),
            assertion: Assertion {
                key,
                algorithm: "RS256".into(),
                key_id: None,
                claims: claims.collect(),
                lifetime: LIFETIME,
            },
            params: Vec::new(),
        }
    }

    /// Sets a claim, such as `sub`, `scope` or another `aud` than the token URL. A claim `iat`,
    /// `exp` or `jti` replaces the one that is made for each assertion.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.assertion.claims.insert(name.into(), value.into());
        self
    }

    /// The algorithm (RFC 7518 section 3.1): `RS256`, `RS384`, `RS512`, or `ES256`, whose key is in
    /// PKCS #8.
    #[must_use]
    pub fn algorithm(mut self, name: impl Into<String>) -> Self {
        self.assertion.algorithm = name.into();
        self
    }

    /// The id of the key, which is sent as `kid`.
    #[must_use]
    pub fn key_id(mut self, id: impl Into<String>) -> Self {
        self.assertion.key_id = Some(id.into());
        self
    }

    /// How long an assertion is valid, 5 minutes by default, in whole seconds. The lifetime of the
    /// token is what the endpoint says.
    #[must_use]
    pub fn valid_for(mut self, lifetime: Duration) -> Self {
        self.assertion.lifetime = lifetime;
        self
    }

    /// Sends an additional parameter, such as `scope` for endpoints that do not read it as a claim.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Uses this pool for the requests, which has its own timeouts, proxy and certificates. The
    /// token URL must be below its base URL.
    #[must_use]
    pub fn through(mut self, pool: AwwPool) -> Self {
        self.endpoint.through(pool);
        self
    }

    pub(super) fn reached_as(mut self, config: &PoolConfig) -> Self {
        self.endpoint.reached_as(config);
        self
    }

    async fn token(&self) -> Result<Token, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let assertion = self.assertion.clone();
        // A disk that hangs must not hold up other sources.
        let signed = tokio::task::spawn_blocking(move || assertion.sign(now));
        let lost = |_| Error::new(ErrorKind::Token, "the assertion was not signed");
        let signed = signed.await.map_err(lost)??;
        let own = [("grant_type", GRANT), ("assertion", signed.expose_secret())];
        let params = self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let form: Vec<(&str, &str)> = own.into_iter().chain(params).collect();
        let request = Request::post(&self.endpoint.url).form(&form)?;
        let request = request.header("accept", "application/json")?;
        let response = self.endpoint.send(request, grant::is_refusal).await?;
        Ok(grant::granted(&response)?.token)
    }
}

impl TokenSource for JwtBearer {
    fn acquire(
        &self,
        _: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async { self.token().await.map_err(Into::into) })
    }

    fn validate(&self, _: usize) -> Result<(), Error> {
        self.assertion.check()?;
        self.endpoint.check()
    }
}

impl fmt::Debug for JwtBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBearer").field("assertion", &self.assertion).finish_non_exhaustive()
    }
}

//! Tokens: the callbacks that get and apply them, and the actor that keeps them fresh.

use std::{error::Error as StdError, fmt, future::Future, sync::Arc, time::Duration};

use futures::future::LocalBoxFuture;
use secrecy::SecretString;

use crate::http::Request;

pub(crate) mod actor;
mod ring;

pub(crate) use actor::{Issue, TokenManager};
pub(crate) use ring::Issued;

/// A token as the `acquire` callback hands it out.
///
/// A plain string is a token that does not expire by time.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::Token;
///
/// let token = Token::new("s3cret").expires_in(Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug)]
pub struct Token {
    pub(crate) secret: SecretString,
    pub(crate) expires_in: Option<Duration>,
}

impl Token {
    /// A token that does not expire by time; a 401 still renews it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: SecretString::from(secret.into()), expires_in: None }
    }

    /// How long the token is valid, counted from when `acquire` returned it. It
    /// is renewed in the background before that.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }
}

impl From<String> for Token {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl From<&str> for Token {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

type AcquireError = Box<dyn StdError + Send + Sync>;
type Acquire = dyn Fn() -> LocalBoxFuture<'static, Result<Token, AcquireError>> + Send + Sync;
type Apply = dyn Fn(Request, &str) -> Request + Send + Sync;

/// The callbacks of `with_auth_callback`.
#[derive(Clone)]
pub(crate) struct Auth {
    /// How many tokens are held at a time.
    pub(crate) slots: usize,
    pub(crate) acquire: Arc<Acquire>,
    pub(crate) apply: Arc<Apply>,
}

impl Auth {
    pub(crate) fn new<A, F, T, E, P>(slots: usize, acquire: A, apply: P) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        T: Into<Token>,
        E: Into<AcquireError>,
        P: Fn(Request, &str) -> Request + Send + Sync + 'static,
    {
        Self {
            slots,
            acquire: Arc::new(move || {
                let token = acquire();
                Box::pin(async move { token.await.map(Into::into).map_err(Into::into) })
            }),
            apply: Arc::new(apply),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("slots", &self.slots).finish_non_exhaustive()
    }
}

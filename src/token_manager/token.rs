//! A token as sources return it. Knows neither where it comes from nor what it is for.

use std::time::Duration;

use secrecy::SecretString;

/// A token, as an `acquire` callback or a [`TokenSource`](crate::tokens::TokenSource) returns it.
///
/// A plain string is a token without an expiry time. No `Debug` output shows the secret.
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
    /// A token without an expiry time; it is still refreshed after a 401.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: SecretString::from(secret.into()), expires_in: None }
    }

    /// How long the token is valid, counted from when `acquire` returned it.
    ///
    /// It is refreshed in the background when 10 % of that is left, or 240 s if that is less, and
    /// no longer sent in the last 10 s, or in the last half of a lifetime shorter than 20 s.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }
}

impl<T: Into<String>> From<T> for Token {
    fn from(secret: T) -> Self {
        Self::new(secret)
    }
}

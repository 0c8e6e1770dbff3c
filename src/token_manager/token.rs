//! A token as sources hand it out. Knows neither where it comes from nor what it is for.

use std::{borrow::Cow, time::Duration};

use secrecy::SecretString;

/// A token, as an `acquire` callback or a [`TokenSource`](crate::tokens::TokenSource) hands it out.
///
/// A plain string is a token that does not expire by time. No `Debug` output shows the secret.
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

    /// How long the token is valid, counted from when `acquire` returned it.
    ///
    /// It is renewed in the background when 10 % of that are left, at most 240 s, and not
    /// sent any more for the last 10 s, or half of a lifetime shorter than 20 s.
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

impl From<&String> for Token {
    fn from(secret: &String) -> Self {
        Self::new(secret)
    }
}

impl From<Box<str>> for Token {
    fn from(secret: Box<str>) -> Self {
        Self::new(secret)
    }
}

impl From<Cow<'_, str>> for Token {
    fn from(secret: Cow<'_, str>) -> Self {
        Self::new(secret)
    }
}

//! The credentials of calls: where tokens come from, how many there are, and how one is put into
//! a request. Knows neither when a token is needed nor who needs it.

use std::{error::Error as StdError, fmt, future::Future, sync::Arc};

use futures::future::LocalBoxFuture;

use super::Token;
use crate::{error::Error, request::Request, user_value::UserValue};

/// The most tokens that a pool keeps.
const MAX_TOKENS: usize = 1024;

/// The error of a token source.
type AcquireError = Box<dyn StdError + Send + Sync>;

/// Where the tokens of a pool, or of one of its handles, come from. [`tokens`](crate::tokens) has
/// ready-made sources; to use a closure without this trait, see
/// [`with_auth_callback`](crate::PoolBuilder::with_auth_callback).
///
/// The pool keeps a number of tokens, each in a slot. It acquires the token of a slot when a call
/// first needs it, when the last one is about to expire, and when the API refused it with a 401:
/// at most one acquire at a time for a slot, on a thread that serves no calls and is shared by all
/// sources of the pool, and for at most [`acquire_timeout`](crate::PoolBuilder::acquire_timeout).
/// A failure is the error of every call that waits for the token. After it the slot backs off for
/// 0.2 s, doubled with each further failure up to 60 s, minus a random part of up to a half; the
/// other slots go on serving calls.
///
/// An API that responds with 401 whatever the token does not trigger endless refreshes. In these
/// cases a 401 is the call's error, and the token stays in use:
/// - for 10 s after two new tokens in a row were refused before they had served any call; this
///   doubles with each further one, up to 60 s;
/// - while the token has served other calls since it was first refused, for at most 60 s after
///   it was acquired;
/// - for 10 s after the token was acquired, if five such young tokens were replaced already. Each
///   10 successful responses allow one more.
///
/// ```
/// use futures::future::{LocalBoxFuture, ready};
/// use vantage_api_pool::{AwwPool, Token, tokens::{TokenSource, bearer}};
///
/// struct PerTenant;
///
/// impl TokenSource for PerTenant {
///     fn acquire(
///         &self,
///         slot: usize,
///     ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
///         Box::pin(ready(Ok(Token::new(format!("tenant-{slot}")))))
///     }
/// }
///
/// let pool = AwwPool::builder("https://api.example.com").token_source(3, PerTenant, bearer);
/// # pool.build().unwrap();
/// ```
pub trait TokenSource: Send + Sync + 'static {
    /// Acquires a token for `slot`, counted from 0.
    ///
    /// # Errors
    /// Any error. It becomes the source of an error of
    /// [`ErrorKind::Token`](crate::ErrorKind::Token); an [`Error`] of that kind is passed to the
    /// calls unchanged.
    fn acquire(&self, slot: usize) -> LocalBoxFuture<'_, Result<Token, AcquireError>>;

    /// Checks whether this source can serve `slots` tokens; called when a pool or a handle gets the
    /// source. It must not send or read anything.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming what is wrong.
    fn validate(&self, slots: usize) -> Result<(), Error> {
        let _ = slots;
        Ok(())
    }
}

/// The source made from the closure of `with_auth_callback`.
struct Callback<A>(A);

impl<A, F, T, E> TokenSource for Callback<A>
where
    A: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<T, E>> + 'static,
    T: Into<Token>,
    E: Into<AcquireError>,
{
    fn acquire(&self, _: usize) -> LocalBoxFuture<'_, Result<Token, AcquireError>> {
        let token = (self.0)();
        Box::pin(async move { token.await.map(Into::into).map_err(Into::into) })
    }
}

/// Allows an `apply` callback to return either a request or the error that prevented one.
impl From<Request> for Result<Request, Error> {
    fn from(request: Request) -> Self {
        Ok(request)
    }
}

type Apply = dyn Fn(Request, &str) -> Result<Request, Error> + Send + Sync;

/// The credentials of calls: a number of tokens, where they come from, and how one is put into a
/// request. [`AwwPool::with_credentials`](crate::AwwPool::with_credentials) gives a handle its own.
///
/// It holds no token: each handle that gets it acquires tokens of its own.
///
/// ```
/// use vantage_api_pool::{Error, tokens::{Credentials, bearer}};
///
/// let token = || async { Ok::<_, Error>("from a request to a token endpoint") };
/// let tenant = Credentials::from_callback(1, token, bearer);
/// ```
#[derive(Clone)]
pub struct Credentials {
    /// The number of tokens.
    pub(crate) slots: usize,
    pub(crate) source: Arc<dyn TokenSource>,
    pub(crate) apply: Arc<Apply>,
    /// Must be dropped last.
    _end: Arc<UserValue>,
}

impl Credentials {
    /// `tokens` (1 to 1024) tokens from `source`, put into requests by `apply`, as for
    /// [`token_source`](crate::PoolBuilder::token_source).
    pub fn from_source<P, R>(tokens: usize, source: impl TokenSource, apply: P) -> Self
    where
        P: Fn(Request, &str) -> R + Send + Sync + 'static,
        R: Into<Result<Request, Error>>,
    {
        let apply = move |request: Request, token: &str| apply(request, token).into();
        let (source, apply) = (Arc::new(source), Arc::new(apply));
        let end = UserValue::keep((Arc::clone(&source), Arc::clone(&apply)));
        Self { slots: tokens, source, apply, _end: Arc::new(end) }
    }

    /// `tokens` (1 to 1024) tokens, acquired by `acquire` and put into requests by `apply`, as for
    /// [`with_auth_callback`](crate::PoolBuilder::with_auth_callback).
    pub fn from_callback<A, F, T, E, P, R>(tokens: usize, acquire: A, apply: P) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        T: Into<Token>,
        E: Into<AcquireError>,
        P: Fn(Request, &str) -> R + Send + Sync + 'static,
        R: Into<Result<Request, Error>>,
    {
        Self::from_source(tokens, Callback(acquire), apply)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if !(1..=MAX_TOKENS).contains(&self.slots) {
            return Err(Error::config("tokens: must be from 1 to 1024"));
        }
        self.source.validate(self.slots)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("tokens", &self.slots).finish_non_exhaustive()
    }
}

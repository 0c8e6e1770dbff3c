//! What calls are authorised with: where tokens come from, how many, and how one is put
//! into a request. Knows neither when a token is wanted nor who asks.

use std::{error::Error as StdError, fmt, future::Future, sync::Arc};

use futures::future::LocalBoxFuture;

use super::Token;
use crate::{
    error::{Error, ErrorKind},
    request::Request,
    user_value::UserValue,
};

/// The most tokens that a pool keeps.
const MAX_TOKENS: usize = 1024;

/// What a source of tokens fails with.
type AcquireError = Box<dyn StdError + Send + Sync>;

/// Where the tokens of a pool, or of one of its handles, come from. [`tokens`](crate::tokens) has
/// ready-made ones; a closure without a trait goes to
/// [`with_auth_callback`](crate::PoolBuilder::with_auth_callback).
///
/// The pool keeps a number of tokens, each in a slot. It asks for the token of a slot when a
/// call first needs it, when the last one is about to expire, and when the API refused it with
/// a 401: never twice at a time for one slot, on a thread that serves no calls and that all
/// sources of the pool share, and for no longer than
/// [`acquire_timeout`](crate::PoolBuilder::acquire_timeout). After a failure, of which whoever
/// waits hears, the slot rests for 0.2 s, doubled with each further one up to 60 s, of which a
/// random part of up to a half is cut; the other slots serve on.
///
/// An API that answers with 401 whatever the token does not drive the source. A 401 is the
/// call's error, and the token stays in use,
/// - for 10 s after a second new token in a row was refused before it had served any call; this
///   doubles with each further one, up to 60 s;
/// - while the token has served other calls since it was refused first, for at most 60 s after
///   it came;
/// - for 10 s after the token came, if five such tokens were replaced already. Each 10 answers
///   with success make room for one more.
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
    /// Gets a token for `slot`, counted from 0.
    ///
    /// # Errors
    /// Whatever keeps it from getting one. It becomes the source of an error of
    /// [`ErrorKind::Token`]; an [`Error`] of that kind is handed to the calls as it is.
    fn acquire(&self, slot: usize) -> LocalBoxFuture<'_, Result<Token, AcquireError>>;

    /// Checks, when a pool or a handle gets it, whether this source serves `slots` tokens.
    /// Sends and reads nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming what is wrong.
    fn validate(&self, slots: usize) -> Result<(), Error> {
        let _ = slots;
        Ok(())
    }
}

/// The source that the closure of `with_auth_callback` is.
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

/// So that an `apply` callback may return a request or the error that kept it from making one.
impl From<Request> for Result<Request, Error> {
    fn from(request: Request) -> Self {
        Ok(request)
    }
}

type Apply = dyn Fn(Request, &str) -> Result<Request, Error> + Send + Sync;

/// What calls are authorised with: a number of tokens, where they come from, and how one is
/// put into a request. A handle gets its own by
/// [`AwwPool::with_credentials`](crate::AwwPool::with_credentials).
///
/// It holds no token: each handle that is given it gets tokens of its own.
///
/// ```
/// use vantage_api_pool::{Error, tokens::{Credentials, bearer}};
///
/// let token = || async { Ok::<_, Error>("from a request to a token endpoint") };
/// let tenant = Credentials::from_callback(1, token, bearer);
/// ```
#[derive(Clone)]
pub struct Credentials {
    /// How many tokens are held at a time.
    pub(crate) slots: usize,
    pub(crate) source: Arc<dyn TokenSource>,
    pub(crate) apply: Arc<Apply>,
    /// The last to be dropped.
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

    /// `tokens` (1 to 1024) tokens, got by `acquire` and put into requests by `apply`, as for
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
            return Err(Error::new(ErrorKind::Config, "tokens: must be from 1 to 1024"));
        }
        self.source.validate(self.slots)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("tokens", &self.slots).finish_non_exhaustive()
    }
}

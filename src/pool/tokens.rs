//! What a pool's handle and its builder say of tokens: where they come from, how they get
//! into a request, and when one is to be renewed. Knows nothing of how they are kept.

use std::{future::Future, sync::Arc, time::Instant};

use rust_decimal::Decimal;

use super::{AwwPool, PoolBuilder};
use crate::{
    config::PoolConfig,
    dispatch::Tenant,
    error::Error,
    request::Request,
    supervisor::messages::InvalidateToken,
    token_manager::{Credentials, Token, TokenSource},
};

impl AwwPool {
    /// A new pool, not started yet, that has the settings of this one and uses tokens: at most
    /// `tokens` (1 to 1024) at a time, returned by `acquire` and put into each request by `apply`.
    /// Receivers of this pool's [`events`](Self::events) see none of its events.
    ///
    /// `acquire` runs at most once at a time for each token, on a thread of its own, for at most
    /// [`acquire_timeout`](PoolBuilder::acquire_timeout) (30 s by default); it returns a string or
    /// a [`Token`] with a lifetime.
    /// `apply` runs on a worker before every attempt, and returns the request or the error that
    /// kept it from making one. Once a callback of the pool has blocked a worker, it runs on a
    /// thread of its own, for at most
    /// [`replace_blocked_after`](PoolBuilder::replace_blocked_after), of which the `apply` of
    /// one handle has eight at a time. A 401 leads to one new token and one retry; a second 401 is
    /// the call's error. If a new token is not likely to help, the first 401 already is, see
    /// [`TokenSource`].
    ///
    /// Of several tokens the one with the most quota left goes out, as the API's headers tell
    /// it, in turn where that is even. A 429 with `Retry-After`, or a quota that is used up,
    /// holds only its token, for at most [`max_retry_after`](PoolBuilder::max_retry_after);
    /// a call waits when all are held, for the first that is free. A token that cannot be
    /// acquired is passed by likewise. With one token a 429 holds the whole API, and so does a
    /// 503 with any number.
    #[must_use]
    pub fn with_auth_callback<A, F, T, E, P, R>(self, tokens: usize, acquire: A, apply: P) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        T: Into<Token>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        P: Fn(Request, &str) -> R + Send + Sync + 'static,
        R: Into<Result<Request, Error>>,
    {
        let credentials = Some(Credentials::from_callback(tokens, acquire, apply));
        Self::with_config(PoolConfig { credentials, ..self.inner.config.clone() })
    }

    /// A handle of the same pool with credentials of its own, as for a tenant: what it and its
    /// clones ask for, streams included, goes out with its tokens and never with others.
    ///
    /// No handle can hold, fill or end what another one uses. Its own are:
    ///
    /// - its tokens. A 401, a failed acquire or an [invalidated](Self::invalidate_token) token
    ///   concerns no other handle. When the last clone and its last call are gone, the tokens
    ///   are forgotten;
    /// - its holds. A 429 or a 503 with `Retry-After` or a used-up quota makes this handle wait
    ///   alone, even if it has one token. A 503 that two handles are told at a time holds all;
    /// - its [circuit breaker](crate::retry::CircuitBreaker::per_handle), unless that is set to be
    ///   one for all, and its [retry budget](PoolBuilder::retry_budget);
    /// - its [rate keys](Request::rate_key), 65,536 at a time, which are none of another's;
    /// - a share of [`max_queued`](PoolBuilder::max_queued) and of
    ///   [`page_byte_budget`](PoolBuilder::page_byte_budget);
    /// - [`shutdown`](Self::shutdown), which ends its calls and no others.
    ///
    /// All handles share workers and connections, so that calls of one wait for those of others
    /// by their priority, the [rate limit](PoolBuilder::rate_limit), the
    /// [dampener](PoolBuilder::use_dampener) and what is known of other origins that pages lead
    /// to, and they see the statistics and events of all. What
    /// concerns the whole pool is refused to it: [`resize`](Self::resize),
    /// [`set_rate`](Self::set_rate) and the [`supervisor`](Self::supervisor) address, where
    /// messages go out with the pool's own credentials unless they name the handle
    /// ([`Fetch::by`](crate::messages::Fetch::by)). A default `Authorization` or `Cookie`
    /// header is the pool's own too and does not go out with its calls; all other default headers
    /// do, so none of them should identify anybody.
    ///
    /// ```
    /// use vantage_api_pool::{AwwPool, tokens::{Credentials, FileTokens, bearer}};
    ///
    /// # async fn demo() -> Result<(), vantage_api_pool::Error> {
    /// let pool = AwwPool::new(3, None, false, "https://api.example.com/v1");
    /// let tenant = |name: &str| {
    ///     let token = FileTokens::new([format!("/run/secrets/{name}")]);
    ///     pool.with_credentials(Credentials::from_source(1, token, bearer))
    /// };
    /// let (blue, green) = (tenant("blue")?, tenant("green")?);
    /// let orders = (blue.get("/orders").await?, green.get("/orders").await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a number of tokens out of range, for a
    /// source that does not serve it, and in a pool with
    /// [`rate_limit_per_token`](PoolBuilder::rate_limit_per_token), which is for the pool's own
    /// tokens alone. Nothing is sent and nothing starts here.
    pub fn with_credentials(&self, credentials: Credentials) -> Result<Self, Error> {
        let config = &self.inner.config;
        if config.rate_limit_per_token.is_some() {
            return Err(Error::config(
                "with_credentials: rate_limit_per_token is for the pool's own tokens",
            ));
        }
        credentials.validate()?;
        let tenant = Arc::new(Tenant::new(config, credentials, Instant::now()));
        Ok(Self { inner: Arc::clone(&self.inner), tenant: Some(tenant) })
    }

    /// Refuses, as `what` says, what concerns the whole pool to a handle with credentials of
    /// its own.
    pub(super) fn for_the_pool(&self, what: &'static str) -> Result<(), Error> {
        match self.tenant {
            Some(_) => Err(Error::config(what)),
            None => Ok(()),
        }
    }

    /// Has the token of `slot`, counted from 0, renewed before it is used again, as when it is
    /// known to be revoked. It is a token of this handle, if that has credentials of its own.
    /// From when this returns no attempt begins with the old one, nor with one that an acquire
    /// under way brings. Nothing is acquired before a call needs it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when there is no such token,
    /// [`ErrorKind::ShuttingDown`](crate::ErrorKind::ShuttingDown) when the pool or the handle has
    /// ended.
    pub async fn invalidate_token(&self, slot: usize) -> Result<(), Error> {
        let supervisor = self.address().await?;
        if let Some(tenant) = &self.tenant {
            let is_over = tenant.is_closed() || !supervisor.connected();
            return if is_over { Err(Error::gone()) } else { tenant.tokens.invalidate(slot) };
        }
        supervisor.send(InvalidateToken::new(slot)).await.map_err(|_| Error::gone())?
    }
}

impl PoolBuilder {
    /// See [`AwwPool::with_auth_callback`].
    pub fn with_auth_callback<A, F, T, E, P, R>(
        mut self,
        tokens: usize,
        acquire: A,
        apply: P,
    ) -> Self
    where
        A: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
        T: Into<Token>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        P: Fn(Request, &str) -> R + Send + Sync + 'static,
        R: Into<Result<Request, Error>>,
    {
        self.config.credentials = Some(Credentials::from_callback(tokens, acquire, apply));
        self
    }

    /// The rate limit of each token, whatever the number of workers, in requests per second:
    /// 0.5 is one request every two seconds. None by default; beside it
    /// [`rate_limit`](Self::rate_limit) bounds all tokens together.
    ///
    /// No token leaves more often than that, but for 10 ms worth of the rate at once, and at
    /// least one request, after a pause. A call goes out with the token that may be sent
    /// soonest.
    pub fn rate_limit_per_token(mut self, requests_per_second: Decimal) -> Self {
        self.config.rate_limit_per_token = Some(requests_per_second);
        self
    }

    /// Keeps `tokens` (1 to 1024) tokens from `source`, and puts one of them into each request
    /// by `apply`, such as [`tokens::bearer`](crate::tokens::bearer).
    /// [`tokens`](crate::tokens) has sources ready-made.
    pub fn token_source<P, R>(mut self, tokens: usize, source: impl TokenSource, apply: P) -> Self
    where
        P: Fn(Request, &str) -> R + Send + Sync + 'static,
        R: Into<Result<Request, Error>>,
    {
        self.config.credentials = Some(Credentials::from_source(tokens, source, apply));
        self
    }
}

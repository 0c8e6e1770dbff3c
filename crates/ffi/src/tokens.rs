//! Bearer tokens that a program replaces while their pool runs.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::{LocalBoxFuture, ready};
use vantage_api_pool::{
    AwwPool, PoolBuilder, Request, Token,
    tokens::{TokenSource, bearer},
};

use crate::error::Failure;

/// A pool, and the tokens of its own that can be replaced.
pub(crate) struct Pool {
    pool: AwwPool,
    /// Nothing if its tokens come from elsewhere.
    tokens: Option<GivenTokens>,
}

impl Deref for Pool {
    type Target = AwwPool;

    fn deref(&self) -> &AwwPool {
        &self.pool
    }
}

impl Pool {
    /// A pool with these bearer tokens, or with those of the builder.
    pub(crate) fn build(
        builder: PoolBuilder,
        tokens: Option<Vec<String>>,
    ) -> Result<Self, Failure> {
        let Some(tokens) = tokens else {
            return Ok(Self { pool: builder.build()?, tokens: None });
        };
        let count = tokens.len();
        let tokens = tokens.into_iter().map(Token::new).collect();
        let tokens = GivenTokens(Arc::new(Mutex::new(tokens)));
        let pool = builder.token_source(count, tokens.clone(), bearer).build()?;
        Ok(Self { pool, tokens: Some(tokens) })
    }

    /// Replaces a token, of which the pool is to be told.
    pub(crate) fn replace(&self, slot: usize, token: &str) -> Result<(), Failure> {
        let Some(tokens) = &self.tokens else {
            return Err(Failure::state("the settings of the pool have no bearer tokens by value"));
        };
        if token.is_empty() {
            return Err(Failure::argument("token: is empty"));
        }
        bearer(Request::get("/"), token).map_err(|_| {
            Failure::argument("token: has characters that are not legal in a header")
        })?;
        let mut tokens = tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tokens.len();
        let Some(old) = tokens.get_mut(slot) else {
            return Err(Failure::argument(format!("slot: there are {count} tokens, from 0 on")));
        };
        *old = Token::new(token);
        Ok(())
    }
}

/// The tokens that are in force.
#[derive(Clone)]
struct GivenTokens(Arc<Mutex<Vec<Token>>>);

impl TokenSource for GivenTokens {
    fn acquire(
        &self,
        slot: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(slot).cloned();
        Box::pin(ready(token.ok_or_else(|| "there is no token for this slot".into())))
    }
}

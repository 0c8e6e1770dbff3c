//! Tokens that are known in advance.

use futures::future::{LocalBoxFuture, ready};

use super::parts::one_per_slot;
use crate::{
    error::Error,
    token_manager::{Token, TokenSource},
};

/// Tokens that are known in advance, one for each slot. After a 401 the request is sent once more
/// with the same token.
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{StaticTokens, bearer}};
///
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(2, StaticTokens::new(["s3cret-1", "s3cret-2"]), bearer)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StaticTokens(Vec<Token>);

impl StaticTokens {
    /// One token for each token slot of the pool.
    pub fn new(tokens: impl IntoIterator<Item: Into<Token>>) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }
}

impl TokenSource for StaticTokens {
    fn acquire(
        &self,
        slot: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        let token = self.0.get(slot).cloned();
        Box::pin(ready(token.ok_or_else(|| "there is no token for this slot".into())))
    }

    fn validate(&self, slots: usize) -> Result<(), Error> {
        one_per_slot("StaticTokens", self.0.len(), slots)
    }
}

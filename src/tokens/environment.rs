//! Tokens from environment variables.

use std::env::{self, VarError};

use futures::future::{LocalBoxFuture, ready};

use super::parts::{one_per_slot, present};
use crate::{
    error::{Error, ErrorKind},
    token_manager::{Token, TokenSource},
};

/// Tokens from environment variables, one for each slot. A variable is read when its token is
/// first needed and again after a 401; white space around the token is removed.
///
/// ```
/// use vantage_api_pool::{AwwPool, tokens::{EnvTokens, bearer}};
///
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .token_source(1, EnvTokens::new(["API_TOKEN"]), bearer)
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EnvTokens(Vec<String>);

impl EnvTokens {
    /// One variable for each token slot of the pool.
    pub fn new(variables: impl IntoIterator<Item: Into<String>>) -> Self {
        Self(variables.into_iter().map(Into::into).collect())
    }

    fn read(&self, slot: usize) -> Result<Token, Error> {
        let failed = |what: String| Error::new(ErrorKind::Token, what);
        let Some(name) = self.0.get(slot) else {
            return Err(failed("there is no variable for this slot".into()));
        };
        let text = env::var(name).map_err(|reason| match reason {
            VarError::NotPresent => failed(format!("the environment variable {name} is not set")),
            // This error contains the value of the variable.
            VarError::NotUnicode(_) => {
                failed(format!("the environment variable {name} is not UTF-8"))
            }
        })?;
        present(&text).ok_or_else(|| failed(format!("the environment variable {name} is empty")))
    }
}

impl TokenSource for EnvTokens {
    fn acquire(
        &self,
        slot: usize,
    ) -> LocalBoxFuture<'_, Result<Token, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(ready(self.read(slot).map_err(Into::into)))
    }

    fn validate(&self, slots: usize) -> Result<(), Error> {
        one_per_slot("EnvTokens", self.0.len(), slots)?;
        // The system does not accept such a name, and would panic.
        if self.0.iter().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(Error::config("EnvTokens: a variable has no legal name"));
        }
        Ok(())
    }
}

//! What sources of tokens have in common.

use crate::{error::Error, token_manager::Token};

/// The token in `text`, if there is one.
pub(super) fn present(text: &str) -> Option<Token> {
    let token = text.trim();
    (!token.is_empty()).then(|| token.into())
}

/// Checks that a source has one value for each of `slots`.
pub(super) fn one_per_slot(source: &str, has: usize, slots: usize) -> Result<(), Error> {
    if has == slots {
        return Ok(());
    }
    Err(Error::config(format!("{source}: has {has} for the pool's {slots} token(s)")))
}

//! [pure] Why there is no draft.

use crate::yaml::line;

/// What could not be found out, and what to do about it. Nothing of the answers is in it but names
/// of keys and headers, and counts; in characters that a terminal prints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\n  -> {advice}")]
#[non_exhaustive]
pub struct DiscoverError {
    /// What could not be found.
    pub what: String,
    /// What to write by hand, or to ask again with.
    pub advice: String,
}

/// The most characters of either.
const WIDTH: usize = 1_000;

impl DiscoverError {
    pub(crate) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: line(&what.into(), WIDTH), advice: line(&advice.into(), WIDTH) }
    }
}

//! [pure] Why there is no draft.

/// What could not be found out, and what to do about it. Nothing of the answers is in it but names
/// of keys and headers, and counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\n  -> {advice}")]
#[non_exhaustive]
pub struct Unknown {
    /// What could not be found.
    pub what: String,
    /// What to write by hand, or to ask again with.
    pub advice: String,
}

impl Unknown {
    pub(crate) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self { what: what.replace(['\n', '\r'], " "), advice }
    }
}

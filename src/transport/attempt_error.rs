//! A failed attempt with the evidence that decides whether it may be made again at once, and its
//! way through the `io::Error`s of the layers between.

use std::{fmt, io};

use crate::error::Error;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct AttemptError {
    pub(super) error: Error,
    /// The connection had served a request before and broke before the first byte of this response:
    /// most likely the server had closed it while it was idle.
    pub(super) stale: bool,
}

impl AttemptError {
    /// The failure inside an error that came from below, if there is one.
    pub(super) fn inside(error: io::Error) -> Result<Self, io::Error> {
        error.downcast::<Self>()
    }
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self { error, stale: false }
    }
}

impl From<AttemptError> for io::Error {
    fn from(failure: AttemptError) -> Self {
        Self::other(failure)
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for AttemptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

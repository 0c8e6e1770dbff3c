//! [pure] Why there is no resource.

use std::time::Duration;

/// Why a pool gave no resource, or was not built.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// None is idle, and the call does not wait.
    #[error("no resource is idle")]
    Exhausted,
    /// None became free in time.
    #[error("no resource became free within {waited:?}")]
    Timeout {
        /// The time limit of the call.
        waited: Duration,
    },
    /// None was free, and none could be made in time.
    #[error("no resource could be made: {reason}")]
    Create {
        /// The last error of the factory.
        reason: String,
    },
    /// So many could not be made that none is tried for a while.
    #[error("the circuit breaker is open for {retry_after:?}")]
    CircuitOpen {
        /// The longest time until one is tried again.
        retry_after: Duration,
    },
    /// Another one would take more memory than the pool may, and none became free in time.
    #[error("another resource would exceed the memory limit of {limit} bytes")]
    MemoryLimit {
        /// The limit.
        limit: usize,
    },
    /// The pool is closed or drained.
    #[error("the pool is closed")]
    Closed,
    /// A setting is invalid. The value is not shown: the environment holds secrets.
    #[error("{name}: {reason}")]
    Config {
        /// The setting, or the variable of the environment.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl PoolError {
    pub(crate) fn config(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { name: name.into(), reason: reason.into() }
    }
}

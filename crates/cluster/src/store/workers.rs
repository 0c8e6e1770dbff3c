//! What is asked of workers: who is there, and what nobody does any more.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Error, dispatch::Dispatcher};

/// How long it is remembered what has ended, and who is gone.
pub(super) const KEPT: Duration = Duration::from_secs(3600);

/// The workers of a cluster.
#[async_trait]
pub(crate) trait Workers {
    /// Says that a worker is alive.
    async fn beat(&self, me: &str, silence: Duration, slots: usize) -> Result<(), Error>;

    /// Says that a worker is gone.
    async fn leave(&self, me: &str) -> Result<(), Error>;

    /// Hands out again what is to be done of these jobs and nobody does: its worker is gone, or the
    /// dispatcher has lost it. No more than a cap leaves room for. Returns how many units that were.
    async fn reconcile(&self, jobs: &[String], dispatcher: &dyn Dispatcher)
    -> Result<usize, Error>;

    /// Forgets workers that are gone, and the units of runs that are complete and not the last.
    async fn forget(&self) -> Result<(), Error>;
}

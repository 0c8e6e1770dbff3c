//! What the pool counts: one snapshot for the whole pool, with a part per worker.
//!
//! A worker updates its own plain `Counters` and sends them off regularly; `Stats::absorb` merges
//! them. No call waits for a lock or another actor in order to be counted, so a snapshot may lag
//! behind by one flush.

mod actor;
mod counters;
mod durations;
#[cfg(feature = "metrics")]
mod metrics;
mod snapshot;
mod waits;

pub(crate) use actor::{Report, Snapshot, StatsCollector};
pub(crate) use counters::Counters;
pub use durations::Durations;
#[cfg(feature = "metrics")]
pub(crate) use metrics::Publisher;
pub use snapshot::{Stats, WorkerStats};
pub use waits::{WaitCause, Waits};

//! What the pool counts: one snapshot for the whole pool, with a part per worker.
//!
//! A worker updates its own plain `Counters` and sends them off regularly; `Stats::absorb` merges
//! them. No call waits for a lock or another actor in order to be counted, so a snapshot may lag
//! behind by one flush.

// # How to add a metric
//
// Add a documented field to `Stats` (`snapshot`) and name it in `Stats::difference`, for which the
// compiler asks, and in its `Display`. Then count it:
//
// - on a worker: a field of `Counters` (`counters`), which the compiler wants named in
//   `Stats::absorb`; the worker adds to it by `counters.borrow_mut()`;
// - on the callers' side, without a worker: an atomic in `dispatch/counters.rs`;
// - for an actor: a `Report` (`actor`).
//
// Last, publish it: a line in `COUNTERS` or `GAUGES` (`metrics`). Nothing fails without that line.

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

//! What happens in a pool, for observers.

use std::sync::OnceLock;

use tokio::sync::broadcast;

use super::breaker::BreakerState;

/// How far an observer may lag behind before it misses events.
const CAPACITY: usize = 1024;

/// What happened in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A resource was made.
    Created,
    /// One could not be made.
    CreateFailed,
    /// One was handed out.
    CheckedOut,
    /// One was returned and is idle.
    Returned,
    /// One is gone.
    Discarded(DiscardReason),
    /// The memory is above the threshold.
    Pressure,
    /// The breaker has changed its state.
    Breaker(BreakerState),
}

/// Why a resource is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscardReason {
    /// Its user said so, or panicked.
    ByUser,
    /// It was not healthy, or could not say so in time.
    Unhealthy,
    /// It could not be reset, or not in time.
    ResetFailed,
    /// It was used as often as it may be.
    MaxUses,
    /// It was as old as it may be.
    MaxLifetime,
    /// It was idle for too long, or one too many.
    Idle,
    /// The pool had too much memory.
    Memory,
    /// The pool is closed.
    Closed,
}

/// The observers of a pool.
#[derive(Debug, Default)]
pub(crate) struct Events(OnceLock<broadcast::Sender<PoolEvent>>);

impl Events {
    pub(crate) fn emit(&self, event: PoolEvent) {
        if let Some(sender) = self.0.get() {
            let _ = sender.send(event);
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<PoolEvent> {
        self.0.get_or_init(|| broadcast::Sender::new(CAPACITY)).subscribe()
    }
}

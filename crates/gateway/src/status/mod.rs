//! `GET /status/events`: what the gateway, its pools and jobs do, once a second, as server-sent events.
//!
//! However many watch, a sample is taken once for all of them, and only while somebody does. How
//! many may watch is bounded, and so is each stream: it ends when the gateway drains, and after ten
//! minutes, so that whoever goes on is authenticated again.

mod events;
mod sample;

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use events::events;
use sample::Sampler;

/// What those who watch share.
pub(crate) struct Status {
    started: Instant,
    sampler: Sampler,
    watchers: Arc<Semaphore>,
}

impl Status {
    /// For at most so many who watch at a time.
    pub(crate) fn new(watchers: usize) -> Self {
        let watchers = Arc::new(Semaphore::new(watchers.min(Semaphore::MAX_PERMITS)));
        Self { started: Instant::now(), sampler: Sampler::default(), watchers }
    }

    /// The right to watch, unless there is none left.
    fn watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watchers).try_acquire_owned().ok()
    }
}

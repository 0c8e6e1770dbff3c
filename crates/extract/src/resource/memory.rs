//! The memory of a pool's resources: how much there is, whether one more fits, and what is closed
//! when it is too much.

use std::mem;

use super::{
    events::{DiscardReason, PoolEvent},
    health::MemoryStats,
    keeper::Command,
    poolable::Factory,
    shared::{Shared, State},
};

impl<F: Factory> Shared<F> {
    pub(super) fn memory(&self) -> MemoryStats {
        let state = self.lock();
        MemoryStats {
            used: state.memory,
            limit: self.settings.memory_limit,
            pressure: self.pressure(&state),
            peak: state.peak,
            collections: state.collections,
        }
    }

    fn pressure(&self, state: &State<F::Item>) -> f64 {
        let limit = self.settings.memory_limit;
        limit.map_or(0.0, |limit| state.memory as f64 / limit.max(1) as f64)
    }

    pub(super) fn is_pressed(&self, state: &State<F::Item>) -> bool {
        self.pressure(state) > self.settings.pressure_threshold
    }

    pub(super) fn has_pressure(&self) -> bool {
        self.is_pressed(&self.lock())
    }

    pub(super) fn check_pressure(&self) {
        if self.has_pressure() {
            self.events.emit(PoolEvent::Pressure);
        }
    }

    /// Closes idle resources, those idle longest first, while the memory is above the threshold, or
    /// without a limit those beyond the minimum. Returns how many bytes that frees.
    pub(super) fn collect(&self, min: usize) -> usize {
        let (mut freed, mut has_closed) = (0, false);
        loop {
            let mut state = self.lock();
            let goes_on = match self.settings.memory_limit {
                Some(_) => self.is_pressed(&state),
                None => state.pool.open() > min,
            };
            let taken = if goes_on { state.pool.take_idle(|_| true) } else { None };
            let Some((mut resource, _)) = taken else { break };
            resource.why = DiscardReason::Memory;
            freed += resource.memory;
            state.pool.leave();
            state.collections += u64::from(!mem::replace(&mut has_closed, true));
            drop(resource);
            drop(state);
            self.bury();
        }
        self.tell(Command::Look);
        freed
    }

    /// Whether one more resource, as large as the largest so far, is within the limit. The only one
    /// always is: how large it becomes is not known, and a pool without any serves nobody.
    pub(super) fn has_memory_for_one(&self, state: &State<F::Item>) -> bool {
        let coming = state.largest.saturating_mul(state.pool.filling() + 1);
        let limit = self.settings.memory_limit;
        let is_first = state.pool.open() + state.pool.filling() == 0;
        limit.is_none_or(|limit| {
            let used = state.memory.saturating_add(coming);
            is_first || used <= limit && state.memory < limit
        })
    }
}

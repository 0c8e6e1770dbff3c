//! How resources go into use, and how they come back or leave.

use std::{mem, sync::Arc, task::Waker, time::Instant};

use super::{
    events::{DiscardReason, PoolEvent},
    health::Counted,
    held::Resource,
    keeper::Command,
    poolable::Factory,
    shared::{Permit, Shared, State, jitter, memory_of},
};

impl<F: Factory> Shared<F> {
    /// The idle resource that was used last, which is asked now whether it is healthy.
    pub(super) fn take(&self) -> Option<Resource<F::Item>> {
        self.take_and(|state, resource| resource.checked = state.recent)
    }

    /// The same for a call that [wants](Self::want) one, and wants none any more if there is one.
    pub(super) fn take_wanted(&self) -> Option<Resource<F::Item>> {
        self.take_and(|state, resource| {
            resource.checked = state.recent;
            state.wanted = state.wanted.saturating_sub(1);
        })
    }

    /// The idle resource that was used last, which nobody asks.
    pub(super) fn take_unasked(&self) -> Option<Resource<F::Item>> {
        let now = Instant::now();
        let mut state = self.lock();
        state.recent = state.recent.max(now);
        drop(state);
        self.take_and(|_, _| {})
    }

    fn take_and(
        &self,
        took: impl FnOnce(&mut State<F::Item>, &mut Resource<F::Item>),
    ) -> Option<Resource<F::Item>> {
        let mut state = self.lock();
        let now = state.recent;
        let Some((mut resource, _)) = state.pool.take(now, |_| true) else {
            drop(state);
            self.bury();
            return None;
        };
        state.minute.count_all(&[Counted::Use, Counted::Attempt], now);
        took(&mut state, &mut resource);
        Some(resource)
    }

    /// Takes back a resource, which is ready for the next user. The permit goes to the next one.
    pub(super) fn returned(mut resource: Resource<F::Item>, permit: Permit<F>, now: Instant) {
        let shared = &permit.owner().0;
        let memory = memory_of(&resource.item);
        let before = mem::replace(&mut resource.memory, memory);
        shared.events.emit(PoolEvent::Returned);
        let mut state = shared.lock();
        // A pool that is closed from here on closes what is idle then.
        let is_closed = shared.is_closed();
        resource.why = if is_closed { DiscardReason::Closed } else { DiscardReason::Idle };
        state.recent = state.recent.max(now);
        state.memory = (state.memory + memory).saturating_sub(before);
        state.peak = state.peak.max(state.memory);
        state.largest = state.largest.max(memory);
        let (born, idle_before) = (resource.born, state.pool.idle().len());
        if is_closed {
            drop(resource);
        } else {
            state.pool.returned(resource, born, now);
        }
        let is_gone = state.pool.idle().len() == idle_before;
        state.pool.leave();
        let wakers = mem::take(&mut state.wakers);
        let is_pressed = shared.is_pressed(&state);
        // Those who want one may have waited for the memory that is free now.
        let is_missing = state.pool.missing() > 0 || memory < before && state.wanted > 0;
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if is_gone {
            shared.bury();
        }
        let more_to_do = is_pressed || is_missing || is_closed;
        let pool = more_to_do.then(|| Arc::clone(shared));
        drop(permit);
        let Some(pool) = pool else { return };
        if is_pressed {
            pool.check_pressure();
        }
        if is_missing || is_closed {
            pool.tell(Command::Look);
        }
    }

    /// A resource that nobody has used is not healthy. That is as if it could not be made: others
    /// are not made at once, over and over.
    pub(super) fn was_born_ill(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.backoff.failed(now, jitter(now));
        state.failure = Some("a new one was not healthy".to_owned());
    }

    /// A resource that is in use goes, for this reason.
    pub(super) fn discard(&self, mut resource: Resource<F::Item>, why: DiscardReason) {
        resource.why = why;
        let is_failure = matches!(why, DiscardReason::Unhealthy | DiscardReason::ResetFailed);
        let now = Instant::now();
        self.change(|state| {
            state.recent = state.recent.max(now);
            if is_failure {
                state.minute.count(Counted::Failure, now);
            }
            drop(resource);
            state.pool.leave();
        });
        self.tell(Command::Look);
    }

    /// A resource leaves the pool for good, with its user.
    pub(super) fn leave(&self, resource: Resource<F::Item>) -> F::Item {
        self.change(|state| {
            state.memory = state.memory.saturating_sub(resource.memory);
            state.pool.leave();
        });
        self.tell(Command::Look);
        resource.into_item()
    }
}

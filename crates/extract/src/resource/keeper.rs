//! The thread of a pool: makes resources, ends slow resets, checks and closes idle ones. It holds
//! the pool only while it works, and ends with it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{sync::mpsc, time};

use super::{
    events::DiscardReason,
    held::{Resetting, Resource},
    poolable::{BoxError, Factory, Poolable},
    shared::{Permit, Shared},
};

/// What the keeper is told.
pub(super) enum Command<F: Factory> {
    /// There may be something to do.
    Look,
    /// A resource is being reset.
    Reset(Resetting<F::Item>, Permit<F>),
}

/// The reset of a resource. There is no outcome if it panics. It takes the allocation of the last
/// one of that resource, if that is given back to it.
pub(super) fn reset<T: Poolable>(mut resource: Resource<T>) -> Resetting<T> {
    // If it never ends.
    resource.why = DiscardReason::ResetFailed;
    let last = resource.resetting.take();
    let resetting = async move {
        let reset = AssertUnwindSafe(async { resource.item.reset().await }).catch_unwind();
        let outcome = reset.await.map_err(std::mem::forget).ok();
        (resource, outcome)
    };
    match last {
        Some(mut last) => {
            last.set(resetting);
            last
        }
        None => Resetting::new(resetting),
    }
}

/// Looks after the pool until it is gone.
pub(super) async fn keep<F: Factory>(
    pool: Weak<Shared<F>>,
    mut commands: mpsc::UnboundedReceiver<Command<F>>,
) {
    let mut schedule = Schedule::default();
    loop {
        let next = match pool.upgrade() {
            None => return,
            Some(pool) => schedule.look(&pool),
        };
        let command = time::timeout_at(next.into(), commands.recv()).await;
        let command = match command {
            Ok(None) => return,
            Ok(Some(command)) => command,
            Err(_) => Command::Look,
        };
        if let Command::Reset(resetting, permit) = command {
            drop(tokio::spawn(finish_reset(resetting, permit)));
        }
    }
}

/// When what is due now and then was done last.
#[derive(Default)]
struct Schedule {
    checked: Option<Instant>,
    collected: Option<Instant>,
}

impl Schedule {
    /// Does what is to be done, and returns when to look again.
    fn look<F: Factory>(&mut self, pool: &Arc<Shared<F>>) -> Instant {
        let now = Instant::now();
        let settings = &pool.settings;
        pool.change(|state| {
            state.recent = state.recent.max(now);
            state.pool.sweep(now, |resource| {
                let age = now.saturating_duration_since(resource.born);
                let is_old = age >= settings.max_lifetime;
                resource.why =
                    if is_old { DiscardReason::MaxLifetime } else { DiscardReason::Idle };
                true
            });
            while state.pool.excess().is_some() {}
        });
        if pool.is_closed() {
            pool.close_idle();
        }
        for epoch in pool.begin_creating(now) {
            drop(tokio::spawn(create(Arc::clone(pool), epoch)));
        }
        let is_due = |last: &mut Option<Instant>, every: Duration| {
            let last = last.get_or_insert(now);
            let is_due = now.saturating_duration_since(*last) >= every;
            if is_due {
                *last = now;
            }
            is_due
        };
        if is_due(&mut self.collected, settings.gc_interval) && pool.has_pressure() {
            pool.collect(0);
        }
        if settings.health_checks && is_due(&mut self.checked, settings.health_interval) {
            drop(tokio::spawn(check_idle(Arc::downgrade(pool), now)));
        }
        let state = pool.lock();
        let turns = [settings.gc_interval, settings.health_interval, Duration::from_secs(60)];
        let turn = turns.into_iter().min().unwrap_or_default().max(Duration::from_millis(1));
        let dues = [state.pool.next_sweep(now), state.backoff.until(now)];
        let breaker = state.breaker.wait(now).map(|wait| now + wait);
        dues.into_iter().chain([breaker]).flatten().fold(now + turn, Instant::min)
    }
}

/// Makes a resource. Whatever happens, one of two outcomes is told.
async fn create<F: Factory>(pool: Arc<Shared<F>>, epoch: u64) {
    struct Attempt<F: Factory> {
        pool: Arc<Shared<F>>,
        epoch: u64,
        has_ended: bool,
    }

    impl<F: Factory> Drop for Attempt<F> {
        fn drop(&mut self) {
            if !self.has_ended {
                self.pool.failed(None, self.epoch);
            }
        }
    }

    let mut attempt = Attempt { pool, epoch, has_ended: false };
    let limit = attempt.pool.settings.create_timeout;
    let begun = Instant::now();
    let creating = AssertUnwindSafe(async { attempt.pool.factory.create().await }).catch_unwind();
    let made = time::timeout(limit, creating).await;
    attempt.has_ended = true;
    let pool = &attempt.pool;
    match made {
        Ok(Ok(Ok(item))) => {
            pool.counters.made_in(begun.elapsed());
            pool.created(item, epoch);
        }
        Ok(Ok(Err(error))) => pool.failed(Some(error.to_string()), epoch),
        Ok(Err(payload)) => {
            std::mem::forget(payload);
            pool.failed(Some("the factory panicked".to_owned()), epoch);
        }
        Err(_) => pool.failed(Some(format!("it took longer than {limit:?}")), epoch),
    }
    pool.tell(Command::Look);
}

async fn finish_reset<F: Factory>(resetting: Resetting<F::Item>, permit: Permit<F>) {
    let limit = permit.owner().0.settings.reset_timeout;
    // If it is dropped, the resource goes with it, and its place is free.
    let mut place = Place(Some(permit));
    let reset = time::timeout(limit, resetting).await;
    if let (Some(permit), Ok((resource, outcome))) = (place.0.take_if(|_| reset.is_ok()), reset) {
        Shared::was_reset(resource, outcome, permit);
    }
}

/// The place of a resource whose reset has not ended.
struct Place<F: Factory>(Option<Permit<F>>);

impl<F: Factory> Drop for Place<F> {
    fn drop(&mut self) {
        if let Some(permit) = self.0.take() {
            let pool = &permit.owner().0;
            pool.change(|state| state.pool.leave());
            pool.tell(Command::Look);
        }
    }
}

impl<F: Factory> Shared<F> {
    /// A reset has ended.
    pub(super) fn was_reset(
        resource: Resource<F::Item>,
        outcome: Option<Result<(), BoxError>>,
        permit: Permit<F>,
    ) {
        match outcome {
            Some(Ok(())) => Self::returned(resource, permit, Instant::now()),
            Some(Err(error)) => {
                tracing::debug!(%error, "a resource could not be reset");
                permit.owner().0.discard(resource, DiscardReason::ResetFailed);
            }
            None => {
                tracing::debug!("the reset of a resource panicked");
                permit.owner().0.discard(resource, DiscardReason::ResetFailed);
            }
        }
    }
}

/// Asks each resource that is idle now whether it is healthy.
async fn check_idle<F: Factory>(pool: Weak<Shared<F>>, now: Instant) {
    loop {
        let Some(pool) = pool.upgrade() else { return };
        let taken = pool.lock().pool.take_idle(|resource| resource.checked < now);
        let Some((mut resource, since)) = taken else { return };
        let is_healthy = is_healthy(&mut resource, pool.settings.reset_timeout).await;
        if is_healthy {
            resource.checked = Instant::now();
            pool.change(|state| match pool.is_closed() {
                true => {
                    resource.why = DiscardReason::Closed;
                    drop(resource);
                    state.pool.leave();
                }
                false => state.pool.put_back(resource, since),
            });
        } else {
            if resource.uses == 0 {
                pool.was_born_ill();
            }
            pool.discard(resource, DiscardReason::Unhealthy);
        }
    }
}

/// Whether a resource says in time that it is healthy.
async fn is_healthy<T: Poolable>(resource: &mut Resource<T>, limit: Duration) -> bool {
    let asked = AssertUnwindSafe(async { resource.item.is_healthy().await }).catch_unwind();
    matches!(time::timeout(limit, asked).await, Ok(Ok(true)))
}

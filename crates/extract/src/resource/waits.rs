//! How a call gets a resource: a permit first, by priority, then an idle resource or one that is
//! made. Dropped at any point, it leaves nothing behind.

use std::{
    future::{Future, poll_fn},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{runtime::Handle, sync::TryAcquireError};
use vantage_api_pool::{Priority, pooling::Acquire};

use super::{
    builder::ResetOn,
    checkout::Checkout,
    deadlines::Deadline,
    error::PoolError,
    events::{DiscardReason, PoolEvent},
    held::Resource,
    keeper::{Command, reset},
    poolable::{Factory, Poolable},
    shared::{Owner, Permit, Shared},
};

/// Counts a call as one that has a permit and wants a resource, until it has one.
struct Want<'s, F: Factory> {
    shared: &'s Shared<F>,
    has_one: bool,
}

impl<'s, F: Factory> Want<'s, F> {
    fn new(shared: &'s Shared<F>) -> Self {
        shared.want();
        Self { shared, has_one: false }
    }

    fn take(&mut self) -> Option<Resource<F::Item>> {
        let taken = self.shared.take_wanted();
        self.has_one = taken.is_some();
        taken
    }
}

impl<F: Factory> Drop for Want<'_, F> {
    fn drop(&mut self) {
        if !self.has_one {
            self.shared.unwant();
        }
    }
}

/// What is left of the time of a call.
struct Clock {
    /// When it first had to wait.
    begun: Option<Instant>,
    /// When its last wait was over, if somebody has seen that.
    ended: Option<Instant>,
    limit: Duration,
}

impl Clock {
    fn new(limit: Duration) -> Self {
        Self { begun: None, ended: None, limit }
    }

    /// When a wait that begins now ends, or is too long. `None` if it never is.
    fn end(&mut self, most: Duration, now: Instant) -> Option<Instant> {
        self.ended = None;
        let waited = now.saturating_duration_since(*self.begun.get_or_insert(now));
        now.checked_add(self.limit.saturating_sub(waited).min(most))
    }

    /// How long it waited, if it did.
    fn waited(&self) -> Option<Duration> {
        let ended = || self.ended.unwrap_or_else(Instant::now);
        self.begun.map(|begun| ended().saturating_duration_since(begun))
    }

    /// Whether the time has ended. Without a wait it has not begun.
    fn is_over(&self) -> bool {
        self.begun.is_some_and(|begun| begun.elapsed() >= self.limit)
    }

    /// The outcome of a future, unless the time ends before, or this is too long for it. Without a
    /// wait there is no timer.
    async fn within<R>(&mut self, most: Duration, future: impl Future<Output = R>) -> Option<R> {
        let (mut future, mut deadline) = (pin!(future), None::<Deadline>);
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            let is_over = match &mut deadline {
                Some(deadline) => deadline.is_over(cx.waker(), Instant::now),
                None => {
                    let now = Instant::now();
                    let deadline = deadline.insert(Deadline::new(self.end(most, now)));
                    deadline.is_over(cx.waker(), || now)
                }
            };
            if is_over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

/// Runs a future of a resource in the runtime of the pool, whatever the caller has.
async fn in_runtime<T: Poolable, R>(runtime: &Handle, future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _runtime = T::NEEDS_RUNTIME.then(|| runtime.enter());
        future.as_mut().poll(cx)
    })
    .await
}

/// A resource, within `limit`.
pub(super) async fn checkout<F: Factory>(
    shared: &Arc<Shared<F>>,
    priority: Priority,
    limit: Duration,
) -> Result<Checkout<F>, PoolError> {
    let mut clock = Clock::new(limit);
    let outcome = with_permit(shared, priority, &mut clock).await;
    if let Some(waited) = clock.waited() {
        shared.counters.waited(waited);
    }
    match &outcome {
        Ok(_) => {
            shared.counters.checkouts.fetch_add(1, Ordering::Relaxed);
            shared.events.emit(PoolEvent::CheckedOut);
        }
        Err(_) => shared.refused(),
    }
    outcome
}

async fn with_permit<F: Factory>(
    shared: &Arc<Shared<F>>,
    priority: Priority,
    clock: &mut Clock,
) -> Result<Checkout<F>, PoolError> {
    let mut permit = match Permit::try_of(Owner(Arc::clone(shared))) {
        Ok(permit) => permit,
        Err((_, TryAcquireError::Closed)) => return Err(PoolError::Closed),
        Err((owner, TryAcquireError::NoPermits)) => {
            let until = clock.end(Duration::MAX, Instant::now());
            match in_turn(shared, Acquire::of(owner, priority).until(until)).await {
                Ok(permit) => permit,
                Err(TryAcquireError::Closed) => return Err(PoolError::Closed),
                Err(TryAcquireError::NoPermits) => {
                    return Err(PoolError::Timeout { waited: clock.limit });
                }
            }
        }
    };
    loop {
        let resource = match shared.take() {
            Some(resource) => resource,
            None => wait_for_one(shared, clock).await?,
        };
        // It was returned when the permit was.
        clock.ended = Some(resource.checked);
        let checkout = Checkout::new(resource, permit);
        permit = match ready(shared, checkout, clock).await {
            Ok(checkout) => return Ok(checkout),
            Err(Some(permit)) => permit,
            Err(None) => return Err(PoolError::Closed),
        };
        // Nobody would wait for the next one's answer, and it would be discarded for that.
        if clock.is_over() {
            return Err(shared.too_late(clock.limit));
        }
    }
}

/// The next permit that is returned.
async fn in_turn<F: Factory>(
    shared: &Shared<F>,
    mut waiting: Acquire<Owner<F>>,
) -> Result<Permit<F>, TryAcquireError> {
    poll_fn(|cx| {
        let polled = waiting.poll_unpin(cx);
        if let Some(due) = waiting.due() {
            shared.permits.expire_at(due);
        }
        polled
    })
    .await
}

/// The next resource that is returned or made.
async fn wait_for_one<F: Factory>(
    shared: &Arc<Shared<F>>,
    clock: &mut Clock,
) -> Result<Resource<F::Item>, PoolError> {
    let mut want = Want::new(shared);
    let one = poll_fn(|cx| {
        shared.wake_on_change(cx.waker());
        if shared.is_closed() {
            return Poll::Ready(Err(PoolError::Closed));
        }
        if let Some(resource) = want.take() {
            return Poll::Ready(Ok(resource));
        }
        shared.refusal(Instant::now()).map_or(Poll::Pending, |refusal| Poll::Ready(Err(refusal)))
    });
    let one = clock.within(Duration::MAX, one).await;
    one.unwrap_or_else(|| Err(shared.too_late(clock.limit)))
}

/// Makes a resource ready for its user, or discards it and returns the permit for another one.
async fn ready<F: Factory>(
    shared: &Arc<Shared<F>>,
    mut checkout: Checkout<F>,
    clock: &mut Clock,
) -> Result<Checkout<F>, Option<Permit<F>>> {
    let settings = &shared.settings;
    if settings.health_checks {
        // If it is dropped here, the question may be half asked.
        checkout.resource().doubt = Some(DiscardReason::Unhealthy);
        let item = &mut checkout.resource().item;
        let asked = AssertUnwindSafe(async { item.is_healthy().await }).catch_unwind();
        let asked = in_runtime::<F::Item, _>(&shared.runtime, asked);
        let asked = clock.within(settings.reset_timeout, asked).await;
        if !matches!(asked, Some(Ok(true))) {
            // If the call has no time left, nobody knows.
            if checkout.uses() == 0 && !clock.is_over() {
                shared.was_born_ill();
            }
            return Err(checkout.replace(DiscardReason::Unhealthy));
        }
    }
    if settings.reset_on == ResetOn::Checkout && checkout.uses() > 0 {
        checkout.resource().doubt = Some(DiscardReason::ResetFailed);
        let item = &mut checkout.resource().item;
        let reset = AssertUnwindSafe(async { item.reset().await }).catch_unwind();
        let reset = in_runtime::<F::Item, _>(&shared.runtime, reset);
        let reset = clock.within(settings.reset_timeout, reset).await;
        if !matches!(reset, Some(Ok(Ok(())))) {
            return Err(checkout.replace(DiscardReason::ResetFailed));
        }
    }
    let resource = checkout.resource();
    resource.doubt = None;
    resource.uses += 1;
    Ok(checkout)
}

/// An idle resource, without any wait.
pub(super) fn try_checkout<F: Factory>(shared: &Arc<Shared<F>>) -> Result<Checkout<F>, PoolError> {
    let outcome = idle_one(shared);
    match &outcome {
        Ok(_) => {
            shared.counters.checkouts.fetch_add(1, Ordering::Relaxed);
            shared.events.emit(PoolEvent::CheckedOut);
        }
        Err(_) => shared.refused(),
    }
    outcome
}

fn idle_one<F: Factory>(shared: &Arc<Shared<F>>) -> Result<Checkout<F>, PoolError> {
    loop {
        let permit = Permit::try_of(Owner(Arc::clone(shared))).map_err(|error| match error {
            (_, TryAcquireError::Closed) => PoolError::Closed,
            (_, TryAcquireError::NoPermits) => PoolError::Exhausted,
        })?;
        let resource = shared.take_unasked().ok_or(PoolError::Exhausted)?;
        if shared.settings.reset_on == ResetOn::Return || resource.uses == 0 {
            let mut checkout = Checkout::new(resource, permit);
            checkout.resource().uses += 1;
            return Ok(checkout);
        }
        let mut resetting = reset(resource);
        let runtime = F::Item::NEEDS_RUNTIME.then(|| shared.runtime.enter());
        let outcome = resetting.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match outcome {
            Poll::Ready((mut resource, Some(Ok(())))) => {
                resource.resetting = Some(resetting);
                let mut checkout = Checkout::new(resource, permit);
                checkout.resource().uses += 1;
                return Ok(checkout);
            }
            Poll::Ready((resource, outcome)) => Shared::was_reset(resource, outcome, permit),
            Poll::Pending => shared.tell(Command::Reset(resetting, permit)),
        }
    }
}

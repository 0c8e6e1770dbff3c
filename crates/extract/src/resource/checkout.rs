//! The guard of a resource that is in use.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use futures::FutureExt;

use super::{
    builder::ResetOn,
    events::DiscardReason,
    held::Resource,
    keeper::{Command, reset},
    poolable::{Factory, Poolable},
    shared::{Permit, Shared},
};

/// A resource in use. It returns to its pool when it is dropped, at once and on any thread, with or
/// without a runtime; after a panic of its user it is discarded.
pub struct Checkout<F: Factory> {
    /// The resource and its permit, until the guard ends.
    held: Option<(Resource<F::Item>, Permit<F>)>,
}

impl<F: Factory> Checkout<F> {
    pub(super) fn new(resource: Resource<F::Item>, permit: Permit<F>) -> Self {
        Self { held: Some((resource, permit)) }
    }

    pub(super) fn resource(&mut self) -> &mut Resource<F::Item> {
        let held = self.held.as_mut();
        held.map_or_else(|| unreachable!("a guard has its resource"), |(resource, _)| resource)
    }

    fn held(&self) -> &Resource<F::Item> {
        let held = self.held.as_ref();
        held.map_or_else(|| unreachable!("a guard has its resource"), |(resource, _)| resource)
    }

    /// Discards the resource instead of returning it: it is known to be broken.
    pub fn discard(mut self) {
        self.resource().doubt = Some(DiscardReason::ByUser);
    }

    /// Takes the resource out of the pool for good. Another one may take its place.
    #[must_use]
    pub fn take(mut self) -> F::Item {
        let held = self.held.take();
        let (resource, permit) = held.unwrap_or_else(|| unreachable!("a guard has its resource"));
        permit.owner().0.leave(resource)
    }

    /// How often the resource was handed out, this time included.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.held().uses
    }

    /// Discards the resource, and returns the permit for the next one.
    pub(super) fn replace(mut self, why: DiscardReason) -> Option<Permit<F>> {
        let (resource, permit) = self.held.take()?;
        permit.owner().0.discard(resource, why);
        Some(permit)
    }
}

/// Why a resource cannot be used again.
fn end<F: Factory>(
    shared: &Shared<F>,
    resource: &Resource<F::Item>,
    now: Instant,
) -> Option<DiscardReason> {
    if resource.doubt.is_some() {
        return resource.doubt;
    }
    if thread::panicking() {
        return Some(DiscardReason::ByUser);
    }
    if shared.is_closed() {
        return Some(DiscardReason::Closed);
    }
    if shared.settings.max_uses.is_some_and(|most| resource.uses >= most) {
        return Some(DiscardReason::MaxUses);
    }
    resource.expires.is_some_and(|end| now >= end).then_some(DiscardReason::MaxLifetime)
}

impl<F: Factory> Drop for Checkout<F> {
    fn drop(&mut self) {
        let Some((resource, permit)) = self.held.take() else { return };
        let shared = &permit.owner().0;
        let now = Instant::now();
        if let Some(why) = end(shared, &resource, now) {
            return shared.discard(resource, why);
        }
        if shared.settings.reset_on == ResetOn::Checkout {
            return Shared::returned(resource, permit, now);
        }
        let mut resetting = reset(resource);
        let runtime = F::Item::NEEDS_RUNTIME.then(|| shared.runtime.enter());
        // Most have nothing to wait for.
        let reset = resetting.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match reset {
            Poll::Ready((mut resource, Some(Ok(())))) => {
                resource.resetting = Some(resetting);
                Shared::returned(resource, permit, now);
            }
            Poll::Ready((resource, outcome)) => Shared::was_reset(resource, outcome, permit),
            Poll::Pending => {
                // Without a keeper the pool is closed.
                let _ = shared.keeper.clone().send(Command::Reset(resetting, permit));
            }
        }
    }
}

impl<F: Factory> Deref for Checkout<F> {
    type Target = F::Item;

    fn deref(&self) -> &F::Item {
        &self.held().item
    }
}

impl<F: Factory> DerefMut for Checkout<F> {
    fn deref_mut(&mut self) -> &mut F::Item {
        &mut self.resource().item
    }
}

impl<F: Factory> fmt::Debug for Checkout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("uses", &self.uses()).finish_non_exhaustive()
    }
}

//! The guard of a resource that is in use.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use futures::FutureExt;
use vantage_api_pool::pooling::Permit;

use super::{
    builder::ResetOn,
    events::DiscardReason,
    held::Resource,
    keeper::{Command, reset},
    poolable::{Factory, Poolable},
    shared::Shared,
};

/// A resource in use. It returns to its pool when it is dropped, at once and on any thread, with or
/// without a runtime; after a panic of its user it is discarded.
pub struct Checkout<F: Factory> {
    /// The resource and its permit, until the guard ends.
    held: Option<(Resource<F::Item>, Permit)>,
    shared: Arc<Shared<F>>,
}

impl<F: Factory> Checkout<F> {
    pub(super) fn new(
        shared: &Arc<Shared<F>>,
        resource: Resource<F::Item>,
        permit: Permit,
    ) -> Self {
        Self { held: Some((resource, permit)), shared: Arc::clone(shared) }
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
        let item = self.shared.leave(resource);
        drop(permit);
        item
    }

    /// How often the resource was handed out, this time included.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.held().uses
    }

    /// Discards the resource, and returns the permit for the next one.
    pub(super) fn replace(mut self, why: DiscardReason) -> Option<Permit> {
        let (resource, permit) = self.held.take()?;
        self.shared.discard(resource, why);
        Some(permit)
    }

    /// Why it cannot be used again.
    fn end(&self, resource: &Resource<F::Item>, now: Instant) -> Option<DiscardReason> {
        let settings = &self.shared.settings;
        if resource.doubt.is_some() {
            return resource.doubt;
        }
        if thread::panicking() {
            return Some(DiscardReason::ByUser);
        }
        if self.shared.is_closed() {
            return Some(DiscardReason::Closed);
        }
        if settings.max_uses.is_some_and(|most| resource.uses >= most) {
            return Some(DiscardReason::MaxUses);
        }
        resource.expires.is_some_and(|end| now >= end).then_some(DiscardReason::MaxLifetime)
    }
}

impl<F: Factory> Drop for Checkout<F> {
    fn drop(&mut self) {
        let Some((resource, permit)) = self.held.take() else { return };
        let now = Instant::now();
        if let Some(why) = self.end(&resource, now) {
            self.shared.discard(resource, why);
            drop(permit);
            return;
        }
        if self.shared.settings.reset_on == ResetOn::Checkout {
            self.shared.returned(resource, permit, now);
            return;
        }
        let mut resetting = reset(resource);
        let runtime = F::Item::NEEDS_RUNTIME.then(|| self.shared.runtime.enter());
        // Most have nothing to wait for.
        let reset = resetting.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match reset {
            Poll::Ready((resource, Some(Ok(())))) => self.shared.returned(resource, permit, now),
            Poll::Ready((resource, outcome)) => self.shared.was_reset(resource, outcome, permit),
            Poll::Pending => self.shared.tell(Command::Reset(resetting, permit)),
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

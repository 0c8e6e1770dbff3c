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
    poolable::Factory,
    shared::Shared,
};

/// A resource in use. It returns to its pool when it is dropped, at once and on any thread, with or
/// without a runtime; after a panic of its user it is discarded.
pub struct Checkout<F: Factory> {
    /// It has its item until the guard ends.
    resource: Resource<F::Item>,
    permit: Option<Permit>,
    shared: Arc<Shared<F>>,
    /// Set while something has begun that leaves the resource in an unknown state if it does not
    /// end.
    pub(super) doubt: Option<DiscardReason>,
}

impl<F: Factory> Checkout<F> {
    pub(super) fn new(
        shared: &Arc<Shared<F>>,
        resource: Resource<F::Item>,
        permit: Permit,
    ) -> Self {
        Self { resource, permit: Some(permit), shared: Arc::clone(shared), doubt: None }
    }

    pub(super) fn resource(&mut self) -> &mut Resource<F::Item> {
        &mut self.resource
    }

    /// Discards the resource instead of returning it: it is known to be broken.
    pub fn discard(mut self) {
        self.doubt = Some(DiscardReason::ByUser);
    }

    /// Takes the resource out of the pool for good. Another one may take its place.
    #[must_use]
    pub fn take(mut self) -> F::Item {
        let permit = self.permit.take();
        let resource = self.hollow();
        let item = self.shared.leave(resource);
        drop(permit);
        item
    }

    /// How often the resource was handed out, this time included.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.resource.uses
    }

    /// Discards the resource, and returns the permit for the next one.
    pub(super) fn replace(mut self, why: DiscardReason) -> Option<Permit> {
        let permit = self.permit.take();
        let resource = self.hollow();
        self.shared.discard(resource, why);
        permit
    }

    /// The resource, with an empty one in its place.
    fn hollow(&mut self) -> Resource<F::Item> {
        let hollow = self.resource.hollow();
        std::mem::replace(&mut self.resource, hollow)
    }

    /// Why it cannot be used again.
    fn end(&self) -> Option<DiscardReason> {
        let settings = &self.shared.settings;
        let age = || Instant::now().saturating_duration_since(self.resource.born);
        if self.doubt.is_some() {
            return self.doubt;
        }
        if thread::panicking() {
            return Some(DiscardReason::ByUser);
        }
        if self.shared.is_closed() {
            return Some(DiscardReason::Closed);
        }
        if settings.max_uses.is_some_and(|most| self.resource.uses >= most) {
            return Some(DiscardReason::MaxUses);
        }
        (age() >= settings.max_lifetime).then_some(DiscardReason::MaxLifetime)
    }
}

impl<F: Factory> Drop for Checkout<F> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let end = self.end();
        let resource = self.hollow();
        if let Some(why) = end {
            self.shared.discard(resource, why);
            drop(permit);
            return;
        }
        if self.shared.settings.reset_on == ResetOn::Checkout {
            self.shared.returned(resource, permit);
            return;
        }
        let mut resetting = reset(resource);
        let runtime = self.shared.runtime.enter();
        // Most have nothing to wait for.
        let reset = resetting.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(runtime);
        match reset {
            Poll::Ready((resource, outcome)) => self.shared.was_reset(resource, outcome, permit),
            Poll::Pending => self.shared.tell(Command::Reset(resetting, permit)),
        }
    }
}

impl<F: Factory> Deref for Checkout<F> {
    type Target = F::Item;

    fn deref(&self) -> &F::Item {
        self.resource.item()
    }
}

impl<F: Factory> DerefMut for Checkout<F> {
    fn deref_mut(&mut self) -> &mut F::Item {
        self.resource.item_mut()
    }
}

impl<F: Factory> fmt::Debug for Checkout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("uses", &self.resource.uses).finish_non_exhaustive()
    }
}

//! A resource with what the pool knows of it. When the pool drops it, it is only laid aside: a
//! `Drop` is its author's code, and runs without any lock held.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::ReusableBoxFuture;

use super::{events::DiscardReason, poolable::BoxError};

/// Resources that are gone, until they are dropped.
pub(super) type Gone<T> = Arc<Mutex<Vec<Box<Held<T>>>>>;

/// A reset that has begun.
pub(super) type Resetting<T> =
    ReusableBoxFuture<'static, (Resource<T>, Option<Result<(), BoxError>>)>;

/// A resource. It is moved often, so it is no larger than a pointer.
pub(super) struct Resource<T>(Option<Box<Held<T>>>);

pub(super) struct Held<T> {
    pub(super) item: T,
    pub(super) born: Instant,
    /// When it is too old; `None` if it never is.
    pub(super) expires: Option<Instant>,
    pub(super) uses: u64,
    pub(super) memory: usize,
    /// When it was last seen to be healthy.
    pub(super) checked: Instant,
    /// Why it goes, if it goes.
    pub(super) why: DiscardReason,
    /// Set while something has begun that leaves it in an unknown state if it does not end.
    pub(super) doubt: Option<DiscardReason>,
    /// The last reset, which has ended, for the memory of the next.
    pub(super) resetting: Option<Resetting<T>>,
    /// Until it is there.
    gone: Option<Gone<T>>,
}

impl<T> Resource<T> {
    pub(super) fn new(
        item: T,
        memory: usize,
        now: Instant,
        lifetime: Duration,
        gone: &Gone<T>,
    ) -> Self {
        Self(Some(Box::new(Held {
            item,
            born: now,
            expires: now.checked_add(lifetime),
            uses: 0,
            memory,
            checked: now,
            why: DiscardReason::Idle,
            doubt: None,
            resetting: None,
            gone: Some(Arc::clone(gone)),
        })))
    }

    /// The resource itself, for good.
    pub(super) fn into_item(mut self) -> T {
        self.0.take().unwrap_or_else(|| unreachable!("it is there until it is dropped")).item
    }
}

impl<T> Deref for Resource<T> {
    type Target = Held<T>;

    fn deref(&self) -> &Held<T> {
        self.0.as_deref().unwrap_or_else(|| unreachable!("it is there until it is dropped"))
    }
}

impl<T> DerefMut for Resource<T> {
    fn deref_mut(&mut self) -> &mut Held<T> {
        self.0.as_deref_mut().unwrap_or_else(|| unreachable!("it is there until it is dropped"))
    }
}

impl<T> Drop for Resource<T> {
    fn drop(&mut self) {
        let Some(mut held) = self.0.take() else { return };
        let Some(gone) = held.gone.take() else { return };
        gone.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }
}

//! A resource with what the pool knows of it. When the pool drops it, it is only laid aside: a
//! `Drop` is its author's code, and runs without any lock held.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::events::DiscardReason;

/// Resources that are gone, until they are dropped, and why each is.
pub(super) type Gone<T> = Arc<Mutex<Vec<(T, DiscardReason)>>>;

pub(super) struct Resource<T> {
    /// Until it is gone. In a box, so that it is moved cheaply.
    pub(super) item: Option<Box<T>>,
    pub(super) born: Instant,
    pub(super) uses: u64,
    pub(super) memory: usize,
    /// When it was last seen to be healthy.
    pub(super) checked: Instant,
    /// Why it goes, if it goes.
    pub(super) why: DiscardReason,
    gone: Gone<Laid<T>>,
}

/// A resource that is gone, with the memory that it took.
pub(super) struct Laid<T> {
    _item: Box<T>,
    pub(super) memory: usize,
    pub(super) born: Instant,
}

impl<T> Resource<T> {
    pub(super) fn new(item: T, memory: usize, now: Instant, gone: &Gone<Laid<T>>) -> Self {
        Self {
            item: Some(Box::new(item)),
            born: now,
            uses: 0,
            memory,
            checked: now,
            why: DiscardReason::Idle,
            gone: Arc::clone(gone),
        }
    }
}

impl<T> Resource<T> {
    pub(super) fn take_item(&mut self) -> T {
        *self.item.take().unwrap_or_else(|| unreachable!("a guard has its resource"))
    }

    pub(super) fn item(&self) -> &T {
        self.item.as_deref().unwrap_or_else(|| unreachable!("a guard has its resource"))
    }

    pub(super) fn item_mut(&mut self) -> &mut T {
        self.item.as_deref_mut().unwrap_or_else(|| unreachable!("a guard has its resource"))
    }
}

impl<T> Drop for Resource<T> {
    fn drop(&mut self) {
        let Some(item) = self.item.take() else { return };
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.push((Laid { _item: item, memory: self.memory, born: self.born }, self.why));
    }
}

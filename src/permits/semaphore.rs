//! The concurrency limit of a pool: a semaphore with a priority queue. A permit that is returned
//! while somebody waits goes to the next in the queue and to nobody else; a free permit that nobody
//! waits for is taken and returned without a lock. The number of permits may change while some are
//! held: surplus ones are dropped when they are returned.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use tokio::sync::TryAcquireError;

use super::priority_queue::Queue;
use crate::lock::lock;

/// There are no more permits.
pub(super) const CLOSED: usize = 1;
/// Somebody waits, so only the holder of the queue's lock may change the number.
pub(super) const QUEUED: usize = 2;
/// One permit that is free.
pub(super) const ONE: usize = 4;

/// A number of permits, and those who wait for one: first come, first served by
/// [`Priority`](crate::Priority). A wait needs no runtime and no clock: a time limit that it has
/// ([`Acquire::until`](super::Acquire::until)) ends it when [`expire`](Self::expire) is called.
pub struct Semaphore {
    /// How many are free, in units of [`ONE`], and the flags.
    pub(super) state: AtomicUsize,
    /// While it is not empty, [`QUEUED`] is set and no permit is free.
    pub(super) waits: Mutex<Waits>,
    /// The configured number of permits.
    size: AtomicUsize,
    /// Permits, held or free, that must not be given out again.
    owed: AtomicUsize,
}

/// Those who wait.
#[derive(Default)]
pub(super) struct Waits {
    pub(super) queue: Queue<Waiting>,
    /// The earliest end of the time of those who wait, or an earlier moment. `None` if none of
    /// them has an end.
    pub(super) due: Option<Instant>,
}

pub(super) struct Waiting {
    pub(super) waker: Waker,
    /// When its time is over, until it was.
    pub(super) until: Option<Instant>,
}

impl Semaphore {
    /// So many permits, all of them free.
    pub fn new(size: usize) -> Self {
        Self {
            state: AtomicUsize::new(size * ONE),
            waits: Mutex::default(),
            size: AtomicUsize::new(size),
            owed: AtomicUsize::new(0),
        }
    }

    /// The configured number of permits.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Changes the number of permits. One caller at a time.
    pub fn resize(&self, size: usize) {
        let before = self.size.swap(size, Ordering::Relaxed);
        if let Some(fewer) = before.checked_sub(size) {
            self.owed.fetch_add(fewer, Ordering::AcqRel);
            self.forget_owed();
        } else {
            let more = size - before;
            let mut kept = 0;
            self.update_owed(|owed| {
                kept = owed.min(more);
                Some(owed - kept)
            });
            (kept..more).for_each(|_| self.add_one());
        }
    }

    /// Drops owed permits that are free: one may have been returned just as the number shrank.
    pub fn forget_owed(&self) {
        if self.owed.load(Ordering::Acquire) == 0 {
            return;
        }
        let owed = self.owed.swap(0, Ordering::AcqRel);
        let forgotten = self.forget(owed);
        self.owed.fetch_add(owed - forgotten, Ordering::AcqRel);
    }

    fn update_owed(&self, update: impl FnMut(usize) -> Option<usize>) -> bool {
        self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }

    pub(super) fn take(&self) -> Result<(), TryAcquireError> {
        let take = |state: usize| {
            (state & (CLOSED | QUEUED) == 0).then(|| state.checked_sub(ONE)).flatten()
        };
        match self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(()),
            Err(state) if state & CLOSED != 0 => Err(TryAcquireError::Closed),
            Err(_) => Err(TryAcquireError::NoPermits),
        }
    }

    /// How many are free.
    pub fn available(&self) -> usize {
        self.state.load(Ordering::Acquire) / ONE
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        lock(&self.waits).queue.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Gives out no more permits: all waits end with an error.
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        let waits = lock(&self.waits);
        let wakers: Vec<_> = waits.queue.values().map(|waiting| waiting.waker.clone()).collect();
        drop(waits);
        wake_all(wakers);
    }

    /// Ends the waits whose time is over at `now`, which get [`TryAcquireError::NoPermits`]. Returns
    /// when the next one is over, which is when this is to be called again, see
    /// [`Acquire::due`](super::Acquire::due).
    ///
    /// ```
    /// use std::{sync::Arc, time::{Duration, Instant}};
    ///
    /// use futures::FutureExt;
    /// use vantage_api_pool::{Priority, pooling::{Acquire, Semaphore}};
    ///
    /// let permits = Arc::new(Semaphore::new(1));
    /// let held = permits.try_acquire().unwrap();
    /// let until = Instant::now() + Duration::from_secs(5);
    /// let mut wait = Acquire::of(Arc::clone(&permits), Priority::Normal).until(Some(until));
    /// assert!((&mut wait).now_or_never().is_none());
    /// assert_eq!(wait.due(), Some(until)); // a timer is set
    /// assert_eq!(permits.expire(until), None); // the timer has ended
    /// assert!(wait.now_or_never().unwrap().is_err());
    /// # drop(held);
    /// ```
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        let mut waits = lock(&self.waits);
        let (mut overdue, mut due) = (Vec::new(), None::<Instant>);
        for waiting in waits.queue.values_mut() {
            if waiting.until.take_if(|until| *until <= now).is_some() {
                overdue.push(waiting.waker.clone());
            } else if let Some(until) = waiting.until {
                due = Some(due.map_or(until, |due| due.min(until)));
            }
        }
        waits.due = due;
        drop(waits);
        wake_all(overdue);
        due
    }

    /// Removes up to `most` free permits for good, and returns how many.
    fn forget(&self, most: usize) -> usize {
        // Against callers that join the queue.
        let _waits = lock(&self.waits);
        let mut taken = 0;
        let take = |state: usize| {
            taken = most.min(state / ONE);
            Some(state - taken * ONE)
        };
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken
    }

    /// Takes back one that is returned.
    pub(super) fn take_back(&self) {
        let is_owed = self.owed.load(Ordering::Acquire) > 0;
        if !(is_owed && self.update_owed(|owed| owed.checked_sub(1))) {
            self.add_one();
        }
    }

    /// Gives one to the next who waits, or to whoever comes.
    pub(super) fn add_one(&self) {
        let add = |state: usize| (state & QUEUED == 0).then_some(state + ONE);
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok() {
            return;
        }
        let mut waits = lock(&self.waits);
        let next = if self.is_closed() { None } else { waits.queue.pop() };
        if next.is_none() {
            self.state.fetch_add(ONE, Ordering::AcqRel);
        }
        self.unmark(&waits.queue);
        drop(waits);
        next.into_iter().for_each(|waiting| waiting.waker.wake());
    }

    /// Clears the flag if nobody waits in `queue` any more.
    pub(super) fn unmark(&self, queue: &Queue<Waiting>) {
        if queue.is_empty() {
            self.state.fetch_and(!QUEUED, Ordering::AcqRel);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let available = self.available();
        f.debug_struct("Semaphore").field("size", &self.size()).field("free", &available).finish()
    }
}

/// Wakes all of these. A waker is somebody else's code: one that panics keeps no other asleep.
fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        // The destructor of its payload may panic as well.
        let _ = woken.map_err(mem::forget);
    }
}

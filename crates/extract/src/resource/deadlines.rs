//! The time limits of waits, for all pools: one thread wakes who has waited for too long. A wait
//! that ends before its time costs no system call, since the thread is not told of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    thread,
    time::{Duration, Instant},
};

/// How long the thread stays without any wait.
const KEPT: Duration = Duration::from_secs(10);

static DEADLINES: Deadlines = Deadlines::new();

struct Deadlines {
    waits: Mutex<Waits>,
    /// The thread has to look earlier than it knew.
    has_come: Condvar,
    /// How often the time of some wait was over.
    ends: AtomicU64,
}

struct Waits {
    /// By their place. The waker is gone when it was called.
    places: Vec<Option<(Instant, Option<Waker>)>>,
    free: Vec<usize>,
    /// When the thread looks. It may be earlier than any wait needs.
    next: Option<Instant>,
    has_thread: bool,
}

/// The end of the time of one wait. The thread learns of it with the first question.
#[derive(Debug)]
pub(super) struct Deadline {
    /// `None` if the time does not end.
    until: Option<Instant>,
    known: Option<Known>,
}

/// What the thread knows of a wait.
#[derive(Debug)]
struct Known {
    place: usize,
    /// Names the waker, which is kept as long as it is known.
    waker: (usize, usize),
    /// How often the time of any wait had been over.
    ends: u64,
}

fn name_of(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

impl Deadline {
    pub(super) fn new(until: Option<Instant>) -> Self {
        Self { until, known: None }
    }

    /// Whether the time is over. If not, the waker is called when it is. `now` is asked only if it
    /// may be.
    pub(super) fn is_over(&mut self, waker: &Waker, now: impl FnOnce() -> Instant) -> bool {
        let Some(until) = self.until else { return false };
        let (ends, waker_name) = (DEADLINES.ends.load(Ordering::Acquire), name_of(waker));
        let is_known = |known: &Known| known.ends == ends && known.waker == waker_name;
        if self.known.as_ref().is_some_and(is_known) {
            return false;
        }
        if now() >= until {
            return true;
        }
        let place = match &self.known {
            Some(known) => {
                let former = DEADLINES.lock().replace(known.place, waker);
                // Another waker was called in between.
                if former.is_none() {
                    return true;
                }
                // Not dropped under the lock: it may be the last of a task with another wait.
                drop(former);
                Some(known.place)
            }
            None => DEADLINES.add(until, waker),
        };
        self.known = place.map(|place| Known { place, waker: waker_name, ends });
        // Without a thread, nobody would ever wake it.
        self.known.is_none()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let Some(known) = self.known.take() else { return };
        let mut waits = DEADLINES.lock();
        let wait = waits.remove(known.place);
        drop(waits);
        drop(wait);
    }
}

impl Deadlines {
    const fn new() -> Self {
        let waits = Waits { places: Vec::new(), free: Vec::new(), next: None, has_thread: false };
        Self { waits: Mutex::new(waits), has_come: Condvar::new(), ends: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a new wait; `None` if there can be no thread for it.
    fn add(&'static self, until: Instant, waker: &Waker) -> Option<usize> {
        let mut waits = self.lock();
        let place = waits.free.pop().unwrap_or_else(|| waits.places.len());
        waits.put(place, until, waker);
        if waits.next.is_some_and(|next| next <= until) {
            return Some(place);
        }
        waits.next = Some(until);
        if waits.has_thread {
            drop(waits);
            self.has_come.notify_one();
            return Some(place);
        }
        let thread = thread::Builder::new().name("resource-deadlines".into());
        match thread.spawn(|| self.watch()) {
            Ok(_) => {
                waits.has_thread = true;
                Some(place)
            }
            Err(error) => {
                waits.next = None;
                waits.remove(place);
                tracing::warn!(%error, "no thread for deadlines");
                None
            }
        }
    }

    fn watch(&self) {
        let mut waits = self.lock();
        loop {
            let now = Instant::now();
            let overdue = waits.take_overdue(now);
            if !overdue.is_empty() {
                drop(waits);
                self.ends.fetch_add(1, Ordering::Release);
                for waker in overdue {
                    // It is somebody else's code.
                    let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                    let _ = woken.map_err(std::mem::forget);
                }
                waits = self.lock();
                continue;
            }
            let left = waits.next.map_or(KEPT, |next| next.saturating_duration_since(now));
            let waited = self.has_come.wait_timeout(waits, left);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            waits = again;
            if timeout.timed_out() && waits.next.is_none() {
                waits.has_thread = false;
                return;
            }
        }
    }
}

impl Waits {
    fn put(&mut self, place: usize, until: Instant, waker: &Waker) {
        if place >= self.places.len() {
            self.places.resize_with(place + 1, || None);
        }
        if let Some(wait) = self.places.get_mut(place) {
            *wait = Some((until, Some(waker.clone())));
        }
    }

    /// The former waker, unless it was called before.
    fn replace(&mut self, place: usize, waker: &Waker) -> Option<Waker> {
        let Some(Some((_, Some(own)))) = self.places.get_mut(place) else { return None };
        Some(std::mem::replace(own, waker.clone()))
    }

    fn remove(&mut self, place: usize) -> Option<(Instant, Option<Waker>)> {
        let wait = self.places.get_mut(place)?.take();
        self.free.push(place);
        if self.free.len() == self.places.len() {
            // Nobody waits.
            self.free.clear();
            self.places.clear();
        }
        wait
    }

    /// Those whose time is over, each once.
    fn take_overdue(&mut self, now: Instant) -> Vec<Waker> {
        let mut overdue = Vec::new();
        if self.next.is_none_or(|next| now < next) {
            return overdue;
        }
        self.next = None;
        for (until, waker) in self.places.iter_mut().flatten() {
            if *until <= now {
                overdue.extend(waker.take());
            } else if waker.is_some() {
                self.next = Some(self.next.map_or(*until, |next| next.min(*until)));
            }
        }
        overdue
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use futures::{FutureExt, executor::block_on, future::join_all};

    use super::*;

    async fn wait(time: Duration) -> Duration {
        let begun = Instant::now();
        let mut deadline = Deadline::new(begun.checked_add(time));
        poll_fn(|cx| match deadline.is_over(cx.waker(), Instant::now) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        begun.elapsed()
    }

    #[test]
    fn each_wait_ends_after_its_time_and_one_without_end_never() {
        let times = [30, 10, 0, 20, 10].map(Duration::from_millis);
        // One that goes away before its time, earlier than the others, leaves nothing behind.
        let begun = Instant::now();
        let mut early = Deadline::new(begun.checked_add(Duration::from_millis(5)));
        assert!(!early.is_over(Waker::noop(), || begun));
        drop(early);
        let took = block_on(join_all(times.map(wait)));
        assert!(took.iter().zip(times).all(|(took, time)| *took >= time), "{took:?}");
        assert!(wait(Duration::from_secs(600)).now_or_never().is_none());
        let late = thread::spawn(|| block_on(wait(Duration::from_millis(5))));
        assert!(late.join().is_ok_and(|took| took >= Duration::from_millis(5)));
        assert!(wait(Duration::MAX).now_or_never().is_none());
    }
}

//! How a permit is taken, waited for and returned, by guards.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Instant,
};

use tokio::sync::TryAcquireError;

use super::{
    priority_queue::QueuePosition,
    semaphore::{CLOSED, ONE, QUEUED, Semaphore, Waiting},
};
use crate::{lock::lock, priority::Priority};

impl Semaphore {
    /// A permit, if one is free and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError::Closed`], or [`TryAcquireError::NoPermits`].
    pub fn try_acquire(self: &Arc<Self>) -> Result<Permit, TryAcquireError> {
        self.take().map(|()| Permit(Arc::clone(self)))
    }

    /// Waits for a permit; the error is [`TryAcquireError::Closed`]. Dropping the future leaves the
    /// queue, and a permit that was on its way goes to the next.
    pub fn acquire(self: &Arc<Self>, priority: Priority) -> Acquire {
        Acquire::of(Arc::clone(self), priority)
    }
}

/// A permit, until it is dropped. It keeps the owner of the semaphore: the semaphore itself in an
/// [`Arc`], or what has it inside, so that one reference serves for both.
#[derive(Debug)]
#[must_use]
pub struct Permit<S: AsRef<Semaphore> = Arc<Semaphore>>(S);

impl<S: AsRef<Semaphore>> Permit<S> {
    /// As [`Semaphore::try_acquire`].
    ///
    /// # Errors
    /// As there, and the owner.
    pub fn try_of(owner: S) -> Result<Self, (S, TryAcquireError)> {
        match owner.as_ref().take() {
            Ok(()) => Ok(Self(owner)),
            Err(error) => Err((owner, error)),
        }
    }

    /// The owner of the semaphore.
    pub fn owner(&self) -> &S {
        &self.0
    }
}

impl<S: AsRef<Semaphore>> Drop for Permit<S> {
    fn drop(&mut self) {
        self.0.as_ref().take_back();
    }
}

/// Waits for a permit.
#[derive(Debug)]
#[must_use]
pub struct Acquire<S: AsRef<Semaphore> = Arc<Semaphore>> {
    /// It goes with the permit.
    owner: Option<S>,
    priority: Priority,
    /// When its time is over.
    until: Option<Instant>,
    is_due_first: bool,
    /// The position of the wait. A position that has left the queue was given a permit.
    place: Option<QueuePosition>,
}

impl<S: AsRef<Semaphore>> Acquire<S> {
    /// As [`Semaphore::acquire`].
    pub fn of(owner: S, priority: Priority) -> Self {
        Self { owner: Some(owner), priority, until: None, is_due_first: false, place: None }
    }

    /// Sets when its time is over. It ends with [`TryAcquireError::NoPermits`] when
    /// [`Semaphore::expire`] is called from then on.
    pub fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// The end of its time, told once, if it has begun to wait and was the first whose time is
    /// over: whoever calls [`Semaphore::expire`] must do so then.
    pub fn due(&mut self) -> Option<Instant> {
        if mem::take(&mut self.is_due_first) { self.until } else { None }
    }

    /// Whether there is a permit now, or none any more.
    fn poll_permit(&mut self, cx: &Context<'_>) -> Option<Result<(), TryAcquireError>> {
        let Some(owner) = &self.owner else { return Some(Err(TryAcquireError::Closed)) };
        let permits = owner.as_ref();
        let mut waits = lock(&permits.waits);
        if let Some(place) = self.place {
            let Some(waiting) = waits.queue.get_mut(place) else {
                self.place = None;
                return Some(Ok(()));
            };
            let error = if permits.is_closed() {
                TryAcquireError::Closed
            } else if waiting.until == self.until {
                waiting.waker.clone_from(cx.waker());
                return None;
            } else {
                TryAcquireError::NoPermits
            };
            self.place = None;
            let waiting = waits.queue.remove(place);
            permits.unmark(&waits.queue);
            drop(waits);
            drop(waiting);
            return Some(Err(error));
        }
        // From here on whoever returns a permit sees that somebody may wait. Where others wait, it
        // is seen already, and stays so under the lock.
        let mut state = permits.state.load(Ordering::Acquire);
        if state & QUEUED == 0 {
            state = permits.state.fetch_or(QUEUED, Ordering::AcqRel);
        }
        let answer = if state & CLOSED != 0 {
            Err(TryAcquireError::Closed)
        } else if state >= ONE {
            permits.state.fetch_sub(ONE, Ordering::AcqRel);
            Ok(())
        } else {
            self.is_due_first =
                self.until.is_some_and(|until| waits.due.is_none_or(|due| until < due));
            if self.is_due_first {
                waits.due = self.until;
            }
            let waiting = Waiting { waker: cx.waker().clone(), until: self.until };
            self.place = Some(waits.queue.push(self.priority, waiting));
            return None;
        };
        permits.unmark(&waits.queue);
        Some(answer)
    }
}

impl<S: AsRef<Semaphore> + Unpin> Future for Acquire<S> {
    type Output = Result<Permit<S>, TryAcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = self.poll_permit(cx) else { return Poll::Pending };
        let permit = answer.and_then(|()| self.owner.take().ok_or(TryAcquireError::Closed));
        Poll::Ready(permit.map(Permit))
    }
}

impl<S: AsRef<Semaphore>> Drop for Acquire<S> {
    fn drop(&mut self) {
        let (Some(owner), Some(place)) = (&self.owner, self.place) else { return };
        let permits = owner.as_ref();
        let mut waits = lock(&permits.waits);
        let waiting = waits.queue.remove(place);
        permits.unmark(&waits.queue);
        drop(waits);
        if waiting.is_none() {
            permits.add_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        pin::pin,
        sync::atomic::AtomicUsize,
        task::{Wake, Waker},
        thread,
        time::Duration,
    };

    use futures::{FutureExt, executor::block_on};
    use proptest::prelude::*;

    use super::*;

    fn permits(size: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(size))
    }

    #[test]
    fn a_permit_goes_to_the_most_urgent_and_nobody_gets_in_before_it() {
        let permits = permits(1);
        let held = permits.try_acquire().ok();
        let mut low = pin!(permits.acquire(Priority::Low));
        let mut high = pin!(permits.acquire(Priority::High));
        assert!(low.as_mut().now_or_never().is_none());
        assert!(high.as_mut().now_or_never().is_none());
        drop(held);
        assert_eq!(permits.try_acquire().err(), Some(TryAcquireError::NoPermits));
        assert!(low.as_mut().now_or_never().is_none());
        let got = high.now_or_never().unwrap();
        drop(got);
        assert!(low.now_or_never().unwrap().is_ok());
        assert_eq!(permits.available(), 1);
    }

    #[test]
    fn who_waits_when_it_closes_is_told_so() {
        let permits = permits(1);
        let held = permits.try_acquire().ok();
        let mut waiting = pin!(permits.acquire(Priority::Normal));
        assert!(waiting.as_mut().now_or_never().is_none());
        permits.close();
        drop(held);
        assert_eq!(waiting.now_or_never().unwrap().err(), Some(TryAcquireError::Closed));
        assert_eq!(permits.try_acquire().err(), Some(TryAcquireError::Closed));
        let late = permits.acquire(Priority::High).now_or_never().unwrap();
        assert_eq!(late.err(), Some(TryAcquireError::Closed));
    }

    #[test]
    fn a_wait_ends_with_its_time_and_the_next_end_is_told() {
        let permits = permits(1);
        let held = permits.try_acquire().ok();
        let now = Instant::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        let wait = |until| Acquire::of(Arc::clone(&permits), Priority::Normal).until(until);
        let mut waits = [wait(at(3)), wait(None), wait(at(1)), wait(at(2))];
        let due = waits.each_mut().map(|wait| {
            assert!(wait.now_or_never().is_none());
            (wait.due(), wait.due())
        });
        assert_eq!(due, [(at(3), None), (None, None), (at(1), None), (None, None)]);
        assert_eq!(permits.expire(now), at(1));
        assert!(waits.iter_mut().all(|wait| wait.now_or_never().is_none()));
        assert_eq!(permits.expire(now + Duration::from_secs(2)), at(3));
        let ends = waits.each_mut().map(|wait| wait.now_or_never().map(Result::err));
        let ended = || Some(Some(TryAcquireError::NoPermits));
        assert_eq!(ends, [None, None, ended(), ended()]);
        // One that was given a permit has it, whatever the time is.
        drop(held);
        assert_eq!(permits.expire(now + Duration::from_secs(9)), None);
        let [first, second, ..] = &mut waits;
        let permit = first.now_or_never().unwrap();
        assert!(permit.is_ok() && second.now_or_never().is_none());
        drop(permit);
        assert!(second.now_or_never().unwrap().is_ok());
        assert_eq!((permits.available(), permits.waiting()), (1, 0));
    }

    #[test]
    fn a_waker_that_panics_costs_nobody_else_the_end_of_a_wait() {
        struct Panics;

        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of somebody else");
            }
        }

        struct Counts(AtomicUsize);

        impl Wake for Counts {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }

        let permits = permits(1);
        let _held = permits.try_acquire();
        let now = Instant::now();
        let wait = || Acquire::of(Arc::clone(&permits), Priority::Normal).until(Some(now));
        let woken = Arc::new(Counts(AtomicUsize::new(0)));
        let wakers = [Waker::from(Arc::new(Panics)), Waker::from(Arc::clone(&woken))];
        let mut waits = [wait(), wait()];
        for (wait, waker) in waits.iter_mut().zip(&wakers) {
            assert!(wait.poll_unpin(&mut Context::from_waker(waker)).is_pending());
        }
        assert_eq!(permits.expire(now), None);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(waits.iter_mut().all(|wait| wait.now_or_never().is_some_and(|end| end.is_err())));
    }

    #[test]
    fn threads_that_wait_and_give_up_lose_no_permit() {
        let permits = permits(3);
        let out = AtomicUsize::new(0);
        thread::scope(|scope| {
            for seed in 0..6 {
                let (permits, out) = (&permits, &out);
                scope.spawn(move || {
                    let random = fastrand::Rng::with_seed(seed);
                    work(permits, out, random);
                });
            }
        });
        assert_eq!((permits.available(), out.into_inner()), (3, 0));
        assert_eq!(permits.state.load(Ordering::SeqCst) & QUEUED, 0);
    }

    /// Takes permits, or gives up waiting for them, and checks that at most three are held.
    fn work(permits: &Arc<Semaphore>, out: &AtomicUsize, mut random: fastrand::Rng) {
        for _ in 0..1_000 {
            let priority = [Priority::Low, Priority::Normal, Priority::High][random.usize(..3)];
            let mut waiting = Box::pin(permits.acquire(priority));
            let permit = if random.bool() {
                block_on(waiting).ok()
            } else {
                waiting.as_mut().now_or_never().and_then(Result::ok)
            };
            if permit.is_some() {
                assert!(out.fetch_add(1, Ordering::SeqCst) < 3);
                if random.bool() {
                    thread::yield_now();
                }
                out.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    proptest! {
        /// python/cpython #93222, embassy-rs/embassy #6964, microsoft/vs-threading #521,
        /// redisson/redisson #7206: whoever leaves before or after its turn takes nothing along.
        #[test]
        fn whoever_may_go_goes_and_no_permit_is_lost(
            steps in prop::collection::vec((0..8u8, 0..8usize), 0..200)
        ) {
            let permits = permits(2);
            let mut now = Instant::now();
            let mut out = Vec::new();
            let mut waiting: VecDeque<(Pin<Box<Acquire>>, Option<Instant>)> = VecDeque::new();
            // When somebody looks at the time.
            let mut due = None;
            for (step, n) in steps {
                match step {
                    0 | 1 => {
                        let priority = [Priority::Low, Priority::High][n % 2];
                        let seconds = [None, Some(1), Some(4), Some(2)][n / 2];
                        let until = seconds.map(|seconds| now + Duration::from_secs(seconds));
                        let wait = Acquire::of(Arc::clone(&permits), priority).until(until);
                        waiting.push_back((Box::pin(wait), until));
                    }
                    2 => drop(out.pop()),
                    3 if n < waiting.len() => drop(waiting.remove(n)),
                    4 => out.extend(permits.try_acquire()),
                    // Given to somebody who leaves before it is taken, if anybody waits.
                    5 if !waiting.is_empty() => {
                        drop(out.pop());
                        drop(waiting.remove(n % waiting.len()));
                    }
                    6 => now += Duration::from_secs(1),
                    _ => {}
                }
                if due.is_some_and(|due| now >= due) {
                    due = permits.expire(now);
                }
                let mut wrongly_ended = 0;
                waiting.retain_mut(|(waiting, until)| match waiting.now_or_never() {
                    Some(Ok(permit)) => {
                        out.push(permit);
                        false
                    }
                    Some(Err(_)) => {
                        wrongly_ended += usize::from(until.is_none_or(|until| now < until));
                        false
                    }
                    None => {
                        due = due.into_iter().chain(waiting.due()).min();
                        true
                    }
                });
                prop_assert_eq!(wrongly_ended, 0);
                let is_over = |until: &Option<Instant>| until.is_some_and(|until| now >= until);
                prop_assert!(!waiting.iter().any(|(_, until)| is_over(until)));
                prop_assert_eq!(permits.available() + out.len(), 2);
                prop_assert!(waiting.is_empty() || permits.available() == 0);
                prop_assert_eq!(permits.waiting(), waiting.len());
            }
            waiting.clear();
            out.clear();
            prop_assert_eq!(permits.available(), 2);
            prop_assert_eq!(permits.state.load(Ordering::SeqCst) & QUEUED, 0);
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take,
        TakeBack,
        Resize(usize),
        Forget,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            3 => Just(Step::TakeBack),
            2 => (1..20usize).prop_map(Step::Resize),
            1 => Just(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn permits_follow_the_size_and_none_is_given_beyond_it(
            steps in prop::collection::vec(step(), 0..200)
        ) {
            let permits = permits(8);
            let mut out = Vec::new();
            for step in steps {
                match step {
                    Step::Take => {
                        if let Ok(permit) = permits.try_acquire() {
                            prop_assert!(out.len() < permits.size());
                            out.push(permit);
                        }
                    }
                    Step::TakeBack => {
                        out.pop();
                    }
                    Step::Resize(size) => permits.resize(size),
                    Step::Forget => permits.forget_owed(),
                }
                // Nothing is withheld from a caller that may go.
                let free = permits.size().saturating_sub(out.len());
                prop_assert_eq!(permits.available(), free);
            }
            drop(out);
            prop_assert_eq!(permits.available(), permits.size());
        }
    }
}

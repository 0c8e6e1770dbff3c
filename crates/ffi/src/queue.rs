//! Queues: where what was submitted is told to have ended. Bounded: who submits is refused when as
//! many operations are under way, or not yet taken, as the queue has room for. What operations tell
//! before they end has as much room of its own.

use std::{
    collections::VecDeque,
    mem::{self, MaybeUninit},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    arguments::{empty, place},
    border::{ErrorSlot, State, border},
    completion::{Done, What, vap_completion},
    error::Failure,
    handles::{Object, Operation, TABLE, vap_handle},
};

mod ready;

use ready::Ready;

/// The most operations of a queue.
const MOST: usize = 1 << 20;

/// Where completions wait.
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    news: Condvar,
    capacity: usize,
    pub(crate) closed: CancellationToken,
    ready: Ready,
}

#[derive(Default)]
struct Waiting {
    done: VecDeque<Done>,
    /// How many of them are told of operations that go on, and so take no room of others.
    told: usize,
    /// How many operations have not ended yet.
    under_way: usize,
    is_woken: bool,
}

impl Queue {
    fn new(capacity: usize) -> Result<Self, Failure> {
        if !(1..=MOST).contains(&capacity) {
            return Err(Failure::argument(format!("capacity: must be 1 to {MOST}")));
        }
        Ok(Self {
            state: Mutex::default(),
            news: Condvar::new(),
            capacity,
            closed: CancellationToken::new(),
            ready: Ready::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for an operation, and its handle.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        tag: u64,
        what: What,
    ) -> Result<(Slot, Arc<Operation>), Failure> {
        let operation = Arc::new(Operation::new());
        let op = TABLE.insert(Arc::clone(&operation))?;
        let mut state = self.state();
        let refused = if self.closed.is_cancelled() {
            Some(Failure::closed())
        } else if state.done.len() - state.told + state.under_way >= self.capacity {
            Some(Failure::full(self.capacity))
        } else {
            state.under_way += 1;
            None
        };
        drop(state);
        if let Some(refused) = refused {
            drop(TABLE.take::<Operation>(op));
            return Err(refused);
        }
        Ok((Slot { queue: Arc::clone(self), tag, op, what, outcome: None }, operation))
    }

    fn push(&self, done: Done, ends: bool) {
        let mut state = self.state();
        if ends {
            state.under_way -= 1;
        }
        if self.closed.is_cancelled() {
            drop(state);
            drop(TABLE.take::<Operation>(done.op));
            return;
        }
        state.done.push_back(done);
        self.ready.set(true);
        drop(state);
        self.news.notify_one();
    }

    /// Tells that more follows of an operation, if there is room for that.
    fn tell(&self, done: Done) -> bool {
        let mut state = self.state();
        let has_room = state.told < self.capacity;
        if has_room && !self.closed.is_cancelled() {
            state.done.push_back(done);
            state.told += 1;
            self.ready.set(true);
            drop(state);
            self.news.notify_one();
        }
        has_room
    }

    /// Takes completions, and waits for the first.
    fn next(&self, most: usize, timeout_ms: u32) -> Result<(State, Vec<Done>), Failure> {
        let end = Instant::now() + Duration::from_millis(timeout_ms.into());
        let mut state = self.state();
        loop {
            if self.closed.is_cancelled() {
                return Err(Failure::closed());
            }
            if !state.done.is_empty() {
                let count = state.done.len().min(most);
                let done: Vec<Done> = state.done.drain(..count).collect();
                state.told -= done.iter().filter(|done| done.what.is_one_of_many()).count();
                let is_left = !state.done.is_empty();
                self.ready.set(is_left || state.is_woken);
                drop(state);
                if is_left {
                    self.news.notify_one();
                }
                return Ok((State::Ok, done));
            }
            if mem::take(&mut state.is_woken) {
                self.ready.set(false);
                return Ok((State::Woken, Vec::new()));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok((State::Timeout, Vec::new()));
            }
            let waited = self.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wake(&self) {
        let mut state = self.state();
        state.is_woken = true;
        self.ready.set(true);
        drop(state);
        self.news.notify_all();
    }

    /// Ends what is under way, and all waits.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let mut state = self.state();
        let done = mem::take(&mut state.done);
        state.told = 0;
        // Who waits for the descriptor is to see it as well.
        self.ready.set(true);
        drop(state);
        self.news.notify_all();
        for done in done {
            drop(TABLE.take::<Operation>(done.op));
        }
    }
}

/// The place of an operation in its queue. However it ends, its completion is there afterwards.
pub(crate) struct Slot {
    queue: Arc<Queue>,
    tag: u64,
    pub(crate) op: vap_handle,
    what: What,
    /// What it came to; nothing if it panicked.
    outcome: Option<Result<(i32, Option<Object>), Failure>>,
}

impl Slot {
    /// Ends the operation.
    pub(crate) fn complete(mut self, outcome: Result<(State, Option<Object>), Failure>) {
        self.outcome = Some(outcome.map(|(state, result)| (state as i32, result)));
    }

    /// Tells what comes before the end. False if there was no room for it.
    pub(crate) fn tell(&self, what: What, result: Object) -> bool {
        let outcome = Ok((State::Ok as i32, Some(result)));
        self.queue.tell(Done { tag: self.tag, op: self.op, what, outcome })
    }

    /// The end of all operations of the queue.
    pub(crate) fn queue_closed(&self) -> CancellationToken {
        self.queue.closed.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let panicked = || Err(Failure::panicked("in an operation of a queue"));
        let outcome = self.outcome.take().unwrap_or_else(panicked);
        let Self { tag, op, what, .. } = *self;
        self.queue.push(Done { tag, op, what, outcome }, true);
    }
}

/// Opens a queue.
#[unsafe(no_mangle)]
pub extern "C" fn vap_queue_open(
    capacity: usize,
    out: Option<&mut MaybeUninit<vap_handle>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = empty("out", out)?;
        out.write(TABLE.insert(Arc::new(Queue::new(capacity)?))?);
        Ok(State::Ok)
    })
}

/// Takes completions, and waits for the first.
///
/// # Safety
/// `out` is NULL, or `max` completions can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vap_queue_next(
    queue: vap_handle,
    out: *mut vap_completion,
    max: usize,
    count: Option<&mut MaybeUninit<usize>>,
    timeout_ms: u32,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let count = place("count", count)?;
        count.write(0);
        if out.is_null() || max == 0 {
            return Err(Failure::argument("out: has no room"));
        }
        let (state, done) = TABLE.get::<Queue>(queue)?.next(max, timeout_ms)?;
        count.write(done.len());
        for (at, done) in done.into_iter().enumerate() {
            if !done.what.is_one_of_many() {
                drop(TABLE.take::<Operation>(done.op));
            }
            let completion = done.hand_over();
            // SAFETY: there are at most `max`, for which the caller vouches.
            unsafe { out.add(at).write(completion) };
        }
        Ok(state)
    })
}

/// Ends one wait for completions early.
#[unsafe(no_mangle)]
pub extern "C" fn vap_queue_wake(queue: vap_handle, err: ErrorSlot<'_>) -> i32 {
    border!(err, {
        TABLE.get::<Queue>(queue)?.wake();
        Ok(State::Ok)
    })
}

/// A descriptor that can be read from while completions wait.
#[unsafe(no_mangle)]
pub extern "C" fn vap_queue_fd(
    queue: vap_handle,
    out: Option<&mut MaybeUninit<i32>>,
    err: ErrorSlot<'_>,
) -> i32 {
    border!(err, {
        let out = place("out", out)?;
        out.write(-1);
        let queue = TABLE.get::<Queue>(queue)?;
        let state = queue.state();
        let is_closed = queue.closed.is_cancelled();
        let is_ready = !state.done.is_empty() || state.is_woken || is_closed;
        out.write(queue.ready.descriptor(is_ready)?);
        Ok(State::Ok)
    })
}

//! Threads aside, where users' code runs that may block and that no thread of the pool may
//! wait for. Whoever waits for an outcome waits for a time only, on any executor: the
//! supervisor tells when that is over. Knows nothing of what runs.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};

/// So many runs of one callback have a thread at a time, those that never return included.
const MOST_THREADS: usize = 8;

/// A run that waits for a thread.
type Run = Box<dyn FnOnce() + Send>;

/// Why a run has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It took too long.
    Late,
    Closed,
}

/// The runs of one callback, which share its threads.
#[derive(Default)]
pub(crate) struct Lane(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    runs: VecDeque<Run>,
    threads: usize,
    /// How many of the threads are in runs that nobody waits for any more.
    stuck: usize,
}

impl Lane {
    /// Whether a run is under way or waits for a thread.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_busy(&self) -> bool {
        self.queue().threads > 0
    }

    /// Has `run` run as soon as there is a thread, and says whether there will be one.
    fn enter(self: &Arc<Self>, run: Run) -> bool {
        let mut queue = self.queue();
        if queue.stuck >= MOST_THREADS {
            return false;
        }
        queue.runs.push_back(run);
        if queue.threads >= MOST_THREADS {
            return true;
        }
        queue.threads += 1;
        drop(queue);
        let lane = Arc::clone(self);
        let work = move || {
            while let Some(run) = lane.next() {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                    // Its end is a user's code too, which may panic again.
                    mem::forget(payload);
                }
            }
        };
        match thread::Builder::new().name("vantage-api-pool".into()).spawn(work) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "no thread for a callback");
                let mut queue = self.queue();
                queue.threads -= 1;
                // With no thread left, nobody comes for these.
                let left =
                    if queue.threads == 0 { mem::take(&mut queue.runs) } else { VecDeque::new() };
                drop(queue);
                left.is_empty()
            }
        }
    }

    /// The next run for a thread, which ends without one.
    fn next(&self) -> Option<Run> {
        let mut queue = self.queue();
        let next = queue.runs.pop_front();
        if next.is_none() {
            queue.threads -= 1;
        }
        next
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a run is.
#[derive(Default)]
struct Progress(AtomicU8);

const WAITS: u8 = 0;
const RUNS: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Progress {
    /// Begins the run, unless nobody waits for it any more.
    fn begin(&self) -> bool {
        self.0.compare_exchange(WAITS, RUNS, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends the run, and says whether it was given up.
    fn end(&self) -> bool {
        self.0.swap(WAITS, Ordering::AcqRel) == GIVEN_UP
    }
}

/// Ends a run however it ends, and the wait for it.
struct Running<'a>(&'a Lane, &'a Progress);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        if self.1.end() {
            queue.stuck -= 1;
        }
    }
}

/// Ends the wait for a run: what nobody waits for is not begun, and counted as stuck if it was.
struct Waiting<'a> {
    aside: &'a Aside,
    timer: (Instant, u64),
    lane: &'a Lane,
    progress: &'a Progress,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.aside.state().timers.remove(&self.timer);
        // Under the lock, so that the run does not end between the look and the count.
        let mut queue = self.lane.queue();
        if self.progress.0.swap(GIVEN_UP, Ordering::AcqRel) == RUNS {
            queue.stuck += 1;
        }
    }
}

/// The waits for what runs aside.
#[derive(Default)]
pub(crate) struct Aside {
    state: Mutex<State>,
    /// Whether a callback was seen that blocks the thread it is on.
    is_wary: AtomicBool,
    /// For the work of the pool itself.
    own: Arc<Lane>,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    timers: BTreeMap<(Instant, u64), oneshot::Sender<Fault>>,
    /// Numbers the timers.
    next: u64,
}

impl Aside {
    /// Runs `work` aside, on a thread of `lane`.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`], which names `what`, when it panics or has not returned within
    /// `limit`, the wait for a thread included; [`ErrorKind::ShuttingDown`] at the pool's end.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        lane: &Arc<Lane>,
        what: &str,
        limit: Duration,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let failed = |how: String| Err(Error::new(ErrorKind::Callback, format!("{what} {how}")));
        let Some((timer, over)) = self.timer(limit) else { return Err(Error::shutting_down()) };
        let progress = Arc::new(Progress::default());
        let waiting = Waiting { aside: self, timer, lane, progress: &progress };
        let (sender, outcome) = oneshot::channel();
        let (own_lane, own) = (Arc::clone(lane), Arc::clone(&progress));
        let run = move || {
            if own.begin() {
                let _running = Running(&own_lane, &own);
                let _ = sender.send(work());
            }
        };
        if !lane.enter(Box::new(run)) {
            return failed("is not called: it has not returned from too many calls".into());
        }
        let outcome = match select(outcome, pin!(over)).await {
            Either::Left((Ok(outcome), _)) => Ok(outcome),
            Either::Left((Err(_), _)) => failed("panicked".into()),
            Either::Right((Ok(Fault::Late), _)) => {
                failed(format!("did not return within {limit:?}"))
            }
            Either::Right(_) => Err(Error::shutting_down()),
        };
        drop(waiting);
        outcome
    }

    /// Runs long work of the pool's own aside. It is not cut short, only left undone if nobody
    /// waits for it any more when its turn comes.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`] when there is no thread.
    pub(crate) async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (sender, outcome) = oneshot::channel();
        self.own.enter(Box::new(move || {
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        }));
        outcome.await.map_err(|_| Error::new(ErrorKind::Callback, "there is no thread aside"))
    }

    /// Tells those whose wait was over before `now`.
    pub(crate) fn end_waits(&self, now: Instant) {
        let mut state = self.state();
        if state.timers.first_key_value().is_none_or(|((at, _), _)| *at > now) {
            return;
        }
        let later = state.timers.split_off(&(now, u64::MAX));
        let over = mem::replace(&mut state.timers, later);
        drop(state);
        for over in over.into_values() {
            let _ = over.send(Fault::Late);
        }
    }

    /// Nobody waits any more, and nothing is begun from here on.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.end_all_waits();
    }

    /// Tells everybody that the pool ends.
    pub(crate) fn end_all_waits(&self) {
        let all = mem::take(&mut self.state().timers);
        for over in all.into_values() {
            let _ = over.send(Fault::Closed);
        }
    }

    /// Has callbacks run aside that run on workers as long as they behave.
    pub(crate) fn be_wary(&self) {
        self.is_wary.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wary(&self) -> bool {
        self.is_wary.load(Ordering::Relaxed)
    }

    /// A wait of so long, unless the pool has ended.
    fn timer(&self, limit: Duration) -> Option<((Instant, u64), oneshot::Receiver<Fault>)> {
        let now = Instant::now();
        let at = now.checked_add(limit).unwrap_or(now + Duration::from_secs(u32::MAX.into()));
        let (end, over) = oneshot::channel();
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        state.next += 1;
        let timer = (at, state.next);
        state.timers.insert(timer, end);
        Some((timer, over))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

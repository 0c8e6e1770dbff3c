//! Threads for work that may block: users' code, which no other thread of the pool may wait for,
//! and long work of the pool itself. Whoever waits for an outcome waits for a time only, on any
//! executor: the supervisor tells when that is over. Knows nothing of what runs.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::{
    error::{Error, ErrorKind},
    timers::Timers,
};

/// So many runs of one callback have a thread at a time, those that never return included.
const MOST_THREADS: usize = 8;

/// A run that waits for a thread.
type Run = Box<dyn FnOnce() + Send>;

/// The threads of one callback, and the runs that wait for one.
#[derive(Default)]
pub(crate) struct CallbackThreads(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    runs: VecDeque<Run>,
    threads: usize,
    /// How many of the threads are in runs that nobody waits for any more.
    stuck: usize,
}

impl CallbackThreads {
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
        let threads = Arc::clone(self);
        let work = move || {
            while let Some(run) = threads.next() {
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

// How far a run is.
const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Whoever waits for a run. What nobody waits for is not begun, and counted as stuck if it was.
struct Waiter<'a> {
    threads: &'a CallbackThreads,
    progress: &'a AtomicU8,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Under the lock, so that the run does not end between the look and the count.
        let mut queue = self.threads.queue();
        if self.progress.swap(GIVEN_UP, Ordering::AcqRel) == RUNNING {
            queue.stuck += 1;
        }
    }
}

/// Where work runs that may block, and who waits for it.
#[derive(Default)]
pub(crate) struct BlockingPool {
    /// The ends of the waits; what is sent says that one took too long.
    waits: Timers<oneshot::Sender<()>>,
    /// Whether a callback was seen that blocks the thread it is on.
    is_wary: AtomicBool,
    /// For the work of the pool itself.
    own: Arc<CallbackThreads>,
}

impl BlockingPool {
    /// Runs `work` on one of `threads`.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`], which names `what`, when it panics or has not returned within
    /// `limit`, the wait for a thread included; [`ErrorKind::ShuttingDown`] at the pool's end.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        threads: &Arc<CallbackThreads>,
        what: &str,
        limit: Duration,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Error> {
        let failed = |how: String| Err(Error::new(ErrorKind::Callback, format!("{what} {how}")));
        let (end, over) = oneshot::channel();
        let Some(_timer) = self.waits.start(limit, end) else { return Err(Error::shutting_down()) };
        let progress = Arc::new(AtomicU8::new(QUEUED));
        let waiter = Waiter { threads, progress: &progress };
        let (sender, outcome) = oneshot::channel();
        let (own_threads, own) = (Arc::clone(threads), Arc::clone(&progress));
        let run = move || {
            if own.compare_exchange(QUEUED, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(work));
            let mut queue = own_threads.queue();
            if own.swap(QUEUED, Ordering::AcqRel) == GIVEN_UP {
                queue.stuck -= 1;
            }
            drop(queue);
            match outcome {
                Ok(outcome) => _ = sender.send(outcome),
                // Its end is a user's code too, which may panic again.
                Err(payload) => mem::forget(payload),
            }
        };
        if !threads.enter(Box::new(run)) {
            return failed("is not called: it has not returned from too many calls".into());
        }
        let outcome = match select(outcome, over).await {
            Either::Left((Ok(outcome), _)) => Ok(outcome),
            Either::Left((Err(_), _)) => failed("panicked".into()),
            Either::Right((Ok(()), _)) => failed(format!("did not return within {limit:?}")),
            Either::Right((Err(_), _)) => Err(Error::shutting_down()),
        };
        drop(waiter);
        outcome
    }

    /// Runs long work of the pool itself. It is not cut short, only left undone if nobody
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
        outcome
            .await
            .map_err(|_| Error::new(ErrorKind::Callback, "there is no thread for blocking work"))
    }

    /// Tells those whose wait was over before `now`.
    pub(crate) fn end_waits(&self, now: Instant) {
        for over in self.waits.due(now) {
            let _ = over.send(());
        }
    }

    /// Nobody waits any more, and nothing is begun from here on.
    pub(crate) fn close(&self) {
        self.waits.close();
    }

    /// Tells everybody that the pool ends.
    pub(crate) fn end_all_waits(&self) {
        self.waits.clear();
    }

    /// Has callbacks run here that run on workers as long as they behave.
    pub(crate) fn be_wary(&self) {
        self.is_wary.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wary(&self) -> bool {
        self.is_wary.load(Ordering::Relaxed)
    }
}

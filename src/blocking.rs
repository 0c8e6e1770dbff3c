//! Threads for work that may block: users' callbacks, for which no other thread of the pool may
//! wait, and long work on what the API has sent. Waits for the outcome of a callback have a time
//! limit on any executor: the supervisor ends them. Knows nothing of what runs.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use tokio::sync::oneshot;

use crate::{
    error::{Error, ErrorKind},
    lock::lock,
    timers::Timers,
    user_value::catch_panic,
};

/// How many runs of one callback may have a thread at a time, including those that never return.
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
    /// How many threads are in runs that nobody waits for any more.
    stuck: usize,
}

impl CallbackThreads {
    /// Whether a run is in progress or waits for a thread.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_busy(&self) -> bool {
        self.queue().threads > 0
    }

    /// Starts `run` as soon as there is a thread, and returns whether there will be one.
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
                catch_panic(run);
            }
        };
        match thread::Builder::new().name("vantage-api-pool".into()).spawn(work) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "no thread for a callback");
                let mut queue = self.queue();
                queue.threads -= 1;
                // With no thread left, nobody runs these.
                let left =
                    if queue.threads == 0 { mem::take(&mut queue.runs) } else { VecDeque::new() };
                drop(queue);
                left.is_empty()
            }
        }
    }

    /// The next run for a thread, which ends if there is none.
    fn next(&self) -> Option<Run> {
        let mut queue = self.queue();
        let next = queue.runs.pop_front();
        if next.is_none() {
            queue.threads -= 1;
        }
        next
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.0)
    }
}

// The state of a run.
const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Waits for a run. A run that nobody waits for is not begun, or counted as stuck if it was.
struct Waiter<'a> {
    threads: &'a CallbackThreads,
    progress: &'a AtomicU8,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Under the lock, so that the run cannot end between the check and the count.
        let mut queue = self.threads.queue();
        if self.progress.swap(GIVEN_UP, Ordering::AcqRel) == RUNNING {
            queue.stuck += 1;
        }
    }
}

/// Threads for work that may block, and the waits for it.
#[derive(Default)]
pub(crate) struct BlockingPool {
    /// Senders that end a wait; a message says that the run took too long.
    waits: Timers<oneshot::Sender<()>>,
    /// Whether a callback was seen that blocks its thread.
    is_wary: AtomicBool,
    /// For long work.
    own: Arc<CallbackThreads>,
}

impl BlockingPool {
    /// Runs `work` on one of `threads`.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`], which names `what`, if it panics or has not returned within
    /// `limit`, including the wait for a thread; [`ErrorKind::ShuttingDown`] when the pool ends.
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
            let outcome = catch_panic(work);
            let mut queue = own_threads.queue();
            if own.swap(QUEUED, Ordering::AcqRel) == GIVEN_UP {
                queue.stuck -= 1;
            }
            drop(queue);
            if let Some(outcome) = outcome {
                let _ = sender.send(outcome);
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

    /// Runs long work. It is never cut short; it is skipped if nobody waits for it any more when
    /// its turn comes.
    ///
    /// # Errors
    /// [`ErrorKind::Callback`] when there is no thread, or if it panics.
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
        let what = "long work has found no thread, or has panicked";
        outcome.await.map_err(|_| Error::new(ErrorKind::Callback, what))
    }

    /// Ends the waits whose time was over before `now`.
    pub(crate) fn end_waits(&self, now: Instant) {
        for over in self.waits.due(now) {
            let _ = over.send(());
        }
    }

    /// Nobody waits any more, and no run begins from here on.
    pub(crate) fn close(&self) {
        self.waits.close();
    }

    /// Ends all waits because the pool ends.
    pub(crate) fn end_all_waits(&self) {
        self.waits.clear();
    }

    /// From here on callbacks that normally run on workers run here.
    pub(crate) fn be_wary(&self) {
        self.is_wary.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_wary(&self) -> bool {
        self.is_wary.load(Ordering::Relaxed)
    }
}

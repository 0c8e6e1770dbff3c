//! The threads that extractors run on, so that no page of hours of parsing holds a worker up: a
//! fixed number, by the priority of the call, with a bound on every wait. Knows nothing of pages.

mod run;

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicBool},
    thread,
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use futures_timer::Delay;
use vantage_api_pool::{Priority, pooling::PriorityQueue};

use crate::error::ExtractError;
use run::Run;

/// When so many threads are kept, beyond their time limit, by work that does not end, no other one
/// takes the place of any.
const MOST_STUCK: usize = 8;
/// The longest time between two looks at work that waits for a thread.
const LOOK: Duration = Duration::from_secs(1);
/// How long a thread waits for more work.
const KEPT: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// The threads on which extractors run: as many as the machine has cores, for all extractors of
/// the process, unless [`Extraction::threads`](crate::Extraction::threads) says otherwise. They
/// start with their first page, and end when nothing was to do for a while.
#[derive(Clone)]
pub struct ExtractorThreads(Arc<Shared>);

struct Shared {
    most: usize,
    queue: Mutex<Queue>,
    /// Work has come.
    has_come: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: PriorityQueue<Work>,
    /// The threads that run, without those that are stuck.
    threads: usize,
    /// Those of them that have nothing to do.
    idle: usize,
    /// What the others do.
    running: Vec<Arc<Run>>,
    stuck: usize,
    /// Numbers the threads.
    next: u64,
}

impl ExtractorThreads {
    /// At most so many threads, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (queue, has_come) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { most: most.max(1), queue, has_come }))
    }

    /// The threads that all extractors share.
    #[must_use]
    pub fn shared() -> Self {
        static SHARED: OnceLock<ExtractorThreads> = OnceLock::new();
        let cores = || thread::available_parallelism().map_or(2, usize::from);
        SHARED.get_or_init(|| Self::new(cores())).clone()
    }

    /// Runs `work` as soon as a thread is free. Dropping the future cancels it. `None` if it has
    /// not ended shortly after `time`.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        priority: Priority,
        time: Duration,
        work: impl FnOnce(&Arc<AtomicBool>) -> Result<R, ExtractError> + Send + 'static,
    ) -> impl Future<Output = Option<Result<R, ExtractError>>> + Send + 'static {
        let run = Arc::new(Run::new(time));
        let (sender, mut outcome) = oneshot::channel();
        let own = Arc::clone(&run);
        let work = move || {
            let made = catch_unwind(AssertUnwindSafe(|| work(&own.is_cancelled)));
            let made = made.unwrap_or_else(|payload| {
                // Its destructor may panic as well.
                std::mem::forget(payload);
                Err(ExtractError::Panicked)
            });
            let _ = sender.send(made);
        };
        let refusal = self.0.enter(priority, Arc::clone(&run), work).err();
        let wait = Wait(run);
        let shared = Arc::clone(&self.0);
        async move {
            if let Some(stuck) = refusal {
                return Some(Err(ExtractError::Stuck { stuck }));
            }
            loop {
                let left = wait.0.left().unwrap_or(LOOK);
                match select(&mut outcome, Delay::new(left.min(LOOK))).await {
                    Either::Left((made, _)) => {
                        // Work that is dropped had no thread.
                        let stuck = || shared.lock().stuck;
                        return Some(
                            made.unwrap_or_else(|_| Err(ExtractError::Stuck { stuck: stuck() })),
                        );
                    }
                    Either::Right(_) => {
                        shared.give_up_overdue();
                        if wait.0.is_given_up() {
                            return None;
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Debug for ExtractorThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.0.lock();
        f.debug_struct("ExtractorThreads")
            .field("most", &self.0.most)
            .field("running", &queue.threads)
            .field("stuck", &queue.stuck)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the work when there is a thread for it.
    ///
    /// # Errors
    /// The number of stuck threads, if no more may be started.
    fn enter(
        self: &Arc<Self>,
        priority: Priority,
        run: Arc<Run>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), usize> {
        let shared = Arc::clone(self);
        let work = Box::new(move || {
            if shared.begin(&run) {
                work();
                shared.end(&run);
            }
        });
        let mut queue = self.lock();
        if queue.stuck >= MOST_STUCK {
            return Err(queue.stuck);
        }
        queue.waiting.push(priority, work);
        self.start_one(queue);
        Ok(())
    }

    /// Has a thread begin with the next work, if there is one or room for one.
    fn start_one(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if queue.idle >= queue.waiting.len() {
            self.has_come.notify_one();
            return;
        }
        if queue.threads >= self.most || queue.stuck >= MOST_STUCK {
            return;
        }
        queue.threads += 1;
        queue.next += 1;
        let name = format!("extract-{}", queue.next);
        drop(queue);
        let shared = Arc::clone(self);
        let started = thread::Builder::new().name(name).spawn(move || {
            while let Some(work) = shared.next() {
                work();
            }
        });
        let Err(error) = started else { return };
        tracing::warn!(%error, "no thread for an extractor");
        let mut queue = self.lock();
        queue.threads -= 1;
        Self::refuse_without_threads(queue);
    }

    /// Without any thread, nobody would begin with the work that waits: its drop says so.
    fn refuse_without_threads(mut queue: MutexGuard<'_, Queue>) {
        if queue.threads == 0 {
            let left: Vec<Work> = queue.waiting.drain().collect();
            drop(queue);
            drop(left);
        }
    }

    /// The next work of a thread, which ends if none has come for a while, or if there are enough
    /// others.
    fn next(&self) -> Option<Work> {
        let mut queue = self.lock();
        while queue.threads <= self.most {
            if let Some(work) = queue.waiting.pop() {
                return Some(work);
            }
            queue.idle += 1;
            let waited = self.has_come.wait_timeout(queue, KEPT);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = again;
            queue.idle -= 1;
            if timeout.timed_out() && queue.waiting.is_empty() {
                break;
            }
        }
        queue.threads -= 1;
        None
    }

    /// Whether the work is still wanted.
    fn begin(&self, run: &Arc<Run>) -> bool {
        let mut queue = self.lock();
        let is_wanted = run.begin();
        if is_wanted {
            queue.running.push(Arc::clone(run));
        }
        is_wanted
    }

    fn end(&self, run: &Arc<Run>) {
        let mut queue = self.lock();
        queue.running.retain(|other| !Arc::ptr_eq(other, run));
        if !run.end() {
            // It was given up, and another thread has taken the place of this one.
            queue.stuck -= 1;
            queue.threads += 1;
        }
    }

    /// Gives up work that goes on after its time. It keeps its thread, and another one takes the
    /// place of that, unless too many are stuck.
    fn give_up_overdue(self: &Arc<Self>) {
        let mut queue = self.lock();
        let is_overdue = |run: &Arc<Run>| run.left().is_some_and(|left| left.is_zero());
        let overdue = queue.running.extract_if(.., |run| is_overdue(run));
        let overdue = overdue.filter(|run| run.give_up()).count();
        queue.stuck += overdue;
        queue.threads -= overdue;
        if queue.stuck >= MOST_STUCK {
            return Self::refuse_without_threads(queue);
        }
        drop(queue);
        for _ in 0..overdue {
            self.start_one(self.lock());
        }
    }
}

/// Whoever waits for the outcome.
struct Wait(Arc<Run>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{atomic::Ordering, mpsc},
        time::Instant,
    };

    use futures::executor::block_on;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn work_runs_on_named_threads_by_priority_and_a_panic_costs_nobody_else() {
        let threads = ExtractorThreads::new(1);
        let (open, opened) = mpsc::channel::<()>();
        let first = threads.run(Priority::Normal, LONG, move |_| Ok(opened.recv().is_ok()));
        let (sender, order) = mpsc::channel();
        let run = |priority| {
            let sender = sender.clone();
            threads.run(priority, LONG, move |_| {
                let _ = sender.send((priority, thread::current().name().map(str::to_owned)));
                assert!(priority != Priority::High, "asked to");
                Ok(())
            })
        };
        let all = [Priority::Low, Priority::High, Priority::Normal].map(run);
        drop(open);
        assert_eq!(block_on(first), Some(Ok(false)));
        let made = all.map(block_on);
        assert_eq!(made, [Some(Ok(())), Some(Err(ExtractError::Panicked)), Some(Ok(()))]);
        let order: Vec<_> = order.try_iter().collect();
        let priorities = [Priority::High, Priority::Normal, Priority::Low];
        assert!(order.iter().map(|(priority, _)| *priority).eq(priorities));
        assert!(order.iter().all(|(_, name)| name.as_deref() == Some("extract-1")), "{order:?}");
    }

    #[test]
    fn work_that_is_not_wanted_does_not_begin_and_other_work_learns_of_it() {
        let threads = ExtractorThreads::new(1);
        let (open, opened) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let first = threads.run(Priority::Normal, LONG, move |is_cancelled| {
            let _ = begin.send(());
            let _ = opened.recv();
            let _ = tell.send(is_cancelled.load(Ordering::Relaxed));
            Ok(())
        });
        let second = threads.run::<()>(Priority::High, LONG, |_| unreachable!("not wanted"));
        begun.recv().unwrap();
        drop(second);
        drop(first);
        drop(open);
        assert_eq!(told.recv(), Ok(true));
        assert_eq!(block_on(threads.run(Priority::Low, LONG, |_| Ok(7))), Some(Ok(7)));
    }

    #[test]
    fn work_without_an_end_is_given_up_and_others_take_its_place_up_to_a_bound() {
        let threads = ExtractorThreads::new(1);
        let mut doors = Vec::new();
        for _ in 0..MOST_STUCK {
            let (open, opened) = mpsc::channel::<()>();
            doors.push(open);
            let endless = threads.run(Priority::Normal, Duration::from_millis(1), move |_| {
                let _ = opened.recv();
                Ok(())
            });
            assert_eq!(block_on(endless), None);
        }
        let refused = block_on(threads.run(Priority::High, LONG, |_| Ok(())));
        assert_eq!(refused, Some(Err(ExtractError::Stuck { stuck: MOST_STUCK })));
        drop(doors);
        comes_back(&threads);
    }

    #[test]
    fn work_that_waits_is_refused_when_no_thread_is_left_for_it() {
        let threads = ExtractorThreads::new(1);
        let (open, opened) = mpsc::channel::<()>();
        let opened = Arc::new(Mutex::new(opened));
        let endless = |_| {
            let opened = Arc::clone(&opened);
            threads.run(Priority::Normal, Duration::from_millis(1), move |_| {
                let _ = opened.lock().map(|opened| opened.recv());
                Ok(())
            })
        };
        let all = (0..MOST_STUCK + 3).map(endless);
        let made = block_on(futures::future::join_all(all));
        let refused = || Some(Err(ExtractError::Stuck { stuck: MOST_STUCK }));
        let are = |wanted| made.iter().filter(|made| **made == wanted).count();
        assert_eq!((are(None), are(refused())), (MOST_STUCK, 3), "{made:?}");
        drop(open);
        comes_back(&threads);
    }

    /// Waits until there is a thread again.
    fn comes_back(threads: &ExtractorThreads) {
        let until = Instant::now() + LONG;
        while block_on(threads.run(Priority::High, LONG, |_| Ok(()))) != Some(Ok(())) {
            assert!(Instant::now() < until, "no thread comes back");
            thread::yield_now();
        }
    }
}

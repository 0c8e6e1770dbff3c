//! The state of one piece of work: it waits, runs, and has ended or is given up.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// How long work may go on after its time limit before nobody waits for it any more.
const GRACE: Duration = Duration::from_millis(50);

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const ENDED: u8 = 2;
const GIVEN_UP: u8 = 3;

pub(super) struct Run {
    time: Duration,
    pub(super) is_cancelled: Arc<AtomicBool>,
    state: AtomicU8,
    began: OnceLock<Instant>,
}

impl Run {
    pub(super) fn new(time: Duration) -> Self {
        let time = time.saturating_add(GRACE);
        Self { time, is_cancelled: Arc::default(), state: QUEUED.into(), began: OnceLock::new() }
    }

    fn enter(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether it is still wanted, and begins now.
    pub(super) fn begin(&self) -> bool {
        let is_wanted = self.enter(QUEUED, RUNNING);
        if is_wanted {
            let _ = self.began.set(Instant::now());
        }
        is_wanted
    }

    /// Whether it ends before it is given up.
    pub(super) fn end(&self) -> bool {
        self.enter(RUNNING, ENDED)
    }

    /// Whether it runs, and is given up now.
    pub(super) fn give_up(&self) -> bool {
        self.enter(RUNNING, GIVEN_UP)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == GIVEN_UP
    }

    /// How much of its time is left. `None` before it has begun.
    pub(super) fn left(&self) -> Option<Duration> {
        self.began.get().map(|began| self.time.saturating_sub(began.elapsed()))
    }

    /// Nobody waits for it any more. If it has not begun it never does, and otherwise it ends at
    /// its next step.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        self.enter(QUEUED, GIVEN_UP);
    }
}

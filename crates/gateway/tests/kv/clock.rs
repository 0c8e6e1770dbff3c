//! A clock that is set by hand, and that holds the writer of a store.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use vantage_api_gateway::kv::Settings;

/// No wait of a test takes longer, unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone)]
pub(crate) struct Clock(Arc<(Mutex<State>, Condvar)>);

struct State {
    now: SystemTime,
    is_held: bool,
    is_writer_there: bool,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let state = State { now, is_held: false, is_writer_there: false };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    pub(crate) fn settings(&self) -> Settings {
        let clock = self.clone();
        Settings::default().with_clock(move || clock.read()).with_timeout(PATIENCE)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.0.lock().unwrap().now
    }

    pub(crate) fn set(&self, now: SystemTime) {
        self.0.0.lock().unwrap().now = now;
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.0.0.lock().unwrap().now += time;
    }

    /// Stops the writer where it looks at the clock, which it does before it carries anything out,
    /// until what is returned is dropped.
    pub(crate) fn hold(&self) -> Held {
        self.0.0.lock().unwrap().is_held = true;
        Held(self.clone())
    }

    /// Waits until the writer has stopped.
    pub(crate) fn wait_for_writer(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let (_state, waited) =
            changed.wait_timeout_while(state, PATIENCE, |state| !state.is_writer_there).unwrap();
        assert!(!waited.timed_out(), "the writer does not come");
    }

    fn read(&self) -> SystemTime {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        if thread::current().name() == Some("kv-writer") {
            state.is_writer_there = state.is_held;
            changed.notify_all();
            state = changed.wait_while(state, |state| state.is_held).unwrap();
            state.is_writer_there = false;
        }
        state.now
    }
}

/// Holds the writer of a store.
pub(crate) struct Held(Clock);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.0.lock().unwrap().is_held = false;
        self.0.0.1.notify_all();
    }
}

//! Timers for waiting callers, on any executor. tokio's own need a runtime with time enabled, and
//! the only way to check for one is to make it panic.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle},
    time::{Sleep, sleep},
};

use crate::error::Error;

/// The runtime of the thread that drives the timers.
static TIMERS: OnceLock<Option<Handle>> = OnceLock::new();

/// A timer of the current runtime if that is known to have timers, otherwise of the process.
pub(crate) fn timer(wait: Duration, has_timers: bool) -> Result<Sleep, Error> {
    // A paused clock, as in tests, moves only with the timers of its own runtime.
    if has_timers || is_clock_virtual() {
        return Ok(sleep(wait));
    }
    let timers = TIMERS
        .get_or_init(start)
        .as_ref()
        .ok_or_else(|| Error::config("a wait cannot begin: the system has no thread for timers"))?;
    let _entered = timers.enter();
    Ok(sleep(wait))
}

/// Starts the thread, which lasts as long as the process.
fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("vantage-timers".into()).spawn(drive).ok()?;
    Some(handle)
}

/// Whether tokio's clock is not the system's, because a test has paused it.
fn is_clock_virtual() -> bool {
    let before = Instant::now();
    let shown = tokio::time::Instant::now().into_std();
    !(before..=Instant::now()).contains(&shown)
}

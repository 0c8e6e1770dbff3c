//! The one thread on which what was submitted runs. It starts with its first use and lasts as long
//! as the process.

use std::{future::Future, sync::OnceLock};

use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::error::Failure;

static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, Failure> {
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("vantage-pool").enable_time();
        builder.build().map_err(|error| error.to_string())
    };
    RUNTIME.get_or_init(start).as_ref().map_err(|error| {
        Failure::state(format!("the system has no thread for the library: {error}"))
    })
}

/// Runs a future on that thread.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
    runtime()?.spawn(future);
    Ok(())
}

/// Lets futures on this thread use the timers of the runtime.
pub(crate) fn enter() -> Result<EnterGuard<'static>, Failure> {
    runtime().map(Runtime::enter)
}

//! The engine that all components of the process share, with its clock: code that runs is asked at
//! each tick whether it may go on. The clock stands still while none runs.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{Config, Engine};

/// The time from tick to tick.
const TICK: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub(super) struct Runtime {
    pub(super) engine: Engine,
    clock: Arc<Clock>,
}

#[derive(Default)]
struct Clock {
    running: Mutex<usize>,
    has_begun: Condvar,
}

impl Runtime {
    /// The one of the process, which starts with the first component.
    ///
    /// # Errors
    /// Why there is none, such as a processor that no code can be made for.
    pub(super) fn shared() -> Result<Self, String> {
        static SHARED: Mutex<Option<Runtime>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*shared {
            return Ok(runtime.clone());
        }
        let runtime = Self::start().map_err(|reason| format!("no engine: {reason}"))?;
        Ok(shared.insert(runtime).clone())
    }

    fn start() -> Result<Self, String> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // What a page shows of a trap is its kind.
        config.generate_address_map(false).wasm_backtrace_max_frames(None::<NonZeroUsize>);
        let engine = Engine::new(&config).map_err(|error| error.to_string())?;
        let clock = Arc::new(Clock::default());
        let (own, ticked) = (Arc::clone(&clock), engine.clone());
        let ticking = move || loop {
            own.wait_for_one();
            thread::sleep(TICK);
            ticked.increment_epoch();
        };
        let thread = thread::Builder::new().name("extract-clock".into()).spawn(ticking);
        thread.map_err(|error| error.to_string())?;
        Ok(Self { engine, clock })
    }

    /// Keeps the clock going as long as the guard lives.
    pub(super) fn running(&self) -> Running {
        *self.clock.lock() += 1;
        self.clock.has_begun.notify_one();
        Running(Arc::clone(&self.clock))
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("running", &*self.clock.lock()).finish_non_exhaustive()
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_one(&self) {
        let running = self.lock();
        drop(self.has_begun.wait_while(running, |running| *running == 0));
    }
}

/// Code that runs.
pub(super) struct Running(Arc<Clock>);

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

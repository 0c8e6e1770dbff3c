//! What users' code can do to a pool: callbacks that panic, block, hang, fail, or stop the thread
//! that they run on, values that panic when they are dropped, and a tracing subscriber that panics
//! in the task of a call.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use http::HeaderValue;
use tracing::{Metadata, Span, Subscriber, span::Id};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Registry},
};
use vantage_api_pool::Request;

use super::server::Chaos;

/// The header that says what `apply` does to a request.
const MARK: &str = "x-fault";
/// How long a callback blocks its worker: longer than the least heartbeat timeout.
const BLOCKED: Duration = Duration::from_millis(450);
/// How long a callback may block its worker unnoticed.
const NAP: Duration = Duration::from_millis(5);
/// The least time between two deaths of workers: below it their replacement is delayed.
const BETWEEN_DEATHS: Duration = Duration::from_millis(250);
/// One of each of these per hundred calls.
const SPAN: u64 = 100;
/// One in this many of the calls that could block a worker for long does.
const BLOCKS: u64 = 20;

/// The fate of a call on this side of the network, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Plain,
    /// Its task panics once on its worker.
    Panics,
    /// Its task panics on its worker again and again.
    Poison,
    /// `apply` panics.
    ApplyPanics,
    /// A value of `apply` panics when it is dropped.
    ApplyDrops,
    /// `apply` stops the Arbiter of its worker, unless one was stopped recently.
    Kills,
    /// `apply` blocks its worker, for longer than the call may take.
    Blocks,
    /// `apply` blocks its worker for a moment.
    Naps,
    /// The caller goes away.
    Cancelled,
}

impl Fate {
    pub(crate) fn of(number: u64) -> Self {
        match number % SPAN {
            1 => Self::Panics,
            2 => Self::Poison,
            3 => Self::ApplyPanics,
            4 => Self::ApplyDrops,
            5 => Self::Kills,
            6 if (number / SPAN).is_multiple_of(BLOCKS) => Self::Blocks,
            7 => Self::Naps,
            8 => Self::Cancelled,
            _ => Self::Plain,
        }
    }

    /// Whether the call cannot succeed.
    pub(crate) fn is_fatal(self) -> bool {
        matches!(self, Self::Poison | Self::ApplyPanics | Self::ApplyDrops | Self::Blocks)
    }

    /// The request, marked for `apply`.
    pub(crate) fn mark(self, request: Request) -> Request {
        let mark = match self {
            Self::ApplyPanics => "panics",
            Self::ApplyDrops => "drops",
            Self::Kills => "kills",
            Self::Blocks => "blocks",
            Self::Naps => "naps",
            Self::Plain | Self::Panics | Self::Poison | Self::Cancelled => return request,
        };
        let request = if self == Self::Blocks { request.timeout(BLOCKED / 2) } else { request };
        request.clone().header(MARK, mark).unwrap_or(request)
    }

    /// The span in which the call is made.
    pub(crate) fn span(self) -> Span {
        match self {
            Self::Panics => tracing::info_span!(target: "soak", "panics once"),
            Self::Poison => tracing::info_span!(target: "soak", "poison"),
            _ => Span::none(),
        }
    }
}

/// What users' code has done.
pub(crate) struct Callbacks {
    started: Instant,
    /// When the last worker was killed, in milliseconds of the run.
    last_death: AtomicU64,
    pub(crate) task_panics: AtomicU64,
    pub(crate) apply_panics: AtomicU64,
    pub(crate) drop_panics: AtomicU64,
    pub(crate) deaths: AtomicU64,
    pub(crate) blocks: AtomicU64,
    pub(crate) naps: AtomicU64,
    pub(crate) acquires: AtomicU64,
    pub(crate) acquires_failed: AtomicU64,
    pub(crate) acquires_panicked: AtomicU64,
    pub(crate) acquires_hung: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// A panic that nobody prints.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a panic of the run's own"));
}

/// Panics when it is dropped. A panic during unwinding aborts the process, in any program.
struct Bomb(Arc<Callbacks>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            count(&self.0.drop_panics);
            panic();
        }
    }
}

impl Callbacks {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            last_death: AtomicU64::default(),
            task_panics: AtomicU64::default(),
            apply_panics: AtomicU64::default(),
            drop_panics: AtomicU64::default(),
            deaths: AtomicU64::default(),
            blocks: AtomicU64::default(),
            naps: AtomicU64::default(),
            acquires: AtomicU64::default(),
            acquires_failed: AtomicU64::default(),
            acquires_panicked: AtomicU64::default(),
            acquires_hung: AtomicU64::default(),
        })
    }

    /// A token; one request in a hundred each fails, panics and hangs.
    pub(crate) async fn acquire(self: Arc<Self>, chaos: Arc<Chaos>) -> Result<String, io::Error> {
        count(&self.acquires);
        match fastrand::u8(..100) {
            0 => {
                count(&self.acquires_failed);
                Err(io::Error::other("no token today"))
            }
            1 => {
                count(&self.acquires_panicked);
                panic()
            }
            2 => {
                count(&self.acquires_hung);
                let _bomb = Bomb(self);
                std::future::pending().await
            }
            _ => Ok(chaos.token()),
        }
    }

    pub(crate) fn apply(self: &Arc<Self>, mut request: Request, token: &str) -> Request {
        match request.headers().get(MARK).map(HeaderValue::as_bytes) {
            Some(b"panics") => {
                count(&self.apply_panics);
                panic()
            }
            Some(b"drops") => drop(Bomb(Arc::clone(self))),
            Some(b"kills") => {
                // A thread for blocking work belongs to no worker.
                let arbiter = actix::Arbiter::try_current().filter(|_| self.may_kill());
                if let Some(arbiter) = arbiter {
                    count(&self.deaths);
                    arbiter.stop();
                }
            }
            Some(b"blocks") => {
                count(&self.blocks);
                thread::sleep(BLOCKED);
            }
            Some(b"naps") => {
                count(&self.naps);
                thread::sleep(NAP);
            }
            _ => {}
        }
        if let Ok(value) = token.parse() {
            request.headers_mut().insert("x-token", value);
        }
        request
    }

    /// Whether the last death was long enough ago.
    fn may_kill(&self) -> bool {
        let now = self.started.elapsed().as_millis() as u64;
        let due = |last: u64| (now >= last + BETWEEN_DEATHS.as_millis() as u64).then_some(now);
        self.last_death.fetch_update(Ordering::SeqCst, Ordering::SeqCst, due).is_ok()
    }

    /// Makes calls panic whose span says so.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Result<(), impl std::error::Error + use<>> {
        let panicking = Panicking { callbacks: Arc::clone(self), home: thread::current().id() };
        tracing::subscriber::set_global_default(Registry::default().with(panicking))
    }
}

/// Panics when a span is entered on another thread than the callers'.
struct Panicking {
    callbacks: Arc<Callbacks>,
    home: ThreadId,
}

/// The span has panicked.
struct Spent;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "soak"
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        // A span is entered once more when its content is dropped.
        if thread::current().id() == self.home || thread::panicking() {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let was_spent = span.extensions_mut().replace(Spent).is_some();
        let panics = span.name() == "poison" || !was_spent;
        drop(span);
        if panics {
            count(&self.callbacks.task_panics);
            panic();
        }
    }
}

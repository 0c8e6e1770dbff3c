//! One call as a value that every actor can hold: the request, its deadline, its progress, and the
//! one answer it gets. Knows no actor.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::Uri;
use tokio::sync::oneshot;

use super::Tenant;
use crate::{
    cancel_flag::CancelFlag,
    error::{Delivery, Error},
    lock::lock,
    permits::InFlight,
    priority::Priority,
    request::Request,
    response::Response,
    retry::CallKind,
    timers,
};

/// Numbers the calls of this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The cost of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}

impl Effort {
    /// Adds the cost to the error of a call.
    pub(crate) fn attach_to(self, error: Error) -> Error {
        error.with_effort(self.attempts, self.elapsed)
    }
}

/// The result of a call.
pub(crate) type Answer = Result<(Response, Effort), Error>;

/// One accepted call.
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) kind: CallKind,
    pub(crate) request: Request,
    /// The handle that made it, if that has its own credentials.
    pub(crate) tenant: Option<Arc<Tenant>>,
    pub(crate) url: Arc<Uri>,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) span: tracing::Span,
    pub(crate) priority: Priority,
    attempts: AtomicU32,
    has_run: AtomicBool,
    losses: AtomicU32,
    on_the_wire: AtomicBool,
    cancelled: CancelFlag,
    /// Where it is at the moment.
    in_flight: Mutex<Weak<InFlight>>,
    reply: Mutex<Option<oneshot::Sender<Answer>>>,
}

impl Call {
    pub(crate) fn new(
        kind: CallKind,
        request: Request,
        tenant: Option<Arc<Tenant>>,
        url: Arc<Uri>,
        now: Instant,
        timeout: Duration,
        reply: oneshot::Sender<Answer>,
    ) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            kind,
            priority: request.own_priority(),
            request,
            tenant,
            url,
            started: now,
            deadline: timers::after(now, timeout),
            span: tracing::Span::current(),
            attempts: AtomicU32::new(0),
            has_run: AtomicBool::new(false),
            losses: AtomicU32::new(0),
            on_the_wire: AtomicBool::new(false),
            cancelled: CancelFlag::default(),
            in_flight: Mutex::default(),
            reply: Mutex::new(Some(reply)),
        }
    }

    /// Answers the call. Only the first answer counts.
    pub(crate) fn answer(&self, result: Result<Response, Error>) {
        let reply = lock(&self.reply).take();
        let Some(reply) = reply else { return };
        let effort = Effort { attempts: self.attempts(), elapsed: self.started.elapsed() };
        let answer = match result {
            Ok(response) => Ok((response, effort)),
            Err(error) => Err(error.with_effort(effort.attempts, effort.elapsed)),
        };
        // A caller that has gone needs no answer.
        let _ = reply.send(answer);
    }

    /// Whether a worker runs it for the first time: a worker that does not answer in time loses its
    /// calls to others.
    pub(crate) fn is_run_first(&self) -> bool {
        !self.has_run.swap(true, Ordering::Relaxed)
    }

    /// Records where the call is from here on.
    pub(super) fn move_to(&self, in_flight: &Arc<InFlight>) {
        *lock(&self.in_flight) = Arc::downgrade(in_flight);
    }

    /// The state of the call on its worker, as long as it is there.
    pub(super) fn in_flight(&self) -> Weak<InFlight> {
        lock(&self.in_flight).clone()
    }

    /// Ends the call with an error from outside its worker, which does not know the outcome of the
    /// attempts that were made.
    ///
    /// The call is cancelled before its attempts are counted, and an attempt is counted before it
    /// checks whether the call is cancelled, in one order for all threads: so no attempt begins
    /// after the error has said that nothing was sent.
    pub(crate) fn fail(&self, error: Error) {
        self.cancelled.set();
        let delivery = if self.attempts() == 0 { Delivery::NotSent } else { Delivery::Unknown };
        self.answer(Err(error.with_delivery(delivery)));
    }

    /// Ends the call without an answer: nobody waits for it any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.set();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_set()
    }

    /// Resolves when the call is cancelled. One task at a time may wait.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.wait().await;
    }

    /// Attempts made so far, including those after a token refresh.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::SeqCst)
    }

    /// Marks the start of an attempt: from here on the server may see the request.
    /// Returns its number, from 1.
    pub(crate) fn begin_attempt(&self) -> u32 {
        let number = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        self.on_the_wire.store(true, Ordering::Release);
        number
    }

    /// Marks that the attempt ended with a response or with an error of known meaning.
    pub(crate) fn end_attempt(&self) {
        self.on_the_wire.store(false, Ordering::Release);
    }

    /// Whether an attempt was in flight, so that its outcome is unknown.
    pub(crate) fn is_on_the_wire(&self) -> bool {
        self.on_the_wire.load(Ordering::Acquire)
    }

    /// Counts one more death of the worker under this call, and returns how many there were.
    pub(crate) fn lose(&self) -> u32 {
        self.losses.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The time until the deadline.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("request", &self.request)
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}

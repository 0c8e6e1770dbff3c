//! The connections of one client: lends them out, takes them back, closes those that
//! stay unused, and keeps the minimum open in the background. Which one is used and
//! which goes is decided in `stack`; when a lost one is replaced, in `outage`.
//!
//! A connection on loan is a [`Lease`]. Dropped, it closes: only
//! [`give_back`](Loan::give_back), after a whole and clean exchange, makes the
//! connection one to use again.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    time::Instant,
};

use tokio::{sync::Notify, time::sleep_until};

use super::{
    dial::Dial,
    outage::Outage,
    stack::{Limits, Stack},
    stream::Stream,
    strict_io::Loan,
};
use crate::error::Error;

/// How many connections are opened at a time to reach the minimum.
const AT_ONCE: usize = 16;

/// The connections of one client.
pub(super) struct Reserve {
    stack: RefCell<Stack<Stream>>,
    dial: Rc<Dial>,
    outage: RefCell<Outage>,
    /// The last failure to reach the minimum, and how many there were.
    failure: RefCell<(u64, Option<Error>)>,
    /// There is something to look after before the next turn.
    wake: Rc<Notify>,
    /// An attempt to reach the minimum has ended.
    has_attempted: Notify,
}

impl Reserve {
    /// An empty reserve, and the task that looks after it as long as it lives.
    pub(super) fn new(dial: Dial, limits: Limits) -> Rc<Self> {
        let reserve = Rc::new(Self {
            stack: RefCell::new(Stack::new(limits)),
            dial: Rc::new(dial),
            outage: RefCell::default(),
            failure: RefCell::default(),
            wake: Rc::default(),
            has_attempted: Notify::new(),
        });
        actix_rt::spawn(look_after(Rc::downgrade(&reserve), Rc::clone(&reserve.wake)));
        reserve
    }

    /// The connection that was used last, if one is idle and still good.
    pub(super) fn take(self: &Rc<Self>, now: Instant) -> Option<Lease> {
        let (stream, born) = self.stack.borrow_mut().take(now, Stream::is_quiet)?;
        Some(Lease { stream, seat: Seat { born, reserve: Rc::clone(self) } })
    }

    /// A new connection.
    pub(super) async fn open(self: &Rc<Self>) -> Result<Lease, Error> {
        let stream = self.dial.open().await?;
        let mut stack = self.stack.borrow_mut();
        stack.enter();
        if stack.open() == 1 {
            self.wake.notify_one();
        }
        Ok(Lease { stream, seat: Seat { born: Instant::now(), reserve: Rc::clone(self) } })
    }

    /// Resolves when the minimum is open.
    ///
    /// # Errors
    /// That of the first attempt that fails after this was called.
    pub(super) async fn fill(&self) -> Result<(), Error> {
        let before = self.failure.borrow().0;
        self.outage.borrow_mut().end();
        loop {
            let attempted = self.has_attempted.notified();
            if self.stack.borrow().is_filled() {
                return Ok(());
            }
            if let (count, Some(error)) = &*self.failure.borrow()
                && *count > before
            {
                return Err(error.clone());
            }
            self.wake.notify_one();
            attempted.await;
        }
    }

    /// Closes what has to go, begins to open what is missing, and says when to look again.
    fn look(self: &Rc<Self>) -> Option<Instant> {
        let now = Instant::now();
        let mut stack = self.stack.borrow_mut();
        let mut outage = self.outage.borrow_mut();
        if let Some(age) = stack.sweep(now, Stream::was_quiet)
            && stack.missing() > 0
        {
            outage.died(age, now, fastrand::f64());
        }
        let next = stack.next_sweep(now);
        if let (Some(until), 1..) = (outage.until(now), stack.missing()) {
            return next.map(|next| next.min(until));
        }
        for _ in 0..stack.missing().min(AT_ONCE.saturating_sub(stack.opening())) {
            stack.begin_opening();
            actix_rt::spawn(open_one(Rc::downgrade(self), Rc::clone(&self.dial)));
        }
        next
    }

    /// Takes what came of an attempt to reach the minimum.
    fn attempted(&self, opened: Result<Stream, Error>) {
        let now = Instant::now();
        let stream = opened.map_err(|error| {
            tracing::warn!(%error, "a connection that is to stay open failed to open");
            self.outage.borrow_mut().failed(now, fastrand::f64());
            let mut failure = self.failure.borrow_mut();
            *failure = (failure.0 + 1, Some(error));
        });
        self.stack.borrow_mut().end_opening(stream.ok(), now);
        self.has_attempted.notify_waiters();
        self.wake.notify_one();
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

async fn look_after(reserve: Weak<Reserve>, wake: Rc<Notify>) {
    while let Some(next) = reserve.upgrade().map(|reserve| reserve.look()) {
        match next {
            None => wake.notified().await,
            Some(next) => tokio::select! {
                () = wake.notified() => {}
                () = sleep_until(next.into()) => {}
            },
        }
    }
}

async fn open_one(reserve: Weak<Reserve>, dial: Rc<Dial>) {
    let opened = dial.open().await;
    if let Some(reserve) = reserve.upgrade() {
        reserve.attempted(opened);
    }
}

/// A connection on loan. Dropping it closes it.
pub(super) struct Lease {
    pub(super) stream: Stream,
    seat: Seat,
}

impl Loan for Lease {
    type Stream = Stream;

    fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Makes the connection one to use again.
    fn give_back(self) {
        let Self { stream, seat } = self;
        seat.reserve.outage.borrow_mut().end();
        seat.reserve.stack.borrow_mut().put(stream, seat.born, Instant::now());
    }
}

/// A busy connection's place in the count. Dropped once the connection is put down or gone.
struct Seat {
    born: Instant,
    reserve: Rc<Reserve>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut stack = self.reserve.stack.borrow_mut();
        stack.leave();
        if stack.missing() > 0 {
            self.reserve.wake.notify_one();
        }
    }
}

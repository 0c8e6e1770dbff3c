//! The connections of one client: lends them out, takes them back, closes those that
//! stay unused, and keeps the minimum open in the background. Which one is used and
//! which goes is decided in `stack`; when a lost one is replaced, in `outage`.
//!
//! A connection on loan is a [`Lease`]. Dropped, it closes: only
//! [`give_back`](Loan::give_back), after a whole and clean exchange, makes the
//! connection one to use again.

use std::{
    cell::{Cell, RefCell},
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
    /// An attempt to reach the minimum has ended, or a connection was put down for which a
    /// call waits.
    has_changed: Notify,
    /// How many calls wait for that.
    waiting: Cell<usize>,
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
            has_changed: Notify::new(),
            waiting: Cell::default(),
        });
        actix_rt::spawn(look_after(Rc::downgrade(&reserve), Rc::clone(&reserve.wake)));
        reserve
    }

    /// The connection that was used last, if one is idle and still good.
    pub(super) fn take(self: &Rc<Self>, now: Instant) -> Option<Lease> {
        let (stream, born) = self.stack.borrow_mut().take(now, Stream::is_quiet)?;
        Some(Lease { stream, was_idle: true, seat: Seat { born, reserve: Rc::clone(self) } })
    }

    /// A new connection, or the next that is put down while those that are being opened to
    /// reach the minimum leave no room for a new one.
    pub(super) async fn open(self: &Rc<Self>) -> Result<Lease, Error> {
        while self.stack.borrow().has_to_wait(self.waiting.get()) {
            let waiting = Waiting::new(&self.waiting);
            self.has_changed.notified().await;
            drop(waiting);
            if let Some(lease) = self.take(Instant::now()) {
                return Ok(lease);
            }
        }
        let dialling = Dialling::new(self);
        let stream = self.dial.open().await?;
        self.stack.borrow_mut().enter();
        drop(dialling);
        if self.stack.borrow().open() == 1 {
            self.wake.notify_one();
        }
        let seat = Seat { born: Instant::now(), reserve: Rc::clone(self) };
        Ok(Lease { stream, was_idle: false, seat })
    }

    /// Changes how many connections stay open without use.
    pub(super) fn keep(&self, min: usize) {
        self.stack.borrow_mut().keep(min);
        self.wake.notify_one();
    }

    /// Resolves when the minimum is open.
    ///
    /// # Errors
    /// That of the first attempt that fails after this was called.
    pub(super) async fn fill(&self) -> Result<(), Error> {
        let before = self.failure.borrow().0;
        self.outage.borrow_mut().end();
        loop {
            let changed = self.has_changed.notified();
            if self.stack.borrow().is_filled() {
                return Ok(());
            }
            if let (count, Some(error)) = &*self.failure.borrow()
                && *count > before
            {
                return Err(error.clone());
            }
            self.wake.notify_one();
            changed.await;
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
        self.has_changed.notify_waiters();
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
    /// Whether it was open before it was asked for.
    pub(super) was_idle: bool,
    seat: Seat,
}

impl Loan for Lease {
    type Stream = Stream;

    fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Makes the connection one to use again.
    fn give_back(self) {
        let Self { stream, seat, .. } = self;
        seat.reserve.outage.borrow_mut().end();
        seat.reserve.stack.borrow_mut().put(stream, seat.born, Instant::now());
        if seat.reserve.waiting.get() > 0 {
            seat.reserve.has_changed.notify_waiters();
        }
    }
}

/// A call that waits for a connection, as long as this lives.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A connection that a call opens, as long as this lives.
struct Dialling<'a>(&'a Reserve);

impl<'a> Dialling<'a> {
    fn new(reserve: &'a Reserve) -> Self {
        reserve.stack.borrow_mut().begin_dialling();
        Self(reserve)
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let mut stack = self.0.stack.borrow_mut();
        stack.end_dialling();
        if stack.missing() > 0 {
            self.0.wake.notify_one();
        }
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

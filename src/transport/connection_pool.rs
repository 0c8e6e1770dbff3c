//! The connections of one client: hands them out, takes them back, closes those that stay unused,
//! and keeps the minimum open in the background. `PoolState` decides which one is used and which
//! is closed; `RefillBackoff` decides when a lost one is replaced.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};

use super::{
    connector::Connector, gauge::Gauge, settings::Settings, stream::Stream, strict_io::StrictIo,
};
use crate::{
    error::Error,
    pool_state::{PoolLimits, PoolState},
    refill_backoff::RefillBackoff,
};

/// How many connections are opened at a time to reach the minimum.
const AT_ONCE: usize = 16;

/// The connections of one client.
pub(super) struct ConnectionPool {
    /// Each open connection is with the token that counts it.
    state: RefCell<PoolState<(Stream, Arc<()>)>>,
    connector: Rc<Connector>,
    gauge: Arc<Gauge>,
    read_idle_timeout: Duration,
    backoff: RefCell<RefillBackoff>,
    /// The last failure to reach the minimum, and the number of failures.
    failure: RefCell<(u64, Option<Error>)>,
    /// There is something to do before the next sweep.
    wake: Rc<Notify>,
    /// An attempt to reach the minimum has ended, or a connection that a call waits for was
    /// returned.
    has_changed: Notify,
    /// Each call that waits for that has a clone.
    waiting: Rc<()>,
}

impl ConnectionPool {
    /// An empty pool, and the task that maintains it as long as it lives.
    pub(super) fn new(settings: &Settings) -> Rc<Self> {
        let limits = PoolLimits {
            min: *settings.kept_connections.start(),
            max: *settings.kept_connections.end(),
            idle_timeout: settings.idle_timeout,
            max_lifetime: settings.max_lifetime,
        };
        let pool = Rc::new(Self {
            state: RefCell::new(PoolState::new(limits)),
            connector: Rc::new(Connector::new(settings)),
            gauge: Arc::clone(&settings.gauge),
            read_idle_timeout: settings.read_idle_timeout,
            backoff: RefCell::default(),
            failure: RefCell::default(),
            wake: Rc::default(),
            has_changed: Notify::new(),
            waiting: Rc::default(),
        });
        actix_rt::spawn(look_after(Rc::downgrade(&pool), Rc::clone(&pool.wake)));
        pool
    }

    /// A connection for one exchange: the most recently used one, or a new one.
    ///
    /// # Errors
    /// Those of opening a new one.
    pub(super) async fn get(self: &Rc<Self>) -> Result<PooledConnection, Error> {
        match self.take(Instant::now()) {
            Some(connection) => Ok(connection),
            // Boxed, since it is large and rarely needed.
            None => Box::pin(self.open()).await,
        }
    }

    /// The most recently used connection, if one is idle and still good.
    fn take(self: &Rc<Self>, now: Instant) -> Option<PooledConnection> {
        let taken = self.state.borrow_mut().take(now, |(stream, _)| stream.is_quiet());
        taken.map(|(connection, born)| self.pooled(connection, born, true, now))
    }

    /// A new connection, or the next that is returned, while connections being opened to reach the
    /// minimum leave no room for a new one.
    async fn open(self: &Rc<Self>) -> Result<PooledConnection, Error> {
        while self.state.borrow().has_to_wait(Rc::strong_count(&self.waiting) - 1) {
            let waiting = Rc::clone(&self.waiting);
            self.has_changed.notified().await;
            drop(waiting);
            if let Some(connection) = self.take(Instant::now()) {
                return Ok(connection);
            }
        }
        let connecting = Connecting::new(self);
        let connection = (self.connector.connect().await?, self.gauge.count());
        self.state.borrow_mut().opened();
        drop(connecting);
        if self.state.borrow().open() == 1 {
            self.wake.notify_one();
        }
        let now = Instant::now();
        Ok(self.pooled(connection, now, false, now))
    }

    fn pooled(
        self: &Rc<Self>,
        (stream, counted): (Stream, Arc<()>),
        born: Instant,
        is_reused: bool,
        now: Instant,
    ) -> PooledConnection {
        let io = StrictIo::new(stream, is_reused, self.read_idle_timeout, now.into());
        PooledConnection { io: Rc::new(RefCell::new(io)), counted, born, pool: Rc::clone(self) }
    }

    /// Changes how many connections stay open without use.
    pub(super) fn keep(&self, min: usize) {
        self.state.borrow_mut().keep(min);
        self.wake.notify_one();
    }

    /// Resolves when the minimum is open.
    ///
    /// # Errors
    /// That of the first attempt that fails after this call.
    pub(super) async fn fill(self: Rc<Self>) -> Result<(), Error> {
        let before = self.failure.borrow().0;
        self.backoff.borrow_mut().reset();
        loop {
            let changed = self.has_changed.notified();
            if self.state.borrow().is_filled() {
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

    /// Closes connections that must go, begins to open missing ones, and returns when to check
    /// again.
    fn look(self: &Rc<Self>) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        let mut backoff = self.backoff.borrow_mut();
        if let Some(age) = state.sweep(now, |(stream, _)| stream.was_quiet())
            && state.missing() > 0
        {
            backoff.died(age, now, fastrand::f64());
        }
        let next = state.next_sweep(now);
        if let (Some(until), 1..) = (backoff.until(now), state.missing()) {
            return next.map(|next| next.min(until));
        }
        for _ in 0..state.missing().min(AT_ONCE.saturating_sub(state.filling())) {
            state.begin_filling();
            actix_rt::spawn(open_one(Rc::downgrade(self), Rc::clone(&self.connector)));
        }
        next
    }

    /// Records the outcome of an attempt to reach the minimum.
    fn attempted(&self, opened: Result<Stream, Error>) {
        let now = Instant::now();
        let opened = opened.map(|stream| (stream, self.gauge.count())).map_err(|error| {
            tracing::warn!(%error, "a connection that is to stay open failed to open");
            self.backoff.borrow_mut().failed(now, fastrand::f64());
            let mut failure = self.failure.borrow_mut();
            *failure = (failure.0 + 1, Some(error));
        });
        self.state.borrow_mut().end_filling(opened.ok(), now);
        self.has_changed.notify_waiters();
        self.wake.notify_one();
    }
}

impl Drop for ConnectionPool {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

async fn look_after(pool: Weak<ConnectionPool>, wake: Rc<Notify>) {
    while let Some(next) = pool.upgrade().map(|pool| pool.look()) {
        match next {
            None => wake.notified().await,
            Some(next) => tokio::select! {
                () = wake.notified() => {}
                () = sleep_until(next.into()) => {}
            },
        }
    }
}

async fn open_one(pool: Weak<ConnectionPool>, connector: Rc<Connector>) {
    let opened = connector.connect().await;
    if let Some(pool) = pool.upgrade() {
        pool.attempted(opened);
    }
}

/// A connection for one exchange. When dropped, it returns to the pool if the exchange was complete
/// and clean; otherwise it closes.
pub(super) struct PooledConnection {
    pub(super) io: Rc<RefCell<StrictIo<Stream>>>,
    counted: Arc<()>,
    born: Instant,
    pool: Rc<ConnectionPool>,
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let pool = &self.pool;
        let mut state = pool.state.borrow_mut();
        if let Some(stream) = self.io.borrow_mut().take_reusable() {
            pool.backoff.borrow_mut().reset();
            state.returned((stream, Arc::clone(&self.counted)), self.born, Instant::now());
            if Rc::strong_count(&pool.waiting) > 1 {
                pool.has_changed.notify_waiters();
            }
        }
        state.leave();
        if state.missing() > 0 {
            pool.wake.notify_one();
        }
    }
}

/// A connection that a call is opening, as long as this lives.
struct Connecting<'a>(&'a ConnectionPool);

impl<'a> Connecting<'a> {
    fn new(pool: &'a ConnectionPool) -> Self {
        pool.state.borrow_mut().begin_connecting();
        Self(pool)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.end_connecting();
        if state.missing() > 0 {
            self.0.wake.notify_one();
        }
    }
}

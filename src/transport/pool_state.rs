//! [pure] The decisions of a connection pool: which idle connection is used next (last in, first
//! out) and which are closed, within a minimum, a maximum, an idle timeout and the maximum age of a
//! connection (its lifetime). Knows neither sockets nor the clock.

use std::time::{Duration, Instant};

/// The longest time between two checks of the idle connections, and so the longest that a
/// connection closed by the server stays open here.
const MAX_TURN: Duration = Duration::from_secs(1);
/// The shortest time between two checks.
const MIN_TURN: Duration = Duration::from_millis(10);

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The connections that stay open without use.
    pub(super) min: usize,
    /// The most connections that are open after use.
    pub(super) max: usize,
    /// How long a connection beyond the minimum stays open without use.
    pub(super) idle_timeout: Duration,
    /// How long any connection is used.
    pub(super) max_lifetime: Duration,
}

/// The idle connections of one client, the most recently used on top, and the count of the others.
#[derive(Debug)]
pub(super) struct PoolState<C> {
    limits: Limits,
    /// In the order in which they were returned, so the first one has been idle longest.
    idle: Vec<Idle<C>>,
    busy: usize,
    /// Being opened to reach the minimum.
    filling: usize,
    /// Being opened by calls, for immediate use.
    connecting: usize,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    born: Instant,
    since: Instant,
}

impl<C> PoolState<C> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, idle: Vec::new(), busy: 0, filling: 0, connecting: 0 }
    }

    /// Changes the minimum. Connections beyond it close once they are idle for too long.
    pub(super) fn keep(&mut self, min: usize) {
        self.limits.min = min;
    }

    /// The most recently used connection that is still `usable`, and when it was opened. It is
    /// busy until [`leave`](Self::leave).
    pub(super) fn take(
        &mut self,
        now: Instant,
        mut usable: impl FnMut(&mut C) -> bool,
    ) -> Option<(C, Instant)> {
        while let Some(mut top) = self.idle.pop() {
            if self.is_young(top.born, now) && usable(&mut top.connection) {
                self.busy += 1;
                return Some((top.connection, top.born));
            }
        }
        None
    }

    /// Whether a call that finds no idle connection waits, besides `waiting` others, for one that
    /// is being opened to reach the minimum: one that it opened itself would exceed the maximum.
    pub(super) fn has_to_wait(&self, waiting: usize) -> bool {
        let all = self.open() + self.filling + self.connecting;
        waiting < self.filling && all >= self.limits.max
    }

    /// Counts a connection that a call opens for immediate use.
    pub(super) fn begin_connecting(&mut self) {
        self.connecting += 1;
    }

    /// Ends that count: the connection is open, or the attempt has failed.
    pub(super) fn end_connecting(&mut self) {
        self.connecting = self.connecting.saturating_sub(1);
    }

    /// Counts a connection that was opened for immediate use.
    pub(super) fn opened(&mut self) {
        self.busy += 1;
    }

    /// Ends the count of a busy connection: it was returned or closed.
    pub(super) fn leave(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Takes back a busy connection that can be used again, unless it must be closed.
    pub(super) fn returned(&mut self, connection: C, born: Instant, now: Instant) {
        let has_time = !self.limits.idle_timeout.is_zero() || self.open() <= self.limits.min;
        if has_time && self.open() <= self.limits.max && self.is_young(born, now) {
            self.idle.push(Idle { connection, born, since: now });
        }
    }

    /// Counts a connection that is being opened to reach the minimum.
    pub(super) fn begin_filling(&mut self) {
        self.filling += 1;
    }

    /// Adds the connection that was being opened, if it was opened and there is room.
    pub(super) fn end_filling(&mut self, connection: Option<C>, now: Instant) {
        self.filling = self.filling.saturating_sub(1);
        if let Some(connection) = connection.filter(|_| self.open() < self.limits.max) {
            self.idle.push(Idle { connection, born: now, since: now });
        }
    }

    /// Closes the idle connections that are dead, too old, or beyond the minimum and idle for too
    /// long. Returns the longest lifetime among those that died.
    pub(super) fn sweep(
        &mut self,
        now: Instant,
        mut is_alive: impl FnMut(&mut C) -> bool,
    ) -> Option<Duration> {
        let Limits { min, idle_timeout, max_lifetime, .. } = self.limits;
        let mut spare = self.open().saturating_sub(min);
        let mut died = None;
        self.idle.retain_mut(|idle| {
            let age = now.saturating_duration_since(idle.born);
            let is_dead = !is_alive(&mut idle.connection);
            let is_unused = spare > 0 && now.saturating_duration_since(idle.since) >= idle_timeout;
            if is_dead {
                died = died.max(Some(age));
            }
            let goes = is_dead || is_unused || age >= max_lifetime;
            spare = spare.saturating_sub(usize::from(goes));
            !goes
        });
        if self.idle.len() < self.idle.capacity() / 4 {
            self.idle.shrink_to(self.idle.len() * 2);
        }
        died
    }

    /// When the next sweep is due: when the next connection may be idle for too long, and at most
    /// about [`MAX_TURN`] from `now`. `None` while there is nothing to check.
    pub(super) fn next_sweep(&self, now: Instant) -> Option<Instant> {
        if self.open() + self.filling + self.limits.min == 0 {
            return None;
        }
        let turn = self.limits.idle_timeout.clamp(MIN_TURN, MAX_TURN);
        let spare = self.open() > self.limits.min;
        let overdue = self.idle.first().filter(|_| spare).map_or(turn, |first| {
            let idle = now.saturating_duration_since(first.since);
            self.limits.idle_timeout.saturating_sub(idle).clamp(MIN_TURN, turn)
        });
        Some(now + overdue)
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.busy + self.idle.len()
    }

    /// How many connections are being opened to reach the minimum.
    pub(super) fn filling(&self) -> usize {
        self.filling
    }

    /// How many more have to be opened to reach the minimum.
    pub(super) fn missing(&self) -> usize {
        self.limits.min.saturating_sub(self.open() + self.filling + self.connecting)
    }

    /// Whether the minimum is open.
    pub(super) fn is_filled(&self) -> bool {
        self.open() >= self.limits.min
    }

    fn is_young(&self, born: Instant, now: Instant) -> bool {
        now.saturating_duration_since(born) < self.limits.max_lifetime
    }
}

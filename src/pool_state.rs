//! [pure] The decisions of a pool: which idle connection, or other resource, is used next (last in,
//! first out) and which are closed, within a minimum, a maximum, an idle timeout and the maximum
//! age of one (its lifetime). Knows neither sockets nor the clock.

use std::time::{Duration, Instant};

/// The longest time between two checks of the idle connections, and so the longest that a
/// connection closed by the server stays open here.
const MAX_TURN: Duration = Duration::from_secs(1);
/// The shortest time between two checks.
const MIN_TURN: Duration = Duration::from_millis(10);

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// The connections that stay open without use.
    pub min: usize,
    /// The most connections that are open after use.
    pub max: usize,
    /// How long a connection beyond the minimum stays open without use.
    pub idle_timeout: Duration,
    /// How long any connection is used.
    pub max_lifetime: Duration,
}

/// The idle connections of one client, the most recently used on top, and the count of the others.
///
/// It is the core of the pool's connections and of other pools: it holds what is idle, and is told
/// of everything else. `C` is a connection or any other resource that is used by one at a time.
#[derive(Debug)]
pub struct PoolState<C> {
    limits: PoolLimits,
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

/// When a resource was opened, and when it became idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleSince {
    born: Instant,
    since: Instant,
}

impl<C> PoolState<C> {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, idle: Vec::new(), busy: 0, filling: 0, connecting: 0 }
    }

    /// Changes the minimum. Connections beyond it close once they are idle for too long.
    pub fn keep(&mut self, min: usize) {
        self.limits.min = min;
    }

    /// The most recently used connection that is still `usable`, and when it was opened. It is
    /// busy until [`leave`](Self::leave).
    pub fn take(
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

    /// The minimum.
    pub fn min(&self) -> usize {
        self.limits.min
    }

    /// Changes the maximum. What is idle beyond it stays open until [`excess`](Self::excess) is
    /// taken.
    pub fn limit(&mut self, max: usize) {
        self.limits.max = max;
    }

    /// The one that has been idle longest, if more are open than the maximum allows.
    pub fn excess(&mut self) -> Option<C> {
        (self.open() > self.limits.max && !self.idle.is_empty())
            .then(|| self.idle.remove(0).connection)
    }

    /// Takes, without using it, the idle one that is `wanted` and was idle longest. It is busy
    /// until it is [put back](Self::put_back), or [leaves](Self::leave).
    pub fn take_idle(&mut self, wanted: impl FnMut(&C) -> bool) -> Option<(C, IdleSince)> {
        let mut wanted = wanted;
        let at = self.idle.iter().position(|idle| wanted(&idle.connection))?;
        let Idle { connection, born, since } = self.idle.remove(at);
        self.busy += 1;
        Some((connection, IdleSince { born, since }))
    }

    /// Puts one back among the idle ones as if it had never been [taken](Self::take_idle).
    pub fn put_back(&mut self, connection: C, IdleSince { born, since }: IdleSince) {
        self.leave();
        let at = self.idle.partition_point(|idle| idle.since <= since);
        self.idle.insert(at, Idle { connection, born, since });
    }

    /// Takes all idle ones, which close.
    pub fn drain(&mut self) -> Vec<C> {
        std::mem::take(&mut self.idle).into_iter().map(|idle| idle.connection).collect()
    }

    /// The idle ones, the one that was idle longest first.
    pub fn idle(&self) -> impl ExactSizeIterator<Item = &C> {
        self.idle.iter().map(|idle| &idle.connection)
    }

    /// Whether a call that finds no idle connection waits, besides `waiting` others, for one that
    /// is being opened to reach the minimum: one that it opened itself would exceed the maximum.
    pub fn has_to_wait(&self, waiting: usize) -> bool {
        let all = self.open() + self.filling + self.connecting;
        waiting < self.filling && all >= self.limits.max
    }

    /// Counts a connection that a call opens for immediate use.
    pub fn begin_connecting(&mut self) {
        self.connecting += 1;
    }

    /// Ends that count: the connection is open, or the attempt has failed.
    pub fn end_connecting(&mut self) {
        self.connecting = self.connecting.saturating_sub(1);
    }

    /// Counts a connection that was opened for immediate use.
    pub fn opened(&mut self) {
        self.busy += 1;
    }

    /// Ends the count of a busy connection: it was returned or closed.
    pub fn leave(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Takes back a busy connection that can be used again, unless it must be closed.
    pub fn returned(&mut self, connection: C, born: Instant, now: Instant) {
        let has_time = !self.limits.idle_timeout.is_zero() || self.open() <= self.limits.min;
        if has_time && self.open() <= self.limits.max && self.is_young(born, now) {
            self.idle.push(Idle { connection, born, since: now });
        }
    }

    /// Counts a connection that is being opened to reach the minimum.
    pub fn begin_filling(&mut self) {
        self.filling += 1;
    }

    /// Adds the connection that was being opened, if it was opened and there is room.
    pub fn end_filling(&mut self, connection: Option<C>, now: Instant) {
        self.filling = self.filling.saturating_sub(1);
        if let Some(connection) = connection.filter(|_| self.open() < self.limits.max) {
            self.idle.push(Idle { connection, born: now, since: now });
        }
    }

    /// Closes the idle connections that are dead, too old, or beyond the minimum and idle for too
    /// long. Returns the longest lifetime among those that died.
    pub fn sweep(
        &mut self,
        now: Instant,
        mut is_alive: impl FnMut(&mut C) -> bool,
    ) -> Option<Duration> {
        let PoolLimits { min, idle_timeout, max_lifetime, .. } = self.limits;
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
    /// about a second from `now`. `None` while there is nothing to check.
    pub fn next_sweep(&self, now: Instant) -> Option<Instant> {
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
    pub fn open(&self) -> usize {
        self.busy + self.idle.len()
    }

    /// How many connections are being opened to reach the minimum.
    pub fn filling(&self) -> usize {
        self.filling
    }

    /// How many more have to be opened to reach the minimum.
    pub fn missing(&self) -> usize {
        self.limits.min.saturating_sub(self.open() + self.filling + self.connecting)
    }

    /// Whether the minimum is open.
    pub fn is_filled(&self) -> bool {
        self.open() >= self.limits.min
    }

    fn is_young(&self, born: Instant, now: Instant) -> bool {
        now.saturating_duration_since(born) < self.limits.max_lifetime
    }
}

#[cfg(test)]
mod tests;

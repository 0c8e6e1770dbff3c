//! One rate-limit policy, and what one client has used of it. Has no clock of its own.

use std::time::{Duration, Instant};

use crate::{error::Error, rate_limit::Bucket};

/// A quota of requests per time window, with the name that the header fields carry.
#[derive(Clone, Debug)]
pub struct RateLimitPolicy {
    pub(super) name: String,
    pub(super) quota: u32,
    pub(super) window: Duration,
    pub(super) shows_partition: bool,
    /// Whether the quota comes back evenly, and not at the end of each window.
    is_bucket: bool,
}

impl RateLimitPolicy {
    /// At most `quota` requests (at least 1) in each window of time, in whole seconds. Windows of
    /// different clients begin at different times, so that clients do not all come back at once.
    /// Around the end of a window a client may make up to twice the quota within less than a
    /// window, or three times if it was forgotten meanwhile to make room.
    #[must_use]
    pub fn fixed_window(name: impl Into<String>, quota: u32, window: Duration) -> Self {
        let name = name.into();
        Self { name, quota, window, shows_partition: false, is_bucket: false }
    }

    /// A burst of `quota` requests (at least 1) after a pause, refilled evenly with `quota` tokens
    /// over each `window` of whole seconds.
    #[must_use]
    pub fn token_bucket(name: impl Into<String>, quota: u32, window: Duration) -> Self {
        Self { is_bucket: true, ..Self::fixed_window(name, quota, window) }
    }

    /// Sends each client its partition key (`pk`): eight bytes that identify the client as long as
    /// the enforcer exists, and reveal nothing about it.
    #[must_use]
    pub fn with_partition_key(mut self) -> Self {
        self.shows_partition = true;
        self
    }

    #[cfg(test)]
    pub(super) fn is_fixed_window(&self) -> bool {
        !self.is_bucket
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        let is_bad = |c: char| !matches!(c, ' '..='~');
        let what = if self.name.is_empty() || self.name.contains(is_bad) {
            "policy name: must be printable ASCII and not empty"
        } else if self.quota == 0 {
            "policy quota: must be at least 1"
        } else if self.window.subsec_nanos() != 0
            || !(1..=u32::MAX.into()).contains(&self.window.as_secs())
        {
            "policy window: must be of whole seconds, from 1 to 4294967295"
        } else {
            return Ok(());
        };
        Err(Error::config(what))
    }

    /// The count of a new client, or of a network that has the quota `times` times. Its windows
    /// begin `offset` earlier than those that are counted from `origin`.
    pub(super) fn meter(
        &self,
        origin: Instant,
        offset: Duration,
        times: u32,
        now: Instant,
    ) -> Meter {
        let quota = self.quota.saturating_mul(times);
        if self.is_bucket {
            return Meter::Bucket(Bucket::refilling(quota, self.window, now));
        }
        Meter::Window(Window { origin, offset, length: self.window, quota, index: 0, used: 0 })
    }
}

/// What one client has used of one policy.
#[derive(Clone, Debug)]
pub(super) enum Meter {
    Window(Window),
    Bucket(Bucket),
}

impl Meter {
    /// How many requests would be admitted at `now`.
    pub(super) fn remaining(&self, now: Instant) -> u32 {
        match self {
            Self::Window(window) => window.remaining(now),
            Self::Bucket(bucket) => bucket.clone().take(now, u32::MAX),
        }
    }

    /// How long until more than [`remaining`](Self::remaining) would be admitted; `None` if that is
    /// the whole quota.
    pub(super) fn more_in(&self, now: Instant) -> Option<Duration> {
        match self {
            Self::Window(window) => (window.used_at(now) > 0).then(|| window.ends_in(now)),
            Self::Bucket(bucket) if bucket.is_full(now) => None,
            Self::Bucket(bucket) => Some(bucket.ready_in(now, self.remaining(now).into())),
        }
    }

    /// Counts one request, which was admitted.
    pub(super) fn take(&mut self, now: Instant) {
        match self {
            Self::Window(window) => window.take(now),
            Self::Bucket(bucket) => {
                bucket.take(now, 1);
            }
        }
    }

    /// How long until the used quota would be back, if it came back evenly.
    pub(super) fn worth(&self, now: Instant) -> Duration {
        match self {
            Self::Window(window) => window.worth(now),
            Self::Bucket(bucket) => bucket.full_in(now),
        }
    }

    /// Raises the usage here to at least that of `other`, of the same policy.
    pub(super) fn fold(&mut self, other: &Self, now: Instant) {
        match (self, other) {
            (Self::Window(own), Self::Window(other)) => own.fold(other, now),
            (Self::Bucket(own), Self::Bucket(other)) if other.full_in(now) > own.full_in(now) => {
                own.clone_from(other);
            }
            _ => {}
        }
    }

    /// Whether it equals a new one.
    pub(super) fn is_spent(&self, now: Instant) -> bool {
        match self {
            Self::Window(window) => window.is_spent(now),
            Self::Bucket(bucket) => bucket.is_full(now),
        }
    }
}

/// Consecutive windows of equal length, and the usage of the latest one.
#[derive(Clone, Debug)]
pub(super) struct Window {
    origin: Instant,
    offset: Duration,
    length: Duration,
    quota: u32,
    /// The latest window in which anything was used.
    index: u64,
    used: u32,
}

impl Window {
    /// The time since the start of window 0.
    fn position(&self, now: Instant) -> u128 {
        now.saturating_duration_since(self.origin).saturating_add(self.offset).as_nanos()
    }

    /// The window at `now`; never before the latest that was used.
    fn index_at(&self, now: Instant) -> u64 {
        let index = self.position(now) / self.length.as_nanos().max(1);
        u64::try_from(index).unwrap_or(u64::MAX).max(self.index)
    }

    fn used_at(&self, now: Instant) -> u32 {
        if self.index_at(now) == self.index { self.used } else { 0 }
    }

    fn remaining(&self, now: Instant) -> u32 {
        self.quota.saturating_sub(self.used_at(now))
    }

    fn ends_in(&self, now: Instant) -> Duration {
        let end = (u128::from(self.index_at(now)) + 1) * self.length.as_nanos();
        Duration::from_nanos_u128(end.saturating_sub(self.position(now)))
    }

    fn take(&mut self, now: Instant) {
        self.used = self.used_at(now).saturating_add(1);
        self.index = self.index_at(now);
    }

    fn worth(&self, now: Instant) -> Duration {
        let used = self.length.as_nanos() * u128::from(self.used_at(now));
        Duration::from_nanos_u128(used / u128::from(self.quota.max(1)))
    }

    fn fold(&mut self, other: &Self, now: Instant) {
        let used = other.used_at(now);
        if used > self.used_at(now) {
            (self.index, self.used) = (self.index_at(now), used);
        }
    }

    /// Usage counts for one window longer: the windows of clients that replace this one may begin
    /// at any time.
    fn is_spent(&self, now: Instant) -> bool {
        self.used == 0 || self.index_at(now) > self.index.saturating_add(1)
    }
}

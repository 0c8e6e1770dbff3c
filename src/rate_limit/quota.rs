//! [pure] One quota, and the structured fields (RFC 9651) that quotas are reported in.

use std::time::Duration;

use sfv::{Item, List, ListEntry, Parameters, Parser};

use super::times::{self, LONGEST};

/// One quota as a response reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quota {
    /// How many requests are left.
    pub(crate) remaining: u64,
    /// The time until there are more. It can be added to any instant.
    pub(crate) reset: Duration,
    /// How the quota is refilled, if the response reports that.
    pub(crate) policy: Option<QuotaPolicy>,
}

/// A number of requests in any window of a given length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QuotaPolicy {
    pub(crate) quota: u64,
    pub(crate) window: Duration,
}

impl Quota {
    /// The rate, in requests per second, that uses up what is left just at the reset, but at most
    /// the refill rate of the policy. Zero if nothing is left.
    pub(crate) fn rate(&self) -> f64 {
        let left = per_second(self.remaining, self.reset);
        left.min(self.policy.map_or(f64::INFINITY, |policy| policy.rate()))
    }

    /// Whether `self` leaves less than `other`. If both have nothing left, the one that lasts
    /// longer is tighter.
    pub(super) fn is_tighter_than(&self, other: &Self) -> bool {
        let (own, others) = (self.rate(), other.rate());
        own < others || own == others && self.reset > other.reset
    }
}

impl QuotaPolicy {
    /// Its refill rate, in requests per second.
    pub(super) fn rate(&self) -> f64 {
        per_second(self.quota, self.window)
    }

    /// A full quota of this policy, of which nothing else is known.
    pub(super) fn untouched(self) -> Quota {
        Quota { remaining: self.quota, reset: self.window, policy: Some(self) }
    }
}

fn per_second(requests: u64, time: Duration) -> f64 {
    if time.is_zero() { f64::INFINITY } else { requests as f64 / time.as_secs_f64() }
}

/// What is reported of one quota, perhaps incomplete.
pub(super) struct QuotaState {
    pub(super) name: Option<String>,
    pub(super) remaining: Option<u64>,
    pub(super) reset: Option<Duration>,
    /// `None` without a window, and for quotas of something else than requests.
    pub(super) policy: Option<QuotaPolicy>,
    pub(super) counts_requests: bool,
}

impl QuotaState {
    pub(super) const EMPTY: Self =
        Self { name: None, remaining: None, reset: None, policy: None, counts_requests: true };
}

pub(super) fn items(text: &[u8]) -> Result<Vec<Item>, ()> {
    let list: List = Parser::new(text).parse().map_err(|_| ())?;
    let item = |entry| match entry {
        ListEntry::Item(item) => Ok(item),
        ListEntry::InnerList(_) => Err(()),
    };
    list.into_iter().map(item).collect()
}

/// A parameter that is a number of 0 or more, if it is there.
pub(super) fn integer(params: &Parameters, key: &str) -> Result<Option<u64>, ()> {
    let Some(value) = params.get(key) else { return Ok(None) };
    let value = value.as_integer().and_then(|value| u64::try_from(value).ok());
    value.map(Some).ok_or(())
}

pub(super) fn policy(quota: u64, window: u64) -> QuotaPolicy {
    QuotaPolicy { quota, window: seconds(window as f64) }
}

/// A number of seconds, at least 0 and at most what can be added to any instant.
pub(super) fn seconds(seconds: f64) -> Duration {
    times::seconds(seconds).min(LONGEST)
}

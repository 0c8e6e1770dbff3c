//! [pure] What calls waited for.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Durations;

/// What a call waits for before an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitCause {
    /// A free connection.
    Queue,
    /// The rate limit.
    Rate,
    /// A token.
    Token,
    /// The circuit breaker, while it probes the API.
    Breaker,
    /// The back-off before a retry.
    Backoff,
    /// The wait that the API requested.
    Hold,
}

impl WaitCause {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queue, Self::Rate, Self::Token, Self::Breaker, Self::Backoff, Self::Hold];

    /// A stable name in lower case, of one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Rate => "rate",
            Self::Token => "token",
            Self::Breaker => "breaker",
            Self::Backoff => "backoff",
            Self::Hold => "hold",
        }
    }
}

impl fmt::Display for WaitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What calls waited for, and how long. Each count moves when a wait ends, for any reason;
/// anything available at once is not counted. A call may wait several times in turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waits([Durations; WaitCause::ALL.len()]);

impl Serialize for Waits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(WaitCause::ALL.map(|cause| (cause.name(), self.get(cause))))
    }
}

impl Waits {
    /// The waits for `cause`.
    ///
    /// ```
    /// use vantage_api_pool::stats::{Stats, WaitCause};
    ///
    /// let stats = Stats::default();
    /// assert_eq!(stats.waits.get(WaitCause::Queue).count(), 0);
    /// assert!(stats.waits.longest().is_none());
    /// ```
    #[must_use]
    pub fn get(&self, cause: WaitCause) -> &Durations {
        &self.0[cause as usize]
    }

    /// The cause with the longest total wait; `None` when no call waited.
    #[must_use]
    pub fn longest(&self) -> Option<WaitCause> {
        let waited = WaitCause::ALL.into_iter().filter(|cause| self.get(*cause).count() > 0);
        waited.max_by_key(|cause| self.get(*cause).total())
    }

    pub(crate) fn get_mut(&mut self, cause: WaitCause) -> &mut Durations {
        &mut self.0[cause as usize]
    }

    /// The waits since `earlier`.
    pub(crate) fn difference(&self, earlier: &Self) -> Self {
        let mut waits = Self::default();
        for cause in WaitCause::ALL {
            *waits.get_mut(cause) = self.get(cause).difference(earlier.get(cause));
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_cause_has_its_own_place_and_the_one_that_took_longest_is_told() {
        let mut waits = Waits::default();
        assert_eq!(waits.longest(), None);
        for (n, cause) in WaitCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, n);
            waits.get_mut(cause).record(Duration::from_millis(10));
        }
        let earlier = waits.clone();
        waits.get_mut(WaitCause::Token).record(Duration::from_millis(1));
        waits.get_mut(WaitCause::Rate).record(Duration::from_millis(5));
        assert_eq!(waits.longest(), Some(WaitCause::Rate));
        let interval = waits.difference(&earlier);
        assert_eq!(interval.get(WaitCause::Token).total(), Duration::from_millis(1));
        assert_eq!(interval.get(WaitCause::Queue).count(), 0);
    }
}

//! Hedged requests: when a call without a response is attempted a second time, and how often that
//! may happen.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    data::optional_duration,
    error::{Error, ErrorKind},
};

/// The largest share of calls that are hedged, unless set otherwise.
const DEFAULT_SHARE: f64 = 0.05;
/// Hedges that may be saved up.
pub(crate) const MOST_HEDGES_SAVED: f64 = 10.0;

/// When a GET that has no response yet is sent a second time, on another connection. The first
/// good response wins, and the other attempt is cancelled.
///
/// It helps if a few responses take much longer than the rest for reasons unrelated to the call
/// ("The Tail at Scale", Dean and Barroso, 2013). Each call is hedged at most once, and each
/// worker hedges at most 5 % of the calls that allow it, plus ten that can be saved up. A hedge
/// is also paid for from the retry budget. No hedge is sent while the API has requested a wait,
/// for all calls or for the call's token, or the dampener slows calls down, while the circuit
/// breaker is not closed, when no connection is free, or when the rate limit has nothing to
/// spare at that moment. A request that was marked as not
/// [`idempotent`](crate::Request::idempotent) is never hedged.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::{AwwPool, retry::Hedge};
///
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     .hedge(Hedge::at_percentile(0.95).at_most(0.1))
///     .build()?;
/// # let _ = (pool, Hedge::after(Duration::from_millis(200)));
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    #[serde(default, with = "optional_duration")]
    pub(crate) after: Option<Duration>,
    #[serde(default)]
    pub(crate) at_percentile: Option<f64>,
    #[serde(default = "default_share")]
    at_most: f64,
}

fn default_share() -> f64 {
    DEFAULT_SHARE
}

impl Hedge {
    /// After `delay` without a response. It must be above zero.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self { after: Some(delay), at_percentile: None, at_most: DEFAULT_SHARE }
    }

    /// After the time within which a `share` of the worker's latest attempts, some thousand,
    /// finished, to within a quarter: above 0 and below 1. Nothing is hedged before 100 attempts
    /// are known.
    #[must_use]
    pub fn at_percentile(share: f64) -> Self {
        Self { after: None, at_percentile: Some(share), at_most: DEFAULT_SHARE }
    }

    /// The largest share of the calls that are hedged: 0.05 by default, above 0 and at most 1.
    #[must_use]
    pub fn at_most(mut self, share: f64) -> Self {
        self.at_most = share;
        self
    }

    /// Checks the values; the error is of `kind`.
    pub(crate) fn check(&self, kind: ErrorKind) -> Result<(), Error> {
        let is_fraction = |share: f64| share > 0.0 && share < 1.0;
        let what = if self.after.is_some() == self.at_percentile.is_some() {
            "hedge: must have either `after` or `at_percentile`"
        } else if self.after == Some(Duration::ZERO) {
            "hedge: must be after more than zero"
        } else if !self.at_percentile.is_none_or(is_fraction) {
            "hedge: the percentile must be above 0 and below 1"
        } else if !(is_fraction(self.at_most) || self.at_most == 1.0) {
            "hedge: at_most must be above 0 and at most 1"
        } else {
            return Ok(());
        };
        Err(Error::new(kind, what))
    }

    /// The hedges that are `saved` up, after one more call that may be hedged.
    pub(crate) fn saved_with(&self, saved: f64) -> f64 {
        (saved + self.at_most).min(MOST_HEDGES_SAVED)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_that_cannot_work_are_named() {
        let error = |hedge: Hedge| hedge.check(ErrorKind::Config).unwrap_err().to_string();
        assert!(error(Hedge::after(Duration::ZERO)).contains("after"));
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(error(Hedge::at_percentile(share)).contains("percentile"));
        }
        let neither = serde_yaml_ng::from_str("{}").unwrap();
        let both = serde_yaml_ng::from_str("{ after: 1, at_percentile: 0.5 }").unwrap();
        assert!([neither, both].into_iter().all(|hedge| error(hedge).contains("either")));
        for share in [0.0, 1.1, f64::NAN, f64::INFINITY] {
            assert!(error(Hedge::at_percentile(0.9).at_most(share)).contains("at_most"));
        }
        assert!(Hedge::after(Duration::from_millis(1)).check(ErrorKind::Config).is_ok());
    }

    proptest! {
        #[test]
        fn hedges_never_exceed_their_share_and_what_was_saved(
            share in 0.01..=1.0f64,
            wanted in prop::collection::vec(any::<bool>(), 0..1_000),
        ) {
            let hedge = Hedge::after(Duration::from_millis(1)).at_most(share);
            let mut saved = MOST_HEDGES_SAVED;
            let mut hedges = 0;
            for (calls, wants) in (1..).zip(wanted) {
                saved = hedge.saved_with(saved);
                if wants && saved >= 1.0 {
                    saved -= 1.0;
                    hedges += 1;
                }
                prop_assert!(f64::from(hedges) <= MOST_HEDGES_SAVED + share * f64::from(calls) + 1e-6);
            }
        }
    }
}

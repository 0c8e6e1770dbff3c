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
const MOST_SAVED: f64 = 10.0;

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
#[serde(try_from = "HedgeData")]
pub struct Hedge {
    pub(crate) when: When,
    share: f64,
}

/// When the second attempt is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    After(Duration),
    AtPercentile(f64),
}

/// A [`Hedge`] as data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HedgeData {
    #[serde(default, with = "optional_duration")]
    after: Option<Duration>,
    at_percentile: Option<f64>,
    at_most: Option<f64>,
}

impl TryFrom<HedgeData> for Hedge {
    type Error = &'static str;

    fn try_from(data: HedgeData) -> Result<Self, &'static str> {
        let hedge = match (data.after, data.at_percentile) {
            (Some(delay), None) => Self::after(delay),
            (None, Some(share)) => Self::at_percentile(share),
            _ => return Err("hedge: must have either `after` or `at_percentile`"),
        };
        Ok(data.at_most.map_or(hedge, |share| hedge.at_most(share)))
    }
}

impl Hedge {
    /// After `delay` without a response. It must be above zero.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self { when: When::After(delay), share: DEFAULT_SHARE }
    }

    /// After the time within which a `share` of the worker's latest attempts, some thousand,
    /// finished, to within a quarter: above 0 and below 1. Nothing is hedged before 100 attempts
    /// are known.
    #[must_use]
    pub fn at_percentile(share: f64) -> Self {
        Self { when: When::AtPercentile(share), share: DEFAULT_SHARE }
    }

    /// The largest share of the calls that are hedged: 0.05 by default, above 0 and at most 1.
    #[must_use]
    pub fn at_most(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Checks the values; the error is of `kind`.
    pub(crate) fn check(&self, kind: ErrorKind) -> Result<(), Error> {
        let invalid = |what: &'static str| Err(Error::new(kind, what));
        match self.when {
            When::After(Duration::ZERO) => return invalid("hedge: must be after more than zero"),
            When::AtPercentile(share) if !(share > 0.0 && share < 1.0) => {
                return invalid("hedge: the percentile must be above 0 and below 1");
            }
            When::After(_) | When::AtPercentile(_) => {}
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return invalid("hedge: at_most must be above 0 and at most 1");
        }
        Ok(())
    }
}

/// The budget of hedges.
#[derive(Clone, Debug)]
pub(crate) struct HedgeBudget {
    saved: f64,
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self { saved: MOST_SAVED }
    }
}

impl HedgeBudget {
    /// Adds what one call that may be hedged earns.
    pub(crate) fn earn(&mut self, hedge: &Hedge) {
        self.saved = (self.saved + hedge.share).min(MOST_SAVED);
    }

    pub(crate) fn covers_one(&self) -> bool {
        self.saved >= 1.0
    }

    pub(crate) fn pay_for_one(&mut self) {
        self.saved -= 1.0;
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
            let mut budget = HedgeBudget::default();
            let mut hedges = 0;
            for (calls, wants) in (1..).zip(wanted) {
                budget.earn(&hedge);
                if wants && budget.covers_one() {
                    budget.pay_for_one();
                    hedges += 1;
                }
                prop_assert!(f64::from(hedges) <= MOST_SAVED + share * f64::from(calls) + 1e-6);
            }
        }
    }
}

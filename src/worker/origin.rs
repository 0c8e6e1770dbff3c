//! What all workers share about an origin that requests go to: its hold, its pace, its breaker and
//! its retry budget. The pool's own API has one of each, and so has every other origin that pages
//! lead to, so that none affects another.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use super::gates::{CallPermit, pause};
use crate::{
    config::ValidConfig,
    dispatch::{Call, SharedBreaker},
    error::Error,
    lock::lock,
    rate_limit::{Hold, HoldPermit, Pace, Pacer, RateLimiter, default_burst},
    retry::Budget,
    stats::WaitCause,
};

/// The shared state of the API that a call goes to.
#[derive(Clone, Copy)]
pub(super) struct Api<'a> {
    pub(super) hold: &'a Hold,
    /// The hold of the handle that makes the call, if it has its own credentials.
    pub(super) own_hold: Option<&'a Hold>,
    pub(super) pacer: &'a Pacer,
    pub(super) circuit: Option<&'a SharedBreaker>,
    pub(super) budget: &'a Mutex<Budget>,
    /// Set if it is another API than the pool's.
    pub(super) foreign: Option<&'a Origin>,
}

impl<'a> Api<'a> {
    /// Whether there is no hold.
    pub(super) fn is_open(&self) -> bool {
        self.hold.is_open() && self.own_hold.is_none_or(Hold::is_open)
    }

    /// Lets an attempt leave at `now`, if no hold prevents it.
    pub(super) fn depart(&self, now: Instant) -> Option<(HoldPermit<'a>, Option<HoldPermit<'a>>)> {
        let by_handle = match self.own_hold {
            Some(own) => Some(own.admit(now)?),
            None => None,
        };
        Some((self.hold.admit(now)?, by_handle))
    }

    pub(super) fn budget<T>(&self, with: impl FnOnce(&mut Budget) -> T) -> T {
        with(&mut lock(self.budget))
    }
}

/// An origin other than that of the pool's API.
pub(crate) struct Origin {
    pub(super) name: String,
    hold: Hold,
    pacer: Pacer,
    circuit: Option<SharedBreaker>,
    budget: Mutex<Budget>,
    /// The pool's limit, applied to each origin separately.
    pub(super) limit: Option<RateLimiter>,
}

impl Origin {
    pub(super) fn new(name: &str, config: &ValidConfig, now: Instant) -> Self {
        let settings = &config.settings;
        let limit = settings.rate_limit.and_then(|rate| {
            let burst = settings.burst.unwrap_or_else(|| default_burst(rate));
            RateLimiter::new(rate, burst).ok()
        });
        Self {
            name: name.to_owned(),
            hold: Hold::new(),
            // The events are those of the pool's API.
            pacer: Pacer::new(
                Pace::new(None, None, settings.use_dampener, settings.max_retry_after, now),
                Arc::default(),
            ),
            circuit: SharedBreaker::of_foreign_origin(config),
            budget: Mutex::new(Budget::new(settings.retry_budget, now)),
            limit,
        }
    }

    pub(super) fn api(&self) -> Api<'_> {
        Api {
            hold: &self.hold,
            own_hold: None,
            pacer: &self.pacer,
            circuit: self.circuit.as_ref(),
            budget: &self.budget,
            foreign: Some(self),
        }
    }

    /// Waits for a permit of the limit, and for one of the pace that the origin has set.
    pub(super) async fn pass(
        &self,
        call: &Arc<Call>,
        permit: &mut CallPermit<'_>,
        cost: u32,
    ) -> Result<(), Error> {
        loop {
            permit.hold(call).await?;
            if self.pacer.is_open() {
                return Ok(());
            }
            let Err(wait) = self.pacer.take(cost, Instant::now()) else { return Ok(()) };
            permit.release();
            pause(call, permit, WaitCause::Rate, wait).await?;
        }
    }

    /// Whether a hedge may be sent at once.
    pub(super) fn try_second(&self) -> bool {
        self.pacer.is_open() && self.limit.as_ref().is_none_or(|limit| limit.try_acquire().is_ok())
    }
}

//! What a pool's builder says of attempts after the first: how many there may be, and when
//! there is a second one beside the first.

use super::PoolBuilder;
use crate::retry::{Earnings, Hedge};

impl PoolBuilder {
    /// How many repeats the API is asked to bear: a share of the calls, from 0 to 1, plus so
    /// many per second, 0.2 and 10 by default. A call whose repeat is not covered ends with the
    /// error of its last attempt. The pool begins with what ten seconds earn, at least ten
    /// repeats, and saves up what a hundred seconds earn, at least a hundred.
    ///
    /// Three attempts per call treble the load of an API at the moment when it fails under
    /// load; the budget bounds what all calls together add, and lets single failures be
    /// repeated freely.
    pub fn retry_budget(mut self, share_of_calls: f64, per_second: u32) -> Self {
        self.config.retry_budget = Earnings { per_call: share_of_calls, per_second };
        self
    }

    /// Hedges GET requests, unless they say otherwise themselves: one that has no answer by a
    /// certain time is sent a second time on another connection, and the first good answer
    /// counts. Off by default.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.config.hedge = Some(hedge);
        self
    }
}

//! What a pool's builder says of attempts after the first: how many there may be, when there is a
//! second one beside the first, and which answers mean something else than their status says.

use std::time::Duration;

use super::PoolBuilder;
use crate::retry::{Earnings, Hedge, ResponseRule};

impl PoolBuilder {
    /// How many retries the API is asked to bear: a share of the calls, from 0 to 1, plus so
    /// many per second, 0.2 and 10 by default. A call whose retry is not covered ends with the
    /// error of its last attempt. The pool begins with what ten seconds earn, at least ten
    /// retries, and saves up what a hundred seconds earn, at least a hundred.
    ///
    /// Three attempts per call treble the load of an API at the moment when it fails under
    /// load; the budget bounds what all calls together add, and lets single failures be
    /// retried freely. A handle with [credentials of its own](crate::AwwPool::with_credentials)
    /// has a budget of its own.
    pub fn retry_budget(mut self, share_of_calls: f64, per_second: u32) -> Self {
        self.config.retry_budget = Earnings { per_call: share_of_calls, per_second };
        self
    }

    /// How long an API is tried to be reached again, counted from the first attempt of a call
    /// that failed to: 15 s by default, so that a server which restarts costs no call. The
    /// waits grow from [`backoff_base`](Self::backoff_base) to a second at most, and
    /// [`max_attempts`](Self::max_attempts) does not count these attempts, unless it is 1. With
    /// zero it does.
    ///
    /// Not reached is an API that refuses the connection or does not take it in time, one whose
    /// name is not known any more, and one that closes the connection before it begins to
    /// answer; then the request may have been acted upon, so it is sent again only if that does
    /// no harm, and within the [`retry_budget`](Self::retry_budget). No call takes longer than
    /// its timeout.
    pub fn reconnect_timeout(mut self, timeout: Duration) -> Self {
        self.config.reconnect_timeout = timeout;
        self
    }

    /// Further statuses that are a limit: the request was not processed since there were too
    /// many, so that it is retried whatever its method, the API is held if a wait is named,
    /// and the dampener counts it. 429 always is one, and so is a 403 with a `Retry-After` or
    /// with a quota that is used up (`X-RateLimit-Remaining: 0` and the like). None by default;
    /// 400, 403, 420 and 509 occur. Each from 400 to 599.
    pub fn limit_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.config.limit_statuses = statuses.into_iter().collect();
        self
    }

    /// Statuses, each from 400 to 599, that make the pool slower where it has
    /// [`use_dampener`](Self::use_dampener), besides limits. By default a 503 does, as nginx has
    /// it for a limit, but not one that tells of an outage: it counts where it comes within a
    /// second, while at least one request per second is served, and three times in a second or
    /// after it has counted before. A status that is set counts always, and an empty set is
    /// none.
    pub fn slow_down_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.config.slow_down_statuses = Some(statuses.into_iter().collect());
        self
    }

    /// Statuses, each from 400 to 499, that are worth one more attempt where the answer names a
    /// wait: 409, 413 and 423 are such (RFC 9110 sections 15.5.10 and 15.5.14, RFC 4918 section
    /// 11.3). They say that nothing was done, so the method does not matter. None by default.
    pub fn retry_after_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.config.retry_after_statuses = statuses.into_iter().collect();
        self
    }

    /// Whether `retry-after-ms` and `x-ms-retry-after-ms` are heeded as `Retry-After` is, in
    /// milliseconds: `true` by default.
    pub fn retry_after_ms(mut self, is_heeded: bool) -> Self {
        self.config.retry_after_ms = is_heeded;
        self
    }

    /// Whether `x-should-retry` is heeded: `false` by default. `false` in it makes an answer
    /// final. `true` makes any status worth another attempt, within
    /// [`max_attempts`](Self::max_attempts), for a request that may be retried.
    pub fn should_retry_header(mut self, is_heeded: bool) -> Self {
        self.config.should_retry_header = is_heeded;
        self
    }

    /// Hedges GET requests, unless they say otherwise themselves: one that has no answer by a
    /// certain time is sent a second time on another connection, and the first good answer
    /// counts. Off by default.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.config.hedge = Some(hedge);
        self
    }

    /// Adds a rule for answers whose status does not say what happened, such as an error in a
    /// 200; it is looked at after those that were added before. None by default, and then no
    /// body is looked at.
    pub fn response_rule(mut self, rule: ResponseRule) -> Self {
        self.config.response_rules.push(rule);
        self
    }

    /// Adds several [rules](Self::response_rule), in their order.
    pub fn response_rules(mut self, rules: impl IntoIterator<Item = ResponseRule>) -> Self {
        self.config.response_rules.extend(rules);
        self
    }
}

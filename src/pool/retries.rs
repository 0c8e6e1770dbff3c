//! What a pool's builder says of attempts after the first: how many there may be, when there is a
//! second one beside the first, and which responses mean something else than their status says.

use std::time::Duration;

use super::PoolBuilder;
use crate::retry::{Earnings, Hedge, ResponseRule};

impl PoolBuilder {
    /// How many retries all calls together may add: a share of the number of calls, from 0 to 1,
    /// plus a number per second. By default 0.2 and 10: one retry for each five calls, plus ten per
    /// second. A call whose retry is not covered ends with the error of its last attempt. Unused
    /// retries are saved, up to `per_second` times 100 and at least 100. The pool begins with
    /// `per_second` times 10, and at least 10.
    ///
    /// Three attempts per call treble the load of an API at the moment when it fails under
    /// load; the budget bounds what all calls together add, and lets single failures be
    /// retried freely. A handle with [credentials of its own](crate::AwwPool::with_credentials)
    /// has a budget of its own.
    pub fn retry_budget(mut self, share_of_calls: f64, per_second: u32) -> Self {
        self.config.retry_budget = Earnings { per_call: share_of_calls, per_second };
        self
    }

    /// How long a call tries again to reach an API that cannot be reached, counted from the first
    /// attempt that failed to: 15 s by default, so that a server which restarts costs no call. The
    /// waits between these attempts grow from [`backoff_base`](Self::backoff_base) to a second at
    /// most. The attempts do not count towards [`max_attempts`](Self::max_attempts). There are two
    /// exceptions: with `max_attempts(1)` there is never a second attempt, and with a
    /// `reconnect_timeout` of zero these attempts count like all others.
    ///
    /// An API cannot be reached if it refuses the connection or does not accept it in time, if its
    /// name, which was known before, does not resolve any more, or if it closes the connection
    /// before it begins to respond. In the last case it may have acted on the request, which is
    /// then sent again only if that does no harm, and within the
    /// [`retry_budget`](Self::retry_budget). No call takes longer than its timeout.
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

    /// Statuses, each from 400 to 599, that make the pool slower if it has
    /// [`use_dampener`](Self::use_dampener), besides limits. A status that is set here always
    /// counts, and with an empty set none does.
    ///
    /// If this is not set, a 503 counts, since nginx sends it for a limit. But it may also be the
    /// sign of an outage, so it only counts if all of this is true:
    ///
    /// - it arrives within a second after the request was sent;
    /// - at least one request per second is being served;
    /// - it is the third 503 within a second, or the pool is already slower because of an earlier
    ///   refusal.
    pub fn slow_down_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.config.slow_down_statuses = Some(statuses.into_iter().collect());
        self
    }

    /// Statuses, each from 400 to 499, that are worth one more attempt if the response names a
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

    /// Whether `x-should-retry` is heeded: `false` by default. `false` in it means that the pool
    /// does not retry. `true` makes any status worth another attempt, within
    /// [`max_attempts`](Self::max_attempts), for a request that may be retried.
    pub fn should_retry_header(mut self, is_heeded: bool) -> Self {
        self.config.should_retry_header = is_heeded;
        self
    }

    /// Hedges GET requests, unless they say otherwise themselves: one that has no response by a
    /// certain time is sent a second time on another connection, and the first good response
    /// counts. Off by default.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.config.hedge = Some(hedge);
        self
    }

    /// Adds a rule for responses whose status does not say what happened, such as an error in a
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

//! Whether a failed attempt is retried, and when; hedged requests, the circuit breaker, and rules
//! about what a response means.
//!
//! # Why a budget and not only a number of attempts?
//!
//! Three attempts per call triple the load of an API at the very moment when it
//! fails under load. The [retry budget](crate::PoolBuilder::retry_budget) allows isolated failures
//! to be retried freely and limits what retries add during an outage to a fifth of the calls,
//! unless set otherwise.

// `decide` has the rule of retrying, `backoff` the waits, `budget` what retries may add, `breaker`
// when nothing is sent, `hedge` when a second attempt is made beside the first, and
// `response_rules` what a response means whose status does not say it. Pure: no actors, and the
// clock and randomness are passed in.
//
// Three retries are decided elsewhere: the one after a token refresh (`worker/call.rs`), that of a
// call whose worker died (`may_run_again` in `dispatch/jobs.rs`), and that on another connection
// when a reused one turns out to be closed (`transport/client.rs`).

pub(crate) mod backoff;
mod breaker;
mod budget;
mod decide;
mod hedge;
mod response_rules;

pub(crate) use breaker::{Breaker, CallKind, Change, Health, Refusal};
pub use breaker::{BreakerState, CircuitBreaker};
pub(crate) use budget::{Budget, Earnings};
pub(crate) use decide::{Decision, FailedAttempt, RetryPolicy, decide, is_unreached};
pub use hedge::Hedge;
pub(crate) use hedge::MOST_HEDGES_SAVED;
pub use response_rules::ResponseRule;
pub(crate) use response_rules::{apply_rules, check_rules};

//! One rate limit per API, shared by every worker.
//!
//! `pace` decides how fast requests may leave: the lowest of the configured limit, the quotas in
//! response headers (read by `reading`, `quota` and `counts`, and followed from one response to the
//! next by `learned`) and the rate inferred from refusals (`dampener`), in one `bucket`. The
//! `pacer` is the pace shared by workers and queue, and `actor` the queue of calls that found no
//! permit. `classify` says whether a response is a rate limit, and which wait its headers request
//! (`retry_after`). `hold` stops everyone for as long as a server requests, and `reopening` lets
//! calls back gradually. `rotation` decides which token is used next; all workers share it.
//! `limiter` and `keyed` are limits as values, for users and for the pool's own limits per key and
//! per worker; `shared` is a budget that several pools share; `keys` forgets unused keys, and `timer` wakes callers on any executor.

mod actor;
mod bucket;
mod classify;
mod counts;
mod dampener;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hold;
mod keyed;
mod keys;
mod learned;
mod limiter;
mod pace;
mod pacer;
mod quota;
mod reading;
mod reopening;
mod retry_after;
mod rotation;
mod shared;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod timer;
mod times;

pub(crate) use actor::{Acquire, RateQueue, SetLimit, TokenWish};
pub(crate) use bucket::{Bucket, default_burst};
pub(crate) use classify::{AnswerRules, Classified, classify};
pub(crate) use dampener::Slower;
pub(crate) use hold::{Hold, HoldPermit};
pub use keyed::KeyedRateLimiter;
pub use limiter::RateLimiter;
pub(crate) use limiter::{QueueGuard, SLOWEST, now};
pub(crate) use pace::Pace;
pub(crate) use pacer::{PacedAttempt, Pacer};
pub(crate) use quota::Quota;
pub(crate) use reading::quota;
pub(crate) use retry_after::retry_after;
pub(crate) use rotation::Rotation;
pub use shared::SharedBudget;
pub(crate) use timer::timer;
pub(crate) use times::time;

//! One rate limit per API, shared by every worker.
//!
//! `pace` says how fast requests may leave: the lowest of the configured limit, of what quotas in
//! headers allow (`headers`, `quota` and `counts` read them, `learned` follows them from one
//! answer to the next) and of what refusals alone tell (`dampener`), in one `bucket`. The `pacer`
//! is the pace that workers and limiter share, and `actor` the queue of those who found no
//! permit. `hold` stops everyone for as long as a server asks, and `reopening` is the way back.
//! `rotation` decides which token goes next; all workers share it.
//! `limiter` and `keyed` are limits as values, for users and for the pool's own limits per key and
//! per worker; `keys` forgets the keys that are not in use, and `timer` is for those who wait on
//! any executor.

mod actor;
mod bucket;
mod counts;
mod dampener;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod heard;
mod hold;
mod keyed;
mod keys;
mod learned;
mod limiter;
mod pace;
mod pacer;
mod quota;
mod reopening;
mod rotation;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod timer;
mod times;

pub(crate) use actor::{Acquire, Granted, Limiter, SetLimit, TokenWish};
pub(crate) use bucket::{Bucket, default_burst};
pub(crate) use dampener::Slower;
pub(crate) use heard::{AnswerRules, Heard, Ruled, hear};
pub(crate) use hold::{Hold, HoldPermit};
pub use keyed::KeyedRateLimiter;
pub use limiter::RateLimiter;
pub(crate) use limiter::{Place, SLOWEST, now};
pub(crate) use pace::Pace;
pub(crate) use pacer::{PacedAttempt, Pacer};
pub(crate) use quota::{Quota, quota};
pub(crate) use reopening::Wait;
pub(crate) use rotation::Rotation;

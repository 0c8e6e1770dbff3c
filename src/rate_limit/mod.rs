//! One rate limit per API, shared by every worker.
//!
//! `bucket` counts what the configured rate allows, and `actor` leases it to the workers.
//! `headers` and `quota` read what the server says of waiting and of quotas. `hold` stops
//! everyone for as long as it asks. What a quota allows from one answer to the next is
//! `learned`, what refusals alone tell is the `dampener`'s, and the lower of the two is the
//! `pace`, whose permits `flow`. The `pacer` is the pace that workers and actor share.
//! `rotation` decides which token goes next, and all workers share it on the `board`.
//! `limiter` and `keyed` are limits as values, for users and for the pool's own limit per
//! key; `keys` forgets the keys that are not in use, and `timer` is for those who wait on any
//! executor.

mod actor;
mod board;
mod bucket;
mod counts;
mod dampener;
mod flow;
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

pub(crate) use actor::{Acquire, Lease, Limiter, SetLimit, Share, TokenWish};
pub(crate) use board::Board;
pub(crate) use bucket::{Bucket, default_burst};
pub(crate) use dampener::Slower;
pub(crate) use heard::{AnswerRules, Heard, Ruled, hear};
pub(crate) use hold::{Departure, Hold, Wait};
pub use keyed::KeyedRateLimiter;
pub use limiter::RateLimiter;
pub(crate) use limiter::{Place, SLOWEST, now};
pub(crate) use pace::Reason;
pub(crate) use pacer::{InFlight, Pacer};
pub(crate) use quota::{Quota, quota};

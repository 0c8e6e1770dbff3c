//! One rate limit per API, shared by every worker.
//!
//! `bucket` counts what the configured rate allows, `actor` leases it to the
//! workers, `headers` and `quota` read what the server says of waiting and of quotas, and
//! `hold` stops everyone for as long as it asks. `rotation` decides which token goes next, and
//! `board` tells all workers of it. `limiter` and `keyed` are limits as values, for users and
//! for the pool's own limit per key; `keys` forgets the keys that are not in use.

mod actor;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod board;
mod bucket;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod hold;
mod keyed;
mod keys;
mod limiter;
mod quota;
mod rotation;

pub(crate) use actor::{Acquire, Lease, Limiter, Share};
pub(crate) use board::Board;
pub(crate) use bucket::{Bucket, default_burst};
pub(crate) use headers::retry_after;
pub(crate) use hold::Hold;
pub use keyed::KeyedRateLimiter;
pub(crate) use keys::KeyTable;
pub use limiter::RateLimiter;
pub(crate) use limiter::{Place, SLOWEST};
pub(crate) use quota::{Quota, quota};

//! One rate limit per API, shared by every worker.
//!
//! `bucket` counts what the configured rate allows, `actor` leases it to the
//! workers, `headers` and `quota` read what the server says of waiting and of quotas, and
//! `hold` stops everyone for as long as it asks.

mod actor;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod board;
mod bucket;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod headers;
mod hold;
mod quota;
mod rotation;

pub(crate) use actor::{Acquire, Lease, Limiter, Share};
pub(crate) use board::Board;
pub(crate) use headers::retry_after;
pub(crate) use hold::Hold;
pub(crate) use quota::{Quota, quota};

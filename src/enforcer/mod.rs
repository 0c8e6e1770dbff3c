//! The server side of rate limits: policies, what each client has used of them, and the
//! header fields of the IETF draft [RateLimit header fields for
//! HTTP](https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.txt).
//!
//! `policy` is one policy and its count for one client, `ledger` decides about all clients,
//! `decision` serializes a decision into header fields, `handle` adds a clock and a lock, and
//! `middleware` puts them before an application of actix-web. Knows nothing of pools.

#[cfg(feature = "actix-web")]
mod client_of;
mod decision;
mod handle;
mod ledger;
#[cfg(feature = "actix-web")]
mod middleware;
mod policy;
#[cfg(test)]
mod tests;

pub use decision::RateLimitDecision;
pub use handle::RateLimitPolicyEnforcer;
pub use policy::RateLimitPolicy;

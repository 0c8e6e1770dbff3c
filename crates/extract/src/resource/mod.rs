//! A pool of anything that is dear to make and used by one at a time: WebAssembly instances,
//! interpreters, encoders with large state, connections.
//!
//! [`Poolable`] is what a resource is, a [`Factory`] makes one, [`ResourcePool`] keeps them, and a
//! [`Checkout`] has one until it is dropped. The decisions are those of the connections of
//! `vantage-api-pool`, see [`pooling`](vantage_api_pool::pooling): the resource that was used last
//! goes out first, permits go by priority, and what fails to be made is tried again with back-off.
//!
//! What is compiled once and only read, such as selectors, patterns and schemas, belongs into an
//! `Arc` and not into a pool.

// `pool` is the handle, `checkout` the guard and `waits` how one is waited for, `shared` what they
// share, `keeper` the thread that makes, checks and closes resources. Pure: `breaker`, `env`,
// `health`.

mod breaker;
mod builder;
mod checkout;
mod deadlines;
mod env;
mod error;
mod events;
mod exchange;
mod health;
mod held;
mod keeper;
mod memory;
mod pool;
mod poolable;
mod shared;
mod stats;
mod timed_permits;
mod waits;

pub use breaker::{BreakerSettings, BreakerState};
pub use builder::{ResetOn, ResourcePoolBuilder};
pub use checkout::Checkout;
pub use error::PoolError;
pub use events::{DiscardReason, PoolEvent};
pub use health::{Health, HealthLevel, MemoryStats};
pub use pool::ResourcePool;
pub use poolable::{BoxError, Factory, Poolable};
pub use stats::PoolMetrics;

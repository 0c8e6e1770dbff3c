//! A supervised, actor-based client pool for paginated REST APIs, and a
//! [Vantage](https://crates.io/crates/vantage-table) data source on top of it.
//!
//! - [`AwwPool`] makes calls: queued, rate limited, authorised, retried if that is safe, and each
//!   with exactly one result. [`PoolBuilder`] has every setting.
//! - [`tokens`] has ready-made sources of tokens; implement [`TokenSource`](tokens::TokenSource)
//!   for others. A handle may have its own [`Credentials`](tokens::Credentials).
//! - [`PaginatedStream`] reads a paged endpoint to its end, in order; [`Paging`] says
//!   how the API pages and [`Envelope`] what a page looks like.
//! - [`PoolApi`] makes the API a Vantage data source.
//! - [`Supervisor`] handles the [`messages`] of an actix application.
//! - [`AwwPool::events`] returns a receiver of [`Event`](events::Event)s: what happens in the pool.
//! - [`limits`] has rate limits as values, and policies that a server enforces on its clients.
//! - [`Error`] says what went wrong, and [`ErrorKind`] whether the pool retries it.
//! - The [`guide`] covers all of this by subject.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use vantage_api_pool::AwwPool;
//!
//! # async fn demo() -> Result<(), vantage_api_pool::Error> {
//! let pool = AwwPool::new(3, None, false, "https://api.example.com/v1");
//! let mut countries = pool.stream("/countries").prefetch(8);
//! while let Some(country) = countries.try_next().await? {
//!     println!("{}", country["name"]);
//! }
//! # Ok(()) }
//! ```
//!
//! The pool starts on first use: on a thread of its own, or, inside an actix
//! `System`, on Arbiters of that System. Its handles are `Send + Sync` and work on
//! any executor, with or without a tokio runtime.

mod actors;
mod base_url;
mod blocking;
mod cancel_flag;
mod config;
mod coop;
mod data;
mod dispatch;
mod enforcer;
mod error;
pub mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guide;
mod header_value;
mod lock;
mod pager;
mod path;
mod permits;
mod pool;
mod pool_state;
mod priority;
mod rate_limit;
mod refill_backoff;
mod request;
mod response;
pub mod retry;
mod signer;
pub mod stats;
mod supervisor;
mod timers;
mod token_manager;
pub mod tokens;
mod transport;
mod user_value;
pub mod vantage;
mod worker;

pub use config::PoolConfig;
pub use dispatch::PoolLink;
pub use error::{Delivery, Error, ErrorKind};
pub use pager::{Envelope, PaginatedStream, Paging};
pub use pool::{AwwPool, PoolBuilder};
pub use priority::Priority;
pub use request::Request;
pub use response::Response;
pub use supervisor::{Supervisor, messages};
pub use token_manager::Token;
pub use vantage::PoolApi;

/// Rate limits as values, also by key, and policies that a server enforces on its clients.
pub mod limits {
    pub use crate::{
        enforcer::{RateLimitDecision, RateLimitPolicy, RateLimitPolicyEnforcer},
        rate_limit::{KeyedRateLimiter, RateLimiter, SharedBudget},
    };
}

/// The pages of a [`PaginatedStream`], its resume tokens, the ways in which an API may page, and
/// what makes pages of other formats.
pub mod paging {
    pub use crate::pager::{
        Export, ExtractError, Extracting, Extractor, FollowUp, MomentFormat, Page, PagePath,
        PageRequest, PageStrategy, PageView, RawPage, ReadMode, ResumeToken, UrlPart, WindowBounds,
        Windows, day_of, moment_of,
    };
}

/// The parts that pools of any resource are made of, without a clock, a runtime or I/O: those of
/// the pool's own connections. `vantage-api-extract` has a whole pool.
pub mod pooling {
    pub use crate::{
        permits::{Acquire, Permit, Queue as PriorityQueue, QueuePosition, Semaphore},
        pool_state::{IdleSince, PoolLimits, PoolState},
        refill_backoff::RefillBackoff,
    };
}

/// The examples of the README, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

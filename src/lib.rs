//! A supervised, actor-based client pool for paginated REST APIs, and a
//! [Vantage](https://crates.io/crates/vantage-table) data source on top of it.
//!
//! - [`AwwPool`] makes calls: queued, throttled, authorised, retried where that can
//!   do no harm, and each with exactly one answer. [`PoolBuilder`] has every setting.
//! - [`tokens`] has sources of tokens ready-made; [`TokenSource`](tokens::TokenSource) makes
//!   others. A handle may have [`Credentials`](tokens::Credentials) of its own.
//! - [`PaginatedStream`] reads a paged endpoint to its end, in order; [`Paging`] says
//!   how the API pages and [`Envelope`] what a page looks like.
//! - [`PoolApi`] makes the API a Vantage data source.
//! - [`Supervisor`] answers [`messages`] from an actix application.
//! - [`AwwPool::events`] tells what happens: [`Event`](events::Event).
//! - [`limits`] has rate limits as values, and policies that a server holds its clients to.
//! - [`Error`] says what went wrong, and [`ErrorKind`] what the pool did about it.
//! - The [`guide`] goes through all of it by subject.
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
mod pager;
mod path;
mod permits;
mod pool;
mod priority;
mod rate_limit;
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

/// Rate limits as values, by key too, and policies that a server holds its clients to.
pub mod limits {
    pub use crate::{
        enforcer::{RateLimitDecision, RateLimitPolicy, RateLimitPolicyEnforcer},
        rate_limit::{KeyedRateLimiter, RateLimiter},
    };
}

/// Pages of a [`PaginatedStream`], where one goes on, and how an API may
/// page.
pub mod paging {
    pub use crate::pager::{
        Page, PageRequest, PageStrategy, PageView, ReadMode, ResumeToken, UrlPart,
    };
}

/// The examples of the README, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

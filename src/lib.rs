//! A supervised, actor-based client pool for paginated REST APIs.

#![allow(dead_code, unused_imports)]

mod config;
mod dispatch;
mod error;
mod http;
mod pager;
mod pool;
mod rate_limit;
mod retry;
mod stats;
mod supervisor;
mod token_manager;
mod vantage;
mod worker;

pub use dispatch::PoolLink;
pub use error::{Delivery, Error, ErrorKind};
pub use http::{Request, Response};
pub use pager::{Envelope, PaginatedStream, Paging};
pub use pool::{AwwPool, PoolBuilder};
pub use stats::{Latency, Stats, WorkerStats};
pub use supervisor::{Supervisor, messages};
pub use token_manager::Token;
pub use vantage::{ApiCondition, ColumnConditions, Filtering, PoolApi, PoolTableExt};

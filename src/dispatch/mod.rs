//! The path of a call to a worker and back. Callers come here on any thread and any runtime; the
//! supervisor writes the route table and handles calls that are lost or late. The workers below
//! know the job, and nothing of the others.

mod admission;
mod byte_budget;
mod call;
mod caller;
mod counters;
mod dispatcher;
mod job;
pub(crate) mod jobs;
mod link;
mod shared_breaker;
mod tenant;

pub(crate) use admission::Admission;
pub(crate) use byte_budget::{ByteBudget, HeldBytes};
pub(crate) use call::{Answer, Call, Effort};
pub(crate) use caller::Caller;
pub(crate) use counters::{SharedCounters, WaitTimer};
pub(crate) use dispatcher::Dispatcher;
pub(crate) use job::{
    CancellationToken, Job, PagerGuard, Route, Routes, StartPager, SupervisorRequest,
};
pub(crate) use link::Connected;
pub use link::PoolLink;
pub(crate) use shared_breaker::{BreakerPermit, SharedBreaker};
pub(crate) use tenant::Tenant;

//! The path of a call to a worker and back. Callers come here on any thread and any runtime; the
//! supervisor writes the route table and handles calls that are lost or late. The workers below
//! know the job, and nothing of the others.

mod admission;
mod byte_budget;
mod call;
mod caller;
mod circuit;
mod counters;
mod dispatcher;
mod job;
pub(crate) mod jobs;
mod link;
mod tenant;

pub(crate) use admission::Admission;
pub(crate) use byte_budget::{ByteBudget, HeldBytes};
pub(crate) use call::{Answer, Call, Effort};
pub(crate) use caller::Caller;
pub(crate) use circuit::{BreakerPermit, Circuit};
pub(crate) use counters::{SharedCounters, WaitTimer};
pub(crate) use dispatcher::Dispatcher;
pub(crate) use job::{Job, Route, Routes, SupervisorRequest};
pub use link::PoolLink;
pub(crate) use link::{CancellationToken, Connect, Connected, PagerGuard, StartPager};
pub(crate) use tenant::Tenant;

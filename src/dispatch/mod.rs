//! The way of a call to a worker and back. Callers come here on any thread and any
//! runtime; the supervisor writes the route table and looks after what is lost or
//! late. The workers below know the call, the ticket, and nothing of the others.

pub(crate) mod admission;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod byte_budget;
mod call;
mod caller;
mod circuit;
mod dispatcher;
pub(crate) mod jobs;
mod link;
mod tally;
mod tenant;
mod ticket;

pub(crate) use byte_budget::{ByteBudget, HeldBytes};
pub(crate) use call::{Answer, Call, Effort};
pub(crate) use caller::Caller;
pub(crate) use circuit::{BreakerPermit, Circuit};
pub(crate) use dispatcher::Dispatcher;
pub use link::PoolLink;
pub(crate) use link::{Connect, Control, Keeper, Lifeline, StartPager};
pub(crate) use tally::{Tally, Waiting};
pub(crate) use tenant::Tenant;
pub(crate) use ticket::{Job, Lost, Route, Routes};

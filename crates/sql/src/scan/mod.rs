//! Reads the rows of a table while a query runs.

#[cfg(feature = "distributed")]
mod cancel;
#[cfg(feature = "distributed")]
mod divide;
mod exec;
mod look_up;
mod metrics;
mod pages;
#[cfg_attr(not(feature = "distributed"), allow(dead_code, reason = "read by other processes"))]
mod range;
mod rows;
mod run;
mod shared;

#[cfg(feature = "distributed")]
pub(crate) use cancel::Cancelled;
pub(crate) use exec::ApiScanExec;
#[cfg(feature = "distributed")]
pub(crate) use range::{KEY, PageRange, Rest};

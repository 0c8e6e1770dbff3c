//! Reads the rows of a table while a query runs.

mod exec;
mod look_up;
mod metrics;
mod pages;
mod rows;
mod run;
mod shared;

pub(crate) use exec::ApiScanExec;

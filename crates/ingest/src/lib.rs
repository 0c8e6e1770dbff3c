//! Copies what a REST API hands out into a place where people can query it: completely, once, and
//! again tomorrow from where it stopped.
//!
//! A [`Description`](description::Description) says in YAML what the API is, which tables it has and
//! where jobs copy them. Each stream of a job reads pages in parallel and in order, decodes their
//! rows straight to Arrow batches, and commits rows, state and changes of the schema together, so
//! that whatever ends a run, the next one goes on with the page after the last commit.

pub mod description;
mod error;
mod job;
mod plan;
pub mod report;
mod row;
mod run;
pub mod schedule;
pub mod schema;
pub mod sink;
pub mod state;

pub use error::Error;
pub use job::{Job, Progress};

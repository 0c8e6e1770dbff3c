//! Jobs that are looked after: run at their times, a bounded number at once, started again when they
//! die, and reported on.
//!
//! [`Jobs`] is an actor for actix applications, which takes [`messages`]; [`JobsHandle`] is the same
//! for any other program. All jobs of a description share one pool, and with it the limits of its API.
//!
//! # What becomes of a job
//!
//! | it | then |
//! |---|---|
//! | has neither `every` nor `cron` | it runs once when it is started or added, and again when it is told to |
//! | has `every` | it runs at once, and again so long after each start; at once if the run took longer |
//! | has `cron` | it runs at these times |
//! | is due | it waits for its turn: [`at_once`](Jobs::at_once) jobs run at a time, 32 by default |
//! | is paused | it takes no further page, and keeps its turn; if it does not run, it does not start |
//! | is stopped | what was read is committed and the run ends; it starts again when it is told to run, and at its times once it is resumed |
//! | fails | its report says why, and it runs again at its times; other jobs go on |
//! | dies, by a panic | it is started again from its last commit after 200 ms, doubling; after 5 restarts in a row without a commit it is stopped, and its report says why |
//!
//! # What is remembered
//!
//! Where each stream stands lies in the sink. So [`Status`](messages::Status) tells what the last run
//! of a job did even if that was in another process, with what was counted. A stream is
//!
//! - complete, if its run has ended and everything adds up;
//! - failed, if it does not, or with the error that ended the run after its first page;
//! - stopped, if its run was interrupted, also by an error of the sink, which cannot write that down.
//!
//! Of a run that failed before its first page nothing is remembered: the last one is that before it.
//! Of what a report remarks, no more is remembered than what follows from the counts and from where the
//! stream stands; fields that were left out and warnings are told once. Neither is when a job was due
//! next, nor how often it had died: a new process begins with the table above.
//!
//! # What a job costs
//!
//! A job that does not run costs its description and its last report: it has neither a thread nor a
//! connection. One that runs has a thread and a connection of its sink for each of its streams, and a
//! share of as many threads as the machine has cores, which decode.
//!
//! # Metrics
//!
//! With the feature `metrics`, the [`metrics`](https://docs.rs/metrics) facade is told what happens,
//! beside what it is told of the pool:
//!
//! | name | labels | what it is |
//! |---|---|---|
//! | `vantage_api_ingest_rows_read_total` | `job`, `stream` | rows that were read, once they are committed |
//! | `vantage_api_ingest_rows_written_total` | `job`, `stream` | rows that were committed to the sink |
//! | `vantage_api_ingest_rows_rejected_total` | `job`, `stream` | rows that were set aside |
//! | `vantage_api_ingest_runs_total` | `job`, `stream`, `outcome` | runs that ended: `complete`, `stopped` or `failed` |
//! | `vantage_api_ingest_restarts_total` | `job` | runs that died and are started again |
//! | `vantage_api_ingest_last_run_seconds` | `job`, `stream` | how long the last run took |
//!
//! The recorder is called on a thread of its own, which no job waits for. It is told what this process
//! did: rows that an earlier one committed are not counted again. A recorder that falls behind by more
//! than 1,024 [events](JobEvent) misses the oldest of them.

mod actor;
mod event;
mod handle;
mod handlers;
pub mod messages;
#[cfg(feature = "metrics")]
mod metrics;
mod restarts;
mod roster;
mod runner;
mod status;

pub use actor::Jobs;
pub use event::JobEvent;
pub use handle::JobsHandle;
pub use status::{Activity, JobStatus};

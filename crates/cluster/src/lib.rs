//! Runs the jobs of [`vantage_api_ingest`] in several processes: each row exactly once, whatever is killed,
//! frozen or cut off. Those of one machine share an SQLite file, those of several machines one PostgreSQL;
//! which it is, is said by the URL alone.
//!
//! A [`Worker`] in each process does units of what is to be done: streams, and parts of streams whose
//! sink is the PostgreSQL of the cluster. A [`Cluster`] begins runs, holds them, and tells what is going
//! on, which is all that an [`Observer`] does. Nothing but the URL of the database ties the processes
//! together; each has the description of the jobs, with its secrets, itself.
//!
//! ```no_run
//! use vantage_api_cluster::{Cluster, Settings, Worker};
//! use vantage_api_ingest::description::Description;
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let description = Description::from_file("world.yaml")?;
//! let settings = Settings::new("postgres://apipool@db.example.com/apipool");
//! // Or, on one machine: let settings = Settings::new("sqlite:/var/lib/apipool/jobs.db");
//! // In each process:
//! let worker = Worker::start(settings.clone(), description.clone()).await?;
//! // Anywhere:
//! let cluster = Cluster::connect(&settings).await?;
//! let run = cluster.begin(&description, "world").await?;
//! println!("{:?}", cluster.ended(run).await?);
//! worker.stop().await;
//! # Ok(()) }
//! ```
//!
//! # What is exact, and what is not
//!
//! A part of a stream is committed with a fence, in the transaction that writes its rows, so each row is
//! written once. Pages that were in flight when a process died are asked for again. Streams with another
//! sink, or of another kind, and all streams of a cluster in an SQLite file, are run whole by one process at
//! a time, by the rules of their sinks.
//!
//! # One budget
//!
//! All processes together keep to the `rate_limit` of an API: each takes permits from the database, some
//! hundredths of a second's worth at a time and ahead of need, and gives back at its end what it has not
//! used. What one of them learns holds for all: a refusal (429) cuts the rate to 0.85 of what it was, or of
//! what is not refused, from where it is back in three seconds, and then tries for more, slowly at first;
//! and a quota in the headers bounds it for as long as it is told. So an API whose limit nobody knows is
//! found out by all of them together.
//!
//! # What it needs
//!
//! Either PostgreSQL 13 or later with its extensions `hstore` and `pgcrypto`, and a role that may make tables
//! and, at first, the schema `apalis`.
//!
//! Or a file on a disk of the machine, not of a network, in which its locks hold. It is made if it is not
//! there, its folder is not. It has a write-ahead log, and what it says of runs and units is on the disk
//! before anything is done about it. It may be the sink of jobs as well, unless one of their streams is
//! called `jobs` or `workers`, which are tables of the queue. A program that locks it is waited for, up to
//! 30 s at a time; so is a process that is frozen in the midst of writing, until it goes on or is killed.

mod budget;
mod cluster;
pub mod dispatch;
mod engine;
mod error;
mod member;
mod observer;
mod overview;
mod settings;
mod store;
mod worker;

pub use cluster::Cluster;
pub use error::Error;
pub use member::Member;
pub use observer::Observer;
pub use overview::{Overview, RunState, RunView, StreamView, UnitView, WorkerView};
pub use settings::Settings;
pub use worker::Worker;

//! Copies what a REST API hands out into a place where people can query it: completely, once, and
//! again tomorrow from where it stopped.
//!
//! A [`Description`](description::Description) says in YAML what the API is, which tables it has and
//! where jobs copy them. Each stream of a job reads pages in parallel and in order, decodes their
//! rows straight to Arrow batches, and commits rows, state and changes of the schema together, so
//! that whatever ends a run, the next one goes on with the page after the last commit.
//!
//! [`Job`] runs one job. [`Jobs`] and [`JobsHandle`] look after all jobs of a description: see
//! [`jobs`]. Several processes share a stream in [`parts`].
//!
//! What a gateway serves by a description, be it of the API or what jobs have written, is there as
//! Vistas: see [`vistas`].
//!
//! A program copies its Vantage tables as well: their columns are the schema, their conditions go
//! with each request, and a [`VantageTable`](sink::VantageTable) is written like any other sink.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use vantage_api_ingest::{Job, description::SinkDescription};
//! use vantage_api_pool::{AwwPool, PoolApi};
//! use vantage_table::table::Table;
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct City {
//!     name: String,
//!     population: i64,
//! }
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = AwwPool::builder("https://api.example.com/v1").build()?;
//! let cities = Table::<PoolApi, City>::new("cities", PoolApi::new(pool))
//!     .with_id_column("id")
//!     .with_column_of::<String>("name")
//!     .with_column_of::<i64>("population");
//! let job = Job::of(cities).into_sink(SinkDescription::Sqlite("world.db".into())).build()?;
//! println!("{}", job.run().await);
//! # Ok(()) }
//! ```

mod builder;
pub mod description;
mod error;
mod job;
pub mod jobs;
pub mod parts;
mod plan;
pub mod query;
pub mod report;
mod row;
pub mod rows;
mod run;
mod rust_type;
pub mod schedule;
pub mod schema;
pub mod sink;
pub mod state;
pub mod vistas;

pub use builder::JobBuilder;
pub use error::Error;
pub use job::{Job, Progress};
pub use jobs::{Jobs, JobsHandle};

//! Queries on several processes, with [datafusion-distributed](https://docs.rs/datafusion-distributed):
//! each worker reads a range of the pages of a table, and rows are joined and summed up where they are.
//!
//! An API with a limit of requests is not read faster by more machines. This is for those where the
//! limit is one of each address, or where decoding is the bottleneck.
//!
//! ```no_run
//! use datafusion::prelude::SessionConfig;
//! use vantage_api_ingest::description::Description;
//! use vantage_api_sql::{ApiSession, distributed::Workers};
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let workers = Workers::new(["http://10.0.0.5:7001", "http://10.0.0.6:7001"])?;
//! let session = ApiSession::over_workers(SessionConfig::new(), workers)?;
//! session.add("world", &Description::from_file("world.yaml")?)?;
//! session.sql("SELECT country, count(*) FROM world.cities GROUP BY 1").await?.show().await?;
//! # Ok(()) }
//! ```
//!
//! A worker is a [`SqlWorker`] over a session of its own, with the same APIs under the same names.
//!
//! # Which pages a worker reads
//!
//! When a query is planned, the session asks all workers whether they are there, and requests the first
//! page of each table whose pages are counted (`paging.by` is `page` or `offset`). From the total that
//! the page tells follow the ranges: each worker gets as many of the other pages as the next one, or one
//! more, and the first also gets the rows of the page that was read. No page is requested twice.
//! `EXPLAIN` shows the ranges, and requests that page as well. The last range has no end. Each page
//! must have as many rows as the first one: another one before the last range fails the query, since the
//! ranges would leave rows out.
//!
//! A table with cursors or links is read by one process, and so is one whose first page tells no total,
//! or that is read in an order, up to a limit, or for its total alone. The rest of the query may run on
//! workers all the same.
//!
//! # What stays in the session's own process
//!
//! A query runs there as a whole
//! - if less than two workers answer, or no table in it can be divided;
//! - if it names a table whose columns are not declared, one that a statement has made, a store of a
//!   job, a Vista or any other table than those of descriptions;
//! - if a join in it may be a look-up by keys, which takes fewer requests.
//!
//! # The budget of the API
//!
//! Each process sends its requests through its own pool, which has the limits of its own description.
//! Nothing is shared by itself: `rate_limit: 10` in two workers and the session is 30 requests a second.
//! Either give each of them a part of the limit, or make their pools with one
//! [`SharedBudget`](vantage_api_pool::limits::SharedBudget) and add the APIs by
//! [`add_over`](crate::ApiSession::add_over).
//!
//! # What goes over the network
//!
//! The name of the API and of the table, columns, conditions and orders, the range with the rows of its
//! first page, and the rest of the plan with its constants; rows come back. Base URLs, headers and
//! credentials do not: a worker opens its own description. It refuses a plan that names an API, a table
//! or a column which it does not know, one that reads or writes anything else, and a place in a table
//! whose endpoint, paging or envelope are others than its own.
//!
//! Connections are neither encrypted nor, without a [`token`](SqlWorker::token), restricted: whoever
//! reaches the port can read the API with the worker's credentials. Bind it to a loopback or a private
//! address, or to a tunnel. Workers also connect to each other.
//!
//! # When a worker is lost
//!
//! A query fails with a worker: its other tasks stop. If no row was handed out by then, it is planned
//! once more over the workers that answer, and all pages are requested again; if fewer than two are
//! left, the session reads them itself. Later, the error is [`SqlError::WorkerLost`]. `INSERT`, `COPY` and
//! `EXPLAIN ANALYZE` are not run again. An error of the API is not taken for a lost worker, and ends the
//! query.
//!
//! One that says nothing at all is given up after 20 seconds, and within 5 seconds when it is asked
//! whether it is there.
//!
//! [`SqlError::WorkerLost`]: crate::SqlError::WorkerLost

use std::sync::Arc;

use datafusion::{
    error::{DataFusionError, Result},
    execution::SessionStateBuilder,
};
use datafusion_distributed::{DistributedExt, SessionStateBuilderExt};
use secrecy::ExposeSecret;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

mod attempt;
mod cancel;
mod codec;
mod divided;
mod division;
mod planner;
mod release;
mod retry;
mod wire;
mod worker;
mod workers;

pub use worker::SqlWorker;
pub use workers::Workers;

use attempt::Attempts;
use codec::ScanCodec;
use planner::WorkerPlanner;

use crate::known::Apis;

/// A session whose plans go to workers.
///
/// # Errors
/// If the token cannot be told in a header, or the settings are not those of such a session.
pub(crate) fn over_workers(
    builder: SessionStateBuilder,
    apis: &Arc<Apis>,
    workers: Workers,
) -> Result<SessionStateBuilder> {
    let codec = ScanCodec { apis: Arc::clone(apis) };
    let mut builder = builder
        .with_distributed_channel_resolver(workers.channels())
        .with_distributed_user_codec(codec.clone())
        .with_distributed_desired_task_count_handler(divided::tasks)
        .with_distributed_scale_up_leaf_node_handler(divided::ranges)
        // Each side of a union is divided like any table.
        .with_distributed_children_isolator_unions(false)?
        .with_distributed_planner();
    if let Some(authorization) = workers.authorization() {
        let value = AsciiMetadataValue::try_from(authorization.expose_secret());
        let mut value = value.map_err(|_| {
            DataFusionError::Configuration(
                "the token of workers is not text of a header".to_owned(),
            )
        })?;
        value.set_sensitive(true);
        let mut headers = MetadataMap::new();
        headers.insert("authorization", value);
        builder = builder.with_distributed_passthrough_headers(headers.into_headers())?;
    }
    // Filters that have no keys do nothing for an API, and joins alone have keys.
    let optimizer = &mut builder.config().get_or_insert_default().options_mut().optimizer;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    Ok(builder.with_query_planner(Arc::new(WorkerPlanner(Attempts { workers, codec }))))
}

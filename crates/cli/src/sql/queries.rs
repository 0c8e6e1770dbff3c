//! Runs the queries whose rows streams of jobs copy.

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use vantage_api_ingest::{
    description::{Description, QueryFile},
    query::{QueryEngine, QueryError, QueryRows},
};
use vantage_api_pool::AwwPool;
use vantage_api_sql::{
    ApiSession, SqlError,
    datafusion::{
        arrow::{array::RecordBatch, datatypes::SchemaRef},
        error::DataFusionError,
        sql::{parser::Statement, sqlparser::ast},
    },
};

use super::{
    error::{cause, said},
    session::session_over,
};
use crate::failure::Failure;

/// How many batches wait for the writer of a stream.
const WAITING: usize = 2;

/// A description with what runs the queries of its streams, if it has any. They ask for pages through
/// `pool`.
///
/// # Errors
/// If one is not a query, or there can be no session.
pub(crate) fn with_queries(
    description: Description,
    pool: &AwwPool,
) -> Result<Description, Failure> {
    let streams = description.jobs.values().flat_map(|job| &job.streams);
    let queries: Vec<&QueryFile> = streams.filter_map(|stream| stream.sql.as_ref()).collect();
    if queries.is_empty() {
        return Ok(description);
    }
    let session = session_over(&description, pool)?;
    for query in queries {
        check(&session, &query.text)
            .map_err(|what| Failure::usage(format_args!("{}: {what}", query.path.display())))?;
    }
    let runtime = Handle::current();
    Ok(description.with_queries(Queries { session, runtime }))
}

/// Whether a text is a query, and nothing that changes anything.
fn check(session: &ApiSession, sql: &str) -> Result<(), String> {
    let state = session.context().state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect).map_err(|error| said(&error))?;
    match statement {
        Statement::Statement(statement) if matches!(*statement, ast::Statement::Query(_)) => Ok(()),
        _ => {
            Err("is not a query, whose rows could be copied: it begins with SELECT or WITH"
                .to_owned())
        }
    }
}

/// Runs queries where DataFusion finds all threads: jobs have one each.
struct Queries {
    session: ApiSession,
    runtime: Handle,
}

type Begun = Result<SchemaRef, QueryError>;
type Batch = Result<RecordBatch, QueryError>;

impl QueryEngine for Queries {
    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<QueryRows, QueryError>> {
        let (begun, begins) = oneshot::channel();
        let (sender, batches) = mpsc::channel(WAITING);
        self.runtime.spawn(run(self.session.clone(), sql.to_owned(), begun, sender));
        async move {
            let schema = begins.await.map_err(|_| died())??;
            Ok(QueryRows::new(schema, rows(batches)))
        }
        .boxed()
    }
}

/// Runs a query, until nobody wants its rows. The last message is `None`.
async fn run(
    session: ApiSession,
    sql: String,
    begun: oneshot::Sender<Begun>,
    batches: mpsc::Sender<Option<Batch>>,
) {
    let work = async {
        let begins = async { session.sql(&sql).await?.execute_stream().await };
        let begins = begins.await.map_err(|error| failed(&error));
        let (told, rows) = match begins {
            Ok(rows) => (Ok(rows.schema()), Some(rows)),
            Err(error) => (Err(error), None),
        };
        // Whoever does not want it any more has closed the channel.
        let _ = begun.send(told);
        let Some(mut rows) = rows else { return };
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| failed(&error));
            if batches.send(Some(batch)).await.is_err() {
                return;
            }
        }
        let _ = batches.send(None).await;
    };
    tokio::select! {
        () = batches.closed() => {}
        () = work => {}
    }
}

/// What comes, to the end or the first error. Without the last message there is more.
fn rows(batches: mpsc::Receiver<Option<Batch>>) -> impl Stream<Item = Batch> + Send + 'static {
    stream::unfold(Some(batches), |batches| async move {
        let mut batches = batches?;
        match batches.recv().await {
            Some(Some(Ok(batch))) => Some((Ok(batch), Some(batches))),
            Some(Some(Err(error))) => Some((Err(error), None)),
            Some(None) => None,
            None => Some((Err(died()), None)),
        }
    })
}

fn died() -> QueryError {
    QueryError::lasting("the query has died")
}

fn failed(error: &DataFusionError) -> QueryError {
    match cause(error) {
        Some(SqlError::Page { source, .. }) if source.is_retryable() => {
            QueryError::passing(said(error))
        }
        _ => QueryError::lasting(said(error)),
    }
}

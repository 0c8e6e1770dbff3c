//! Queries in SQL whose rows a stream copies, for programs that have an engine for them.
//!
//! A stream of a description with `sql` instead of `table` has a
//! [`QueryFile`](crate::description::QueryFile). Whoever can run its query gives the description a
//! [`QueryEngine`], and runs its jobs as others:
//! [`Description::with_queries`](crate::description::Description::with_queries). Without one such a
//! stream fails.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::{Stream, future::BoxFuture, stream::BoxStream};

mod columns;

pub(crate) use columns::QueryColumns;

/// Runs queries.
pub trait QueryEngine: Send + Sync {
    /// Begins a query, whose text is that of its file. Whoever drops the future, or the rows, wants no
    /// more of it.
    ///
    /// # Errors
    /// If it cannot begin.
    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<QueryRows, QueryError>>;
}

/// The rows of a query, as they come.
///
/// Numbers, booleans, texts, days, moments and decimals of up to 38 digits become columns; times and
/// intervals become texts. Texts with Arrow's extension type `arrow.json` are JSON. Lists, structs and
/// bytes are refused, and so are columns without a type, such as that of `NULL`.
pub struct QueryRows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

impl QueryRows {
    /// Rows with these columns. Each batch has this schema.
    pub fn new(
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch, QueryError>> + Send + 'static,
    ) -> Self {
        Self { schema, batches: Box::pin(batches) }
    }
}

impl fmt::Debug for QueryRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryRows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Why a query gives no rows, or no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct QueryError {
    what: String,
    /// Whether the same may work later.
    may_pass: bool,
}

impl QueryError {
    /// An error that stays: the same query would fail again.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), may_pass: false }
    }

    /// An error that may pass: the query is run again later.
    pub fn passing(what: impl Into<String>) -> Self {
        Self { what: what.into(), may_pass: true }
    }

    /// Whether the same may work later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }
}

//! What can go wrong between SQL and an API.

use datafusion::error::DataFusionError;
use vantage_api_ingest::description::DescriptionError;
use vantage_core::VantageError;

/// Why a table of an API cannot be read or written. In errors of DataFusion it is an
/// [`External`](DataFusionError::External) one.
///
/// Texts name the table and the page. They have no query, no header and no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// A page was not read.
    #[error("table `{table}`: {source}")]
    Page {
        /// The table.
        table: String,
        /// What went wrong, with the number of the page.
        source: vantage_api_pool::Error,
    },
    /// A row does not fit the columns of its table.
    #[error("table `{table}`: page {page}: {what}")]
    Row {
        /// The table.
        table: String,
        /// The page, as the API counts.
        page: u64,
        /// The row and the column.
        what: String,
    },
    /// The table cannot be read or written like this.
    #[error("table `{table}`: {what}")]
    Table {
        /// The table.
        table: String,
        /// Why not.
        what: String,
    },
    /// A row was not written. Those before it were, and stay; some behind it may have been, as
    /// several are written at a time.
    #[error("table `{table}`: after {written} rows one was not written: {what}")]
    Write {
        /// The table.
        table: String,
        /// How many rows were written.
        written: u64,
        /// Why the next one was not.
        what: String,
    },
    /// The description of an API is not one.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The settings of an API make no pool.
    #[error("the API `{api}`: {source}")]
    Pool {
        /// The name of the API.
        api: String,
        /// What is wrong with them.
        source: vantage_api_pool::Error,
    },
    /// A query cannot run over workers, or a worker does not know what it was asked.
    #[cfg(feature = "distributed")]
    #[error("workers: {0}")]
    Workers(String),
    /// A worker was lost when rows had been handed out already, so that the query was not run again.
    #[cfg(feature = "distributed")]
    #[error("the worker {worker} was lost after the query had handed out {rows} rows: {what}")]
    WorkerLost {
        /// Its address.
        worker: String,
        /// How many rows were handed out.
        rows: u64,
        /// What came of that.
        what: String,
    },
    /// A store of a job cannot be read.
    #[error("{store}: {what}")]
    Store {
        /// The store and the table.
        store: String,
        /// Why not.
        what: String,
    },
}

impl SqlError {
    pub(crate) fn table(table: &str, what: impl Into<String>) -> Self {
        Self::Table { table: table.to_owned(), what: what.into() }
    }

    pub(crate) fn of_vantage(table: &str, error: &VantageError) -> Self {
        Self::table(table, error.to_string())
    }

    pub(crate) fn store(store: impl Into<String>, what: &impl ToString) -> Self {
        Self::Store { store: store.into(), what: what.to_string() }
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

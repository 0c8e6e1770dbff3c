//! What of a table is served: a [`TableConfig`] says it, is checked when the gateway is built, and becomes a
//! [`Table`], whose every column has its uses.

mod check;
mod kind;
mod ops;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use vantage_core::Result;
use vantage_vista::Vista;

use crate::auth::Principal;

pub(crate) use check::resolve_relations;
#[cfg(test)]
pub(crate) use kind::Bounds;
pub(crate) use kind::Kind;
pub use ops::Ops;
pub(crate) use table::{Relation, RelationTarget, Table, TableColumn};

/// Narrows a table to what a principal may see.
pub(crate) type Scope = Arc<dyn Fn(&Principal, Vista) -> Result<Vista> + Send + Sync>;

/// A table, and what of it is served: reading of its columns alone, unless said otherwise.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_gateway::{TableConfig, Ops};
/// use vantage_vista::{FilterOp, Vista};
///
/// # fn demo(cities: Vista) {
/// let cities = TableConfig::new(cities)
///     .columns(["id", "name", "country", "population"])
///     .operations(Ops::INSERT | Ops::PATCH)
///     .writable(["name", "population"])
///     .page_size(50, 200)
///     .cache_ttl(Duration::from_secs(5))
///     .scope(|principal, cities| match principal.roles.iter().any(|role| role == "world") {
///         true => Ok(cities),
///         false => cities.with_condition("country", FilterOp::Eq, "DE"),
///     });
/// # drop(cities);
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct TableConfig {
    vista: Vista,
    ops: Ops,
    columns: Option<Vec<String>>,
    writable: Option<Vec<String>>,
    write_only: Vec<String>,
    filterable: Option<Vec<String>>,
    required_filters: Vec<String>,
    page_size: usize,
    max_page_size: usize,
    max_bulk_rows: usize,
    cache_ttl: Option<Duration>,
    relations: Vec<String>,
    transaction: Option<String>,
    scope: Option<Scope>,
    readers: Vec<String>,
    writers: Vec<String>,
}

impl TableConfig {
    /// Serves the declared columns of a table that are not flagged hidden, for reading, to all
    /// principals, in pages of 50 and at most 500 rows.
    pub fn new(vista: Vista) -> Self {
        Self {
            vista,
            ops: Ops::NONE,
            columns: None,
            writable: None,
            write_only: Vec::new(),
            filterable: None,
            required_filters: Vec::new(),
            page_size: 50,
            max_page_size: 500,
            max_bulk_rows: 0,
            cache_ttl: None,
            relations: Vec::new(),
            transaction: None,
            scope: None,
            readers: Vec::new(),
            writers: Vec::new(),
        }
    }

    /// The columns that are shown, in this order. The others can neither be seen nor filtered by, and
    /// a table that would look at them, or that declares no columns, is not searched.
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Some(strings(columns));
        self
    }

    /// What may be done beside reading: nothing by default. The table must be able to do it, and [`writable`](Self::writable) must
    /// name the columns.
    pub fn operations(mut self, ops: Ops) -> Self {
        self.ops = ops;
        self
    }

    /// The columns that a client may set. A row with another one is refused. With
    /// [`Ops::INSERT`] and the id column among them, clients choose ids.
    pub fn writable<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.writable = Some(strings(columns));
        self
    }

    /// Columns that may be set and are never shown, such as a password to be hashed.
    pub fn write_only<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.write_only = strings(columns);
        self
    }

    /// The columns that may be filtered by: those that are shown and stored, unless set. Each must
    /// be shown or be a parameter of requests, since a filter tells what is in a column.
    pub fn filterable<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.filterable = Some(strings(columns));
        self
    }

    /// Columns that every list must be filtered by: for tables that are too large to be read
    /// whole.
    pub fn require_filter<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.required_filters = strings(columns);
        self
    }

    /// The rows of a page if the client says nothing (50 by default), and the most it may ask for
    /// (500). More is refused, never cut.
    pub fn page_size(mut self, default: usize, max: usize) -> Self {
        (self.page_size, self.max_page_size) = (default, max);
        self
    }

    /// Allows `PATCH` and `DELETE` of all rows that a filter finds, if they are at most `affected`
    /// (0, the default: not at all). Each of the two must be among the [`operations`](Self::operations).
    pub fn max_bulk_rows(mut self, rows: usize) -> Self {
        self.max_bulk_rows = rows;
        self
    }

    /// How long an answer may be given again: not at all by default. Zero keeps nothing, but makes
    /// requests that are equal and simultaneous one; that is the default for tables of
    /// remote APIs. A write through this gateway makes what was kept before it unused, as does
    /// a change that the table tells of; other writes are seen when the time is over.
    pub fn cache_ttl(mut self, time: Duration) -> Self {
        self.cache_ttl = Some(time);
        self
    }

    /// Relations that can be followed from one row. The target of each must be a table of the
    /// gateway too, and is served as that one is, or be contained in the row.
    pub fn relations<C: Into<String>>(mut self, relations: impl IntoIterator<Item = C>) -> Self {
        self.relations = strings(relations);
        self
    }

    /// Names the database whose transactions hold this table: a batch that is `atomic` may write to
    /// tables of one name. By default it may not write to this one.
    pub fn transaction(mut self, database: impl Into<String>) -> Self {
        self.transaction = Some(database.into());
        self
    }

    /// Narrows the table for each principal, before anything is read or written: the rule of
    /// what rows it has. Answers are kept for each principal alone.
    ///
    /// Writes through a narrowed table need one that can confine them, otherwise they are refused.
    pub fn scope(
        mut self,
        scope: impl Fn(&Principal, Vista) -> Result<Vista> + Send + Sync + 'static,
    ) -> Self {
        self.scope = Some(Arc::new(scope));
        self
    }

    /// The roles that may read; all principals by default. For others the table does not exist.
    pub fn readable_by<C: Into<String>>(mut self, roles: impl IntoIterator<Item = C>) -> Self {
        self.readers = strings(roles);
        self
    }

    /// The roles that may write, among those that may read; all of these by default.
    pub fn writable_by<C: Into<String>>(mut self, roles: impl IntoIterator<Item = C>) -> Self {
        self.writers = strings(roles);
        self
    }
}

fn strings<C: Into<String>>(names: impl IntoIterator<Item = C>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

impl fmt::Debug for TableConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableConfig")
            .field("table", &self.vista.name())
            .field("operations", &self.ops)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

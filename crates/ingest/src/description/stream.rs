//! [pure] Streams, as data: a table, and how its rows become those of a table in the sink.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use vantage_api_pool::paging::Windows;

use super::{
    checks::ChecksDescription,
    columns::ColumnChange,
    commit::CommitEvery,
    condition::{self, Condition},
    delta::Delta,
    for_each::ForEach,
    forms,
    incremental::Incremental,
    query::QueryFile,
};

/// A stream: a table of the API, and how its rows become those of a table in the sink.
///
/// | key | value |
/// |---|---|
/// | `table` | the table of the API |
/// | `sql` | instead of a table, a file with a [query](#queries) whose rows are copied: its path, relative to the folder of the description |
/// | `id` | with `sql`, the column whose values name a row, or a list of columns |
/// | `name` | the table in the sink, and the name of the stream in the job; by default that of the table, or of the file without its ending |
/// | `write` | what is done with rows that are there: a [`WriteMode`]. By default `merge` if there is an id and the sink can; otherwise `append` with `incremental` or `delta`, and `replace` without, since each run reads all rows |
/// | `incremental` | how only what is new is asked for: [`Incremental`] |
/// | `delta` | how only what has changed is asked for, by a token that the last run has kept: [`Delta`] |
/// | `windows` | that it is read in windows of time, several at once: [`Windows`], without `field`. Their `format` is by default that of `incremental`, and so is their `start` if both have the same format |
/// | `for_each` | that it is read once for each row of another table, or for each of some values: [`ForEach`] |
/// | `where` | the rows that are read: a map of columns to values, see [`Condition`] |
/// | `schema` | what is done with columns that are new or get a wider type: a [`SchemaPolicy`], by default `evolve` |
/// | `nested` | what becomes of objects and lists in a row: [`Nested`], by default `json` |
/// | `columns` | what becomes of single columns: a map of their names to [`ColumnChange`]s |
/// | `checks` | what must hold for the rows: [`ChecksDescription`] |
/// | `reconcile` | what follows when the rows that were read are not as many as the API says: `fail`, the default, or `warn` |
/// | `prefetch` | how many pages are requested ahead: at most so many of each part that is read by itself, such as a window or a partition of `for_each`, are in flight or in memory; by default 8. Four parts are read at a time. Requests beyond the connections of the pool wait for one |
/// | `sample` | `true` says that the table's `max_rows` or `max_pages` may cut the copy short, which is refused otherwise; by default `false` |
/// | `commit` | how much is committed at once: [`CommitEvery`] |
///
/// # Queries
///
/// A query is run by the program's [`QueryEngine`](crate::query::QueryEngine), and its rows are written
/// as those of a table are, in all modes. Besides `id`, `name` and `write` its stream has `commit`, the
/// `rows` of `checks`, and a `schema` that is `evolve` or `freeze`; whatever else becomes of rows, the
/// query says. A run that is interrupted begins anew: with `replace`, `merge` and `sync` nothing
/// doubles, and with `append` the rows of a run are committed all at once, so that they may have at most
/// the `bytes` of `commit`. A key that comes twice is the row that comes last.
///
/// The streams of a job run side by side. A query that reads what another stream writes finds what was
/// committed when it begins, so it belongs in a job that runs later.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StreamDescription {
    /// The table of the API; empty if it is a query.
    #[serde(default)]
    pub table: String,
    /// The query whose rows are copied, instead of those of a table.
    #[serde(default)]
    pub sql: Option<QueryFile>,
    /// The columns of the query whose values name a row; empty if there are none, and for a table.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub id: Vec<String>,
    /// The table in the sink, and the name of the stream in the job.
    #[serde(default)]
    pub name: String,
    /// What is done with rows that are there.
    #[serde(default)]
    pub write: WriteMode,
    /// How only what is new is asked for.
    #[serde(default)]
    pub incremental: Option<Incremental>,
    /// How only what has changed is asked for, by a token.
    #[serde(default)]
    pub delta: Option<Delta>,
    /// The windows of time in which it is read.
    #[serde(default)]
    pub windows: Option<Windows>,
    /// The rows of another table and the values for each of which it is read.
    #[serde(default)]
    pub for_each: Option<ForEach>,
    /// The rows that are read: those for which all of these hold.
    #[serde(default, rename = "where", deserialize_with = "condition::conditions")]
    pub conditions: Vec<Condition>,
    /// What is done with columns that are new or get a wider type.
    #[serde(default)]
    pub schema: SchemaPolicy,
    /// What becomes of objects and lists in a row.
    #[serde(default)]
    pub nested: Nested,
    /// What becomes of single columns, by their names in the sink.
    #[serde(default)]
    pub columns: IndexMap<String, ColumnChange>,
    /// What must hold for the rows.
    #[serde(default)]
    pub checks: ChecksDescription,
    /// What follows when rows are missing.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// How many pages are requested ahead.
    #[serde(default = "prefetch", deserialize_with = "forms::at_least_one")]
    pub prefetch: u64,
    /// Whether it may be cut short.
    #[serde(default)]
    pub sample: bool,
    /// How much is committed at once.
    #[serde(default)]
    pub commit: CommitEvery,
}

fn prefetch() -> u64 {
    8
}

impl StreamDescription {
    /// A stream that appends the rows of a table to one of the same name.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        let table = table.into();
        Self {
            name: table.clone(),
            table,
            sql: None,
            id: Vec::new(),
            write: WriteMode::default(),
            incremental: None,
            delta: None,
            windows: None,
            for_each: None,
            conditions: Vec::new(),
            schema: SchemaPolicy::default(),
            nested: Nested::default(),
            columns: IndexMap::new(),
            checks: ChecksDescription::default(),
            reconcile: Reconcile::default(),
            prefetch: prefetch(),
            sample: false,
            commit: CommitEvery::default(),
        }
    }

    /// A stream that replaces the rows of the table `name` by those of a query.
    #[must_use]
    pub fn of_query(name: impl Into<String>, sql: QueryFile) -> Self {
        let (name, write) = (name.into(), WriteMode::Replace);
        Self { name, write, sql: Some(sql), ..Self::new("") }
    }

    /// Whether each run reads all rows, as far as the description says.
    pub(crate) fn reads_all(&self) -> bool {
        self.incremental.is_none() && self.delta.is_none()
    }

    /// Why it cannot be read by a token.
    pub(crate) fn delta_fault(&self) -> Option<&'static str> {
        if self.incremental.is_some() || self.windows.is_some() {
            return Some("`delta` has no meaning with `incremental` or `windows`");
        }
        if self.delta.as_ref().is_some_and(|delta| delta.param.is_empty()) {
            return Some("`delta` needs the `param` that takes the token");
        }
        let is_whole = matches!(self.write, WriteMode::Replace | WriteMode::Sync);
        is_whole.then_some("`delta` leaves out rows, of which `replace` and `sync` need all")
    }

    /// Why its rows cannot be read by their order.
    pub(crate) fn order_fault(&self) -> Option<&'static str> {
        if self.windows.is_some() {
            return Some("the `order` of `incremental` has no meaning with `windows`");
        }
        let is_each = self.for_each.is_some() && self.write != WriteMode::Merge;
        is_each.then_some("the `order` of `incremental` needs `write: merge` with `for_each`")
    }
}

impl fmt::Debug for StreamDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDescription")
            .field("table", &self.table)
            .field("sql", &self.sql)
            .field("name", &self.name)
            .field("write", &self.write)
            .field("incremental", &self.incremental)
            .field("delta", &self.delta)
            .field("windows", &self.windows.as_ref().map(Windows::own_format))
            .field("for_each", &self.for_each)
            .field("conditions", &self.conditions)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// What is done with rows that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WriteMode {
    /// Rows are added.
    #[default]
    Append,
    /// The rows of a run take the place of all that were there, at its end and at once. Rows that are set
    /// aside are not among them. If one of these does not tell its key in a table that has an id, all rows
    /// are set aside, or the API tells less rows on a later page than on one before, the run fails and the
    /// table stays as it was.
    Replace,
    /// A row replaces the one with its key, or is added. The table needs an id.
    Merge,
    /// As [`Merge`](Self::Merge), and at the end of a run the rows that were not in it are
    /// deleted. That is so of a set that a
    /// [response rule ignores](vantage_api_pool::retry::ResponseRule::ignore) as well: it has none.
    /// A run deletes none, and its report says so, if it has set rows aside, which may be rows
    /// that are there, or if the API tells less rows on a later page than on one before, since rows that
    /// move to pages which were read are not read then.
    Sync,
}

/// What is done with columns that are new, and with values that are wider than the type of their
/// column. Nothing is dropped unless this says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaPolicy {
    /// The column is added, or gets the wider type.
    #[default]
    Evolve,
    /// The stream fails.
    Freeze,
    /// A new field is left out, and the report says so. A row with a value that is too wide is set
    /// aside.
    Discard,
    /// The row is set aside, with the reason.
    Quarantine,
}

/// What becomes of objects and lists in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Nested {
    /// They are kept as JSON.
    #[default]
    Json,
    /// The fields of an object become columns, `address.city` the column `address_city`. Lists are
    /// kept as JSON.
    Flatten,
    /// Objects become columns as with [`Flatten`](Self::Flatten), and each list becomes a table of its
    /// own, with a row for each item. The table needs an id.
    ///
    /// The list `order.lines` of the stream `sales` is the table `sales_order_lines`. Its first columns
    /// are the key of the row that the item is in, `_sales_id`, and the place of the item in its list
    /// from 0, `_index`. The others are the fields of the item, in which lists are kept as JSON, or
    /// `value` for an item that is not an object. No list, null and an empty list are not rows.
    ///
    /// Items are written with their row, in the same commit: `merge` replaces all items of a row that
    /// comes again, and with `sync` those of a row that is gone are deleted with it. The
    /// [`SchemaPolicy`] holds for these tables too, and a row is set aside as a whole if one of its
    /// items does not fit. A list stays in its column if that is declared, by the table or by the
    /// `columns` of the stream. A stream has up to 100 such tables. They stay as they are if its lists are
    /// no tables any more.
    Children,
}

/// What follows when the rows that were read are not as many as the API says there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reconcile {
    /// The stream fails.
    #[default]
    Fail,
    /// The report says so. Nor does a total that gets less while a stream is read matter any more.
    Warn,
}

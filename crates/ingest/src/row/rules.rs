//! [pure] The rules of a stream's rows: what is declared of them.

use indexmap::IndexMap;

use super::{checks::RowChecks, made::Made};
use crate::{
    description::{Nested, SchemaPolicy},
    schema::ColumnType,
};

/// The rules of a stream's rows.
#[derive(Clone, Debug)]
pub(crate) struct RowRules {
    /// The stream, with whose name those of child tables begin.
    pub(crate) stream: String,
    /// The columns that are known before the first row, by name.
    pub(crate) columns: IndexMap<String, ColumnPlan>,
    /// The columns that are left out, by name, with all that is in the fields of such names.
    pub(crate) dropped: Vec<String>,
    /// The columns that name a row.
    pub(crate) key: Vec<String>,
    /// The field that says what is new.
    pub(crate) cursor: Option<String>,
    pub(crate) policy: SchemaPolicy,
    /// What becomes of objects and lists.
    pub(crate) nested: Nested,
    /// Which texts the sink cannot hold, and why.
    pub(crate) refuses: fn(&str) -> Option<&'static str>,
    pub(crate) checks: RowChecks,
    /// Whether rows that the last run has written are left out.
    pub(crate) knows_rows: bool,
    /// Whether each run reads all rows, in which a key comes once.
    pub(crate) reads_all: bool,
}

/// A column that is known before the first row.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnPlan {
    /// Its type, if that is declared.
    pub(crate) kind: Option<ColumnType>,
    /// Where it is in a row; nowhere, if it is made.
    pub(crate) path: Vec<String>,
    pub(crate) made: Option<Made>,
}

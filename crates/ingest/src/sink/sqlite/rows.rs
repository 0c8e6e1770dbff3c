//! Writes rows.

use std::ops::Range;

use arrow_array::RecordBatch;
use rusqlite::{
    CachedStatement, Result, ToSql, Transaction,
    types::{ToSqlOutput, Value, ValueRef},
};

use super::error::failed;
use crate::{
    schema::Schema,
    sink::{
        SinkError,
        sql::{
            cells::{Cell, Cells},
            names::{list, quoted},
            statements::on_conflict,
        },
    },
};

/// How many rows a statement writes. SQLite takes 32,766 values in one and 2,000 columns, and has room
/// for so many texts beside its other memory, which costs less.
const ROWS_AT_ONCE: usize = 8;

/// How rows are written to a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Insert<'a> {
    /// Each is added.
    All,
    /// One takes the place of that with the same key.
    Merge(&'a [String]),
    /// One whose values are there is left out.
    New,
}

impl Insert<'_> {
    /// Writes the rows of a batch to `table`, which has the columns of `schema`.
    ///
    /// # Errors
    /// If the table refuses one.
    pub(super) fn rows(
        self,
        transaction: &Transaction<'_>,
        table: &str,
        schema: &Schema,
        batch: &RecordBatch,
    ) -> Result<(), SinkError> {
        let columns = Cells::of_batch(batch, schema)?;
        let together = batch.num_rows() - batch.num_rows() % ROWS_AT_ONCE;
        for (rows, at_once) in [(0..together, ROWS_AT_ONCE), (together..batch.num_rows(), 1)] {
            if rows.is_empty() {
                continue;
            }
            let sql = self.sql(table, schema, batch, at_once);
            let written = transaction
                .prepare_cached(&sql)
                .and_then(|mut statement| execute(&mut statement, &columns, rows, at_once));
            written.map_err(failed(format!("rows of table `{table}` in SQLite")))?;
        }
        Ok(())
    }

    /// The statement that writes so many rows.
    fn sql(self, table: &str, schema: &Schema, batch: &RecordBatch, rows: usize) -> String {
        let fields = batch.schema_ref().fields();
        let names = list(fields.iter().map(|field| field.name().as_str()));
        let row = format!("({})", vec!["?"; fields.len()].join(", "));
        let values = vec![row; rows].join(", ");
        let (verb, end) = match self {
            Self::All => ("INSERT", String::new()),
            Self::Merge(key) => ("INSERT", on_conflict(schema, key)),
            Self::New => ("INSERT OR IGNORE", String::new()),
        };
        format!("{verb} INTO {} ({names}) VALUES {values} {end}", quoted(table))
    }
}

/// Deletes the rows of `table` in which `columns` have the values of a row of `batch`, whose columns
/// are in the same order and have at most the types of `schema`.
///
/// # Errors
/// If the table refuses it.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &[String],
    schema: &Schema,
    batch: &RecordBatch,
) -> Result<(), SinkError> {
    let values = Cells::of_batch(batch, schema)?;
    let same: Vec<String> = columns.iter().map(|name| format!("{} = ?", quoted(name))).collect();
    let sql = format!("DELETE FROM {} WHERE {}", quoted(table), same.join(" AND "));
    let deleted = transaction
        .prepare_cached(&sql)
        .and_then(|mut statement| execute(&mut statement, &values, 0..batch.num_rows(), 1));
    deleted.map_err(failed(format!("rows of table `{table}` in SQLite")))
}

/// Executes a statement for rows, of which each time it takes so many `at_once`.
fn execute(
    statement: &mut CachedStatement<'_>,
    columns: &[Cells<'_>],
    rows: Range<usize>,
    at_once: usize,
) -> Result<()> {
    let (mut scratch, mut bound) = (String::new(), 0);
    for row in rows {
        for column in columns {
            bound += 1;
            statement.raw_bind_parameter(bound, column.get(row, &mut scratch))?;
        }
        if bound == at_once * columns.len() {
            statement.raw_execute()?;
            bound = 0;
        }
    }
    Ok(())
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Float(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

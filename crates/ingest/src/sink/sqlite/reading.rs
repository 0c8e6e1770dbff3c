//! Reads what a stream has written, for those who serve it and for queries: they differ in what they
//! make of a row.

use std::{cmp::Ordering, path::Path};

use rusqlite::{
    Connection, OptionalExtension, Result, Row, params_from_iter, types::Value as Parameter,
};

use super::{connection, error::failed, objects, state, types::kind_of};
use crate::{
    schema::ColumnType,
    sink::{
        SinkError, Target,
        sql::{
            decimals,
            names::{STATE, list, quoted},
        },
    },
};

/// The collation that compares decimals as numbers.
pub(crate) const DECIMAL: &str = "_apipool_decimal";

/// A table that a stream has written.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its columns and their types, in their order.
    pub(crate) columns: Vec<(String, ColumnType)>,
    /// Whether no two rows have the same key.
    pub(crate) has_key: bool,
}

/// Opens the file to read it; `None` if it is not there.
///
/// It is opened as one that may be written, so that a connection that is the last one leaves nothing
/// beside the file, but takes no statement that writes.
///
/// # Errors
/// If it is not an SQLite file.
pub(crate) fn open(path: &Path) -> Result<Option<Connection>, SinkError> {
    let Some(connection) = connection::open_existing(path)? else { return Ok(None) };
    let set = || {
        connection.execute_batch("PRAGMA query_only = ON")?;
        connection.create_collation(DECIMAL, |one: &str, other: &str| -> Ordering {
            decimals::compare(one, other)
        })
    };
    set().map_err(failed(format!("SQLite file {}", path.display())))?;
    Ok(Some(connection))
}

/// The table of `target`, whose key has one column; `None` if no run has written it yet.
///
/// # Errors
/// If it cannot be read, or another version has written it.
pub(crate) fn written(
    connection: &Connection,
    target: &Target,
) -> Result<Option<Written>, SinkError> {
    let columns = columns(connection, target, &target.stream)?;
    if columns.is_empty() {
        return Ok(None);
    }
    let unique = |key: &String| is_unique(connection, &target.stream, key);
    let has_key = match target.key.as_slice() {
        [key] => unique(key).map_err(failed(what(&target.stream)))?,
        _ => false,
    };
    Ok(Some(Written { columns, has_key }))
}

/// The columns that a table of `target` has now, its own or one below it, with their types; none if
/// it is not there. A run that replaces the table may know of others already.
///
/// # Errors
/// If it cannot be read, or another version has written it.
pub(crate) fn columns(
    connection: &Connection,
    target: &Target,
    table: &str,
) -> Result<Vec<(String, ColumnType)>, SinkError> {
    let failed = || failed(what(table));
    if !objects::is_there(connection, STATE).map_err(failed())? {
        return Ok(Vec::new());
    }
    let known = match table == target.stream {
        true => state::columns(connection, target)?,
        false => state::look(connection, target)?.children.swap_remove(table).map(|of| of.schema),
    };
    let Some(known) = known else { return Ok(Vec::new()) };
    let columns = objects::columns(connection, table).map_err(failed())?.into_iter();
    let columns = columns.filter_map(|(name, declared)| {
        let kind = kind_of(&name, &declared, &known)?;
        Some((name, kind))
    });
    Ok(columns.collect())
}

/// The statement that reads all rows of a table, to which conditions can be added. Without columns
/// they are counted.
pub(crate) fn select<'c>(table: &str, columns: impl Iterator<Item = &'c str>) -> String {
    let columns = list(columns);
    let selected = if columns.is_empty() { "NULL" } else { &columns };
    format!("SELECT {selected} FROM {}", quoted(table))
}

/// Hands over what a statement finds in a table, row by row, until no more is wanted.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn rows(
    connection: &Connection,
    table: &str,
    sql: &str,
    values: Vec<Parameter>,
    mut each: impl FnMut(&Row<'_>) -> Result<bool>,
) -> Result<(), SinkError> {
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let mut found = statement.query(params_from_iter(values))?;
        while let Some(row) = found.next()? {
            if !each(row)? {
                break;
            }
        }
        Ok(())
    };
    read().map_err(failed(format!("rows of {}", what(table))))
}

fn what(table: &str) -> String {
    format!("table `{table}` in SQLite")
}

/// Whether no two rows of a table have the same value in a column.
fn is_unique(connection: &Connection, table: &str, column: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pragma_index_list(?1) AS l \
               WHERE l.\"unique\" = 1 AND l.partial = 0 \
               AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1 \
               AND (SELECT i.name FROM pragma_index_info(l.name) AS i) = ?2 COLLATE NOCASE";
    Ok(connection.query_row(sql, [table, column], |_| Ok(())).optional()?.is_some())
}

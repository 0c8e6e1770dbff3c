//! Reads what a stream has written, for those who serve it.

use std::{cmp::Ordering, path::Path};

use rusqlite::{Connection, OptionalExtension, Result};

use super::{connection, error::failed, objects, state, types::kind_of};
use crate::{
    schema::ColumnType,
    sink::{
        SinkError, Target,
        sql::{decimals, names::STATE},
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
/// If it is no SQLite file.
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
    let what = || failed(format!("table `{}` in SQLite", target.stream));
    if !objects::is_there(connection, STATE).map_err(what())? {
        return Ok(None);
    }
    let Some(known) = state::columns(connection, target)? else { return Ok(None) };
    let there = objects::columns(connection, &target.stream).map_err(what())?;
    if there.is_empty() {
        return Ok(None);
    }
    let columns = there.into_iter().filter_map(|(name, declared)| {
        let kind = kind_of(&name, &declared, &known)?;
        Some((name, kind))
    });
    let has_key = match target.key.as_slice() {
        [key] => is_unique(connection, &target.stream, key).map_err(what())?,
        _ => false,
    };
    Ok(Some(Written { columns: columns.collect(), has_key }))
}

/// Whether no two rows of a table have the same value in a column.
fn is_unique(connection: &Connection, table: &str, column: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pragma_index_list(?1) AS l \
               WHERE l.\"unique\" = 1 AND l.partial = 0 \
               AND (SELECT count(*) FROM pragma_index_info(l.name)) = 1 \
               AND (SELECT i.name FROM pragma_index_info(l.name) AS i) = ?2 COLLATE NOCASE";
    Ok(connection.query_row(sql, [table, column], |_| Ok(())).optional()?.is_some())
}

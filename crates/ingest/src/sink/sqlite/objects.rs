//! What a database has: tables, their columns, and what others have put on them.

use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

use crate::sink::sql::names::quoted;

/// Whether there is anything of this name.
pub(super) fn is_there(connection: &Connection, name: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
    Ok(connection.query_row(sql, [name], |_| Ok(())).optional()?.is_some())
}

/// Drops a table, if it is there.
pub(super) fn drop_table(transaction: &Transaction<'_>, table: &str) -> Result<()> {
    transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}", quoted(table)))
}

/// Gives a table another name.
pub(super) fn rename(transaction: &Transaction<'_>, table: &str, to: &str) -> Result<()> {
    let (table, to) = (quoted(table), quoted(to));
    transaction.execute_batch(&format!("ALTER TABLE {table} RENAME TO {to}"))
}

/// The columns of a table with their declared types; none if it is not there.
pub(super) fn columns(connection: &Connection, table: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT name, type FROM pragma_table_info(?1)";
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    columns.collect()
}

/// The statement that made an index of a table, if it is there.
pub(super) fn index(connection: &Connection, table: &str, name: &str) -> Result<Option<String>> {
    let sql = "SELECT sql FROM sqlite_master \
               WHERE type = 'index' AND name = ?1 COLLATE NOCASE AND tbl_name = ?2 COLLATE NOCASE";
    connection.query_row(sql, params![name, table], |row| row.get(0)).optional()
}

/// The statements that made the indexes and triggers of a table, except for the index `own`.
pub(super) fn made_on(connection: &Connection, table: &str, own: &str) -> Result<Vec<String>> {
    let sql = "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL \
               AND tbl_name = ?1 COLLATE NOCASE AND name <> ?2 COLLATE NOCASE";
    let mut statement = connection.prepare(sql)?;
    let made = statement.query_map([table, own], |row| row.get(0))?;
    made.collect()
}

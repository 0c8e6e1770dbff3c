//! Reads the rows of a table back.

use std::fmt::Write;

use rusqlite::{Connection, Row, types::ValueRef};
use serde_json::value::RawValue;

use super::error::failed;
use crate::{
    schema::{Column, ColumnType, Schema},
    sink::{
        SinkError,
        sql::names::{list, quoted},
        stored::{ROWS_AT_ONCE, TakeRows},
    },
};

/// Hands over the rows of a table with these columns.
///
/// # Errors
/// That of the database.
pub(super) fn read(
    connection: &Connection,
    table: &str,
    columns: &Schema,
    take: TakeRows<'_>,
) -> Result<(), SinkError> {
    let names = columns.columns.iter().map(|column| column.name.as_str());
    // Rows without columns are counted.
    let selected = if columns.columns.is_empty() { "NULL".to_owned() } else { list(names) };
    let sql = format!("SELECT {selected} FROM {}", quoted(table));
    let mut read = || {
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        let mut rows = Vec::with_capacity(ROWS_AT_ONCE);
        while let Some(row) = found.next()? {
            rows.push(object(row, &columns.columns)?);
            if rows.len() == ROWS_AT_ONCE && !take(std::mem::take(&mut rows)) {
                return Ok(());
            }
        }
        if !rows.is_empty() {
            take(rows);
        }
        Ok(())
    };
    read().map_err(failed(format!("table `{table}` in SQLite")))
}

/// A row as an object of JSON.
fn object(row: &Row<'_>, columns: &[Column]) -> rusqlite::Result<Box<RawValue>> {
    let mut object = String::from("{");
    for (number, column) in columns.iter().enumerate() {
        if number > 0 {
            object.push(',');
        }
        push_text(&mut object, &column.name);
        object.push(':');
        push(&mut object, row.get_ref(number)?, column.kind);
    }
    object.push('}');
    let object = RawValue::from_string(object);
    object.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn push(out: &mut String, value: ValueRef<'_>, kind: ColumnType) {
    // A text takes whatever is written to it.
    let _ = match value {
        ValueRef::Null | ValueRef::Blob(_) => write!(out, "null"),
        ValueRef::Integer(number) if kind == ColumnType::Bool => write!(out, "{}", number != 0),
        ValueRef::Integer(number) => write!(out, "{number}"),
        // JSON has no number for what is not finite.
        ValueRef::Real(number) if number.is_finite() => write!(out, "{number:?}"),
        ValueRef::Real(_) => write!(out, "null"),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text);
            match kind {
                ColumnType::Json => write!(out, "{text}"),
                _ => {
                    push_text(out, &text);
                    Ok(())
                }
            }
        }
    };
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

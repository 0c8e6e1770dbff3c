//! [pure] Rows as objects of JSON.

use std::fmt::Write;

use rusqlite::{Result, Row, types::ValueRef};
use serde_json::value::RawValue;

use crate::schema::{Column, ColumnType};

/// A row with these columns as an object.
///
/// # Errors
/// If it has others.
pub(super) fn object(row: &Row<'_>, columns: &[Column]) -> Result<Box<RawValue>> {
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

/// Adds a value of a column of this type.
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

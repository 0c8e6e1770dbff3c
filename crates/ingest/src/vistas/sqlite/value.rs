//! [pure] Values of SQLite as those of Vantage, by the types of their columns.

use ciborium::Value;
use rusqlite::{Result, Row, types::ValueRef};
use vantage_types::Record;

use crate::{schema::ColumnType, sink::sql::text};

/// A row with its id, which is the value of the column `id`. A row whose id is null has an empty
/// one.
///
/// # Errors
/// If the row has not these columns.
pub(super) fn row(
    row: &Row<'_>,
    id: &str,
    columns: &[(String, ColumnType)],
) -> Result<(String, Record<Value>)> {
    let mut record = Record::with_capacity(columns.len());
    let mut named = String::new();
    for (index, (name, kind)) in columns.iter().enumerate() {
        let value = row.get_ref(index)?;
        if name == id {
            named = id_of(value);
        }
        record.insert(name.clone(), value_of(*kind, value));
    }
    Ok((named, record))
}

fn id_of(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => {
            let mut out = String::new();
            text::push_float(&mut out, number);
            out
        }
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

fn value_of(kind: ColumnType, value: ValueRef<'_>) -> Value {
    match (kind, value) {
        (_, ValueRef::Null) => Value::Null,
        (ColumnType::Bool, ValueRef::Integer(flag @ 0..=1)) => Value::Bool(flag == 1),
        (ColumnType::Json, ValueRef::Text(json)) => {
            serde_json::from_slice(json).unwrap_or_else(|_| text_of(json))
        }
        (_, ValueRef::Integer(number)) => Value::from(number),
        (_, ValueRef::Real(number)) => Value::Float(number),
        (_, ValueRef::Text(text)) => text_of(text),
        (_, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
    }
}

fn text_of(text: &[u8]) -> Value {
    Value::Text(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_their_columns() {
        let text = |text: &str| Value::Text(text.into());
        let json = Value::Map(vec![(text("a"), Value::Array(vec![Value::from(1)]))]);
        for (kind, value, expected) in [
            (ColumnType::Bool, ValueRef::Integer(1), Value::Bool(true)),
            (ColumnType::Int, ValueRef::Integer(1), Value::from(1)),
            (ColumnType::Float, ValueRef::Real(1.5), Value::Float(1.5)),
            (ColumnType::Json, ValueRef::Text(b"{\"a\":[1]}"), json),
            (ColumnType::Json, ValueRef::Text(b"{\"a\""), text("{\"a\"")),
            (ColumnType::Text, ValueRef::Text(b"007"), text("007")),
            (ColumnType::Int, ValueRef::Text(b"007"), text("007")),
            (ColumnType::Text, ValueRef::Null, Value::Null),
        ] {
            assert_eq!(value_of(kind, value), expected);
        }
        for (value, id) in [
            (ValueRef::Integer(-7), "-7"),
            (ValueRef::Text(b"a/b"), "a/b"),
            (ValueRef::Real(1.5), "1.5"),
            (ValueRef::Null, ""),
        ] {
            assert_eq!(id_of(value), id);
        }
    }
}

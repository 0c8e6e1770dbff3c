//! [pure] Rows as JSON objects of the columns that are shown, in their order.

use ciborium::Value;
use vantage_types::Record;

use super::write_value;
use crate::exposed::Table;

/// The columns of an answer, with their names as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// `"name":` as JSON.
    key: Vec<u8>,
    is_id: bool,
}

impl Shape {
    /// These columns of a table, or all that are shown.
    pub(crate) fn new(table: &Table, select: Option<&[String]>) -> Self {
        let shown = table.names(|column| column.readable);
        let names: Vec<&str> = match select {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => shown,
        };
        let column = |name: &str| {
            let mut key = Vec::with_capacity(name.len() + 3);
            write_value(&mut key, &Value::Text(name.to_owned()));
            key.push(b':');
            Column { name: name.to_owned(), key, is_id: name == table.id_column }
        };
        Self { columns: names.into_iter().map(column).collect() }
    }

    /// Appends a row: what the record lacks is null, but for its id.
    pub(crate) fn write(&self, out: &mut Vec<u8>, id: &str, record: &Record<Value>) {
        out.push(b'{');
        for (nth, column) in self.columns.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&column.key);
            match record.get(&column.name) {
                Some(value) => write_value(out, value),
                None if column.is_id => write_value(out, &Value::Text(id.to_owned())),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    }
}

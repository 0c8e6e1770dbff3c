//! [pure] Rows as JSON objects of the columns that are shown, in their order.

use ciborium::Value;
use vantage_types::Record;

use super::write_value;
use crate::table_config::{Table, TableColumn};

/// The columns of an answer, with their names as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    columns: Vec<Shown<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Shown<'a> {
    name: &'a str,
    key: &'a [u8],
    is_id: bool,
}

impl<'a> Shape<'a> {
    /// These columns of a table, or all that are shown.
    pub(crate) fn new(table: &'a Table, select: Option<&[String]>) -> Self {
        let shown = |(name, column): (&'a String, &'a TableColumn)| Shown {
            name,
            key: &column.key,
            is_id: *name == table.id_column,
        };
        let columns = match select {
            Some(names) => names
                .iter()
                .filter_map(|name| table.columns.get_key_value(name.as_str()))
                .map(shown)
                .collect(),
            None => table.columns.iter().filter(|(_, column)| column.readable).map(shown).collect(),
        };
        Self { columns }
    }

    /// Appends a row: what the record lacks is null, but for its id.
    pub(crate) fn write(&self, out: &mut Vec<u8>, id: &str, record: &Record<Value>) {
        out.push(b'{');
        for (nth, column) in self.columns.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(column.key);
            // Most records have their columns in this order, where no hash is needed to find them.
            let value = match record.get_index(nth) {
                Some((name, value)) if name == column.name => Some(value),
                _ => record.get(column.name),
            };
            match value {
                Some(value) => write_value(out, value),
                None if column.is_id => write_value(out, &Value::Text(id.to_owned())),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    }
}

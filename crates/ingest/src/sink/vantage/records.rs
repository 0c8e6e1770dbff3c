//! [pure] The rows of a batch as Vantage's records, by their ids.

use arrow_array::RecordBatch;
use ciborium::Value;
use indexmap::IndexMap;
use vantage_types::Record;

use crate::{
    schema::{ColumnType, Schema},
    sink::{
        SinkError,
        sql::cells::{Cell, Cells},
    },
};

/// The rows of a batch by the values of their column `id`, with all columns of `schema`. Of rows
/// with one id the last is left.
///
/// # Errors
/// A lasting one, if a row has no id, or the columns cannot hold the rows.
pub(super) fn records_of(
    batch: &RecordBatch,
    schema: &Schema,
    id: &str,
) -> Result<IndexMap<String, Record<Value>>, SinkError> {
    let mut records = IndexMap::with_capacity(batch.num_rows());
    for record in rows_of(batch, schema)? {
        let own = record.get(id).and_then(id_of);
        let own = own.ok_or_else(|| SinkError::lasting(format!("a row has no id in `{id}`")))?;
        records.insert(own, record);
    }
    Ok(records)
}

/// The rows of a batch, each with all columns of `schema`.
///
/// # Errors
/// A lasting one, if the columns cannot hold the rows.
pub(crate) fn rows_of(
    batch: &RecordBatch,
    schema: &Schema,
) -> Result<Vec<Record<Value>>, SinkError> {
    let cells = Cells::of_batch(batch, schema)?;
    let columns: Vec<_> = schema
        .columns
        .iter()
        .map(|column| {
            let place = batch.schema_ref().index_of(&column.name).ok();
            (column, place.and_then(|place| cells.get(place)))
        })
        .collect();
    let mut scratch = String::new();
    let mut record_of = |row: usize| {
        let mut record = Record::with_capacity(columns.len());
        for (column, cells) in &columns {
            let value = match cells {
                Some(cells) => value_of(cells.get(row, &mut scratch), column.kind),
                None => Value::Null,
            };
            record.insert(column.name.clone(), value);
        }
        record
    };
    Ok((0..batch.num_rows()).map(&mut record_of).collect())
}

fn value_of(cell: Cell<'_>, kind: ColumnType) -> Value {
    match (cell, kind) {
        (Cell::Null, _) => Value::Null,
        (Cell::Int(number), ColumnType::Bool) => Value::Bool(number != 0),
        (Cell::Int(number), _) => Value::from(number),
        (Cell::Float(number), _) => Value::Float(number),
        (Cell::Text(text), ColumnType::Json) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        (Cell::Text(text), _) => Value::from(text),
    }
}

/// A value as an id, which is a text.
fn id_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    };

    use super::*;
    use crate::schema::Column;

    fn schema(columns: &[(&str, ColumnType)]) -> Schema {
        let columns = columns.iter().map(|(name, kind)| Column {
            name: (*name).to_owned(),
            kind: *kind,
            declared: true,
        });
        Schema { columns: columns.collect() }
    }

    fn batch(schema: &Schema, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(schema.arrow(), columns).unwrap()
    }

    #[test]
    fn values_are_those_of_their_columns() {
        let price = ColumnType::Decimal { precision: 9, scale: 2 };
        let of_batch = schema(&[
            ("id", ColumnType::Int),
            ("is_new", ColumnType::Bool),
            ("size", ColumnType::Float),
            ("price", price),
            ("day", ColumnType::Date),
            ("tags", ColumnType::Json),
            ("name", ColumnType::Text),
        ]);
        let prices = Decimal128Array::from(vec![150]).with_precision_and_scale(9, 2).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![7])),
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(Float64Array::from(vec![0.5])),
            Arc::new(prices),
            Arc::new(Date32Array::from(vec![19_782])),
            Arc::new(StringArray::from(vec![r#"["a", {"b": null}]"#])),
            Arc::new(StringArray::from(vec![None::<&str>])),
        ];
        let mut wider = of_batch.clone();
        wider.columns.push(Column { name: "late".into(), kind: ColumnType::Int, declared: false });
        let records = records_of(&batch(&of_batch, columns), &wider, "id").unwrap();
        let nested = Value::Map(vec![(Value::from("b"), Value::Null)]);
        let expected = [
            ("id", Value::from(7)),
            ("is_new", Value::Bool(true)),
            ("size", Value::Float(0.5)),
            ("price", Value::from("1.50")),
            ("day", Value::from("2024-02-29")),
            ("tags", Value::Array(vec![Value::from("a"), nested])),
            ("name", Value::Null),
            ("late", Value::Null),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(records["7"], Record::from_iter(expected));
    }

    #[test]
    fn the_last_row_with_an_id_is_left_and_one_without_is_refused() {
        let schema = schema(&[("id", ColumnType::Text), ("n", ColumnType::Int)]);
        let rows = |ids: Vec<Option<&str>>| {
            let numbers = Int64Array::from_iter_values(0..ids.len() as i64);
            batch(&schema, vec![Arc::new(StringArray::from(ids)), Arc::new(numbers)])
        };
        let rows_of = |ids| records_of(&rows(ids), &schema, "id");
        let records = rows_of(vec![Some("a"), Some("b"), Some("a")]).unwrap();
        assert_eq!((records.len(), &records["a"]["n"]), (2, &Value::from(2)));
        let refused = rows_of(vec![Some("a"), None]).unwrap_err();
        assert!(refused.is_lasting() && refused.to_string().contains("`id`"), "{refused}");
    }
}

//! [pure] The items of rows that a commit has several times: those of the last place alone.

use std::{collections::HashMap, fmt::Write};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use indexmap::IndexMap;

use super::{
    SinkError,
    sql::cells::{Cell, Cells},
};
use crate::{row::Items, schema::Schema};

/// The batches of items by their tables. With a key, by which rows take the place of others, those of
/// a row that comes again in `batches` are left out; `schema` is that of its table.
///
/// # Errors
/// A lasting one, if the table cannot hold the key of a row.
pub(crate) fn latest(
    items: IndexMap<String, Items>,
    key: &[String],
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<IndexMap<String, Vec<RecordBatch>>, SinkError> {
    if key.is_empty() || items.is_empty() {
        return Ok(items.into_iter().map(|(table, items)| (table, items.batches)).collect());
    }
    let is_last = last_of_key(key, schema, batches)?;
    items.into_iter().map(|(table, items)| Ok((table, of_rows(items, &is_last)?))).collect()
}

/// Whether each row is the last one with its key.
fn last_of_key(
    key: &[String],
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<Vec<bool>, SinkError> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut is_last = Vec::new();
    for batch in batches {
        let columns = key_of(key, schema, batch)?;
        for row in 0..batch.num_rows() {
            let before = places.insert(text_of(&columns, row), is_last.len());
            if let Some(before) = before.and_then(|before| is_last.get_mut(before)) {
                *before = false;
            }
            is_last.push(true);
        }
    }
    Ok(is_last)
}

/// The batches of items without those of rows that are not kept.
fn of_rows(items: Items, is_kept: &[bool]) -> Result<Vec<RecordBatch>, SinkError> {
    let Items { mut batches, rows } = items;
    let mut rows = rows.into_iter();
    for batch in &mut batches {
        let own = rows.by_ref().take(batch.num_rows());
        let flags: Vec<bool> = own.map(|row| is_kept.get(row) != Some(&false)).collect();
        if flags.contains(&false) {
            let kept = filter_record_batch(batch, &BooleanArray::from(flags));
            *batch = kept.map_err(|error| {
                SinkError::lasting("the items of rows that come several times").because(error)
            })?;
        }
    }
    Ok(batches)
}

/// The columns of the key, as the table has their values: values of different types may be the same
/// there.
fn key_of<'a>(
    key: &[String],
    schema: &Schema,
    batch: &'a RecordBatch,
) -> Result<Vec<Cells<'a>>, SinkError> {
    let column = |name: &String| {
        let (_, field) = batch.schema_ref().column_with_name(name)?;
        Some((field, batch.column_by_name(name)?, schema.get(name)?.kind))
    };
    let columns = key.iter().filter_map(column);
    columns.map(|(field, array, kind)| Cells::of(field, array, kind)).collect()
}

/// A text that rows with the same key have, and no others.
fn text_of(columns: &[Cells<'_>], row: usize) -> String {
    let (mut key, mut scratch) = (String::new(), String::new());
    for column in columns {
        // Writing into a text does not fail.
        let _ = match column.get(row, &mut scratch) {
            Cell::Null => write!(key, "n"),
            Cell::Int(value) => write!(key, "i{value};"),
            // Databases do not tell the zeros apart.
            Cell::Float(value) => write!(key, "f{};", value + 0.0),
            Cell::Text(text) => write!(key, "t{}:{text}", text.len()),
        };
    }
    key
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Float64Array, Int64Array, StringArray, cast::AsArray, types::Int64Type,
    };

    use super::*;
    use crate::schema::{Column, ColumnType};

    fn schema(kinds: &[(&str, ColumnType)]) -> Schema {
        let columns = kinds.iter().map(|(name, kind)| Column {
            name: (*name).to_owned(),
            kind: *kind,
            declared: false,
        });
        Schema { columns: columns.collect() }
    }

    fn batch(columns: Vec<(&str, ColumnType, ArrayRef)>) -> RecordBatch {
        let kinds: Vec<_> = columns.iter().map(|(name, kind, _)| (*name, *kind)).collect();
        let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
        RecordBatch::try_new(schema(&kinds).arrow(), arrays).unwrap()
    }

    fn ints(values: &[i64]) -> (&'static str, ColumnType, ArrayRef) {
        ("a", ColumnType::Int, Arc::new(Int64Array::from(values.to_vec())))
    }

    fn floats(values: &[f64]) -> (&'static str, ColumnType, ArrayRef) {
        ("a", ColumnType::Float, Arc::new(Float64Array::from(values.to_vec())))
    }

    fn texts(name: &'static str, values: &[&str]) -> (&'static str, ColumnType, ArrayRef) {
        (name, ColumnType::Text, Arc::new(StringArray::from(values.to_vec())))
    }

    fn last(key: &[&str], kinds: &[(&str, ColumnType)], batches: &[RecordBatch]) -> Vec<bool> {
        let key: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
        last_of_key(&key, &schema(kinds), batches).unwrap()
    }

    #[test]
    fn the_last_row_of_each_key_is_found_across_batches() {
        let batches = [batch(vec![ints(&[1, 2, 1])]), batch(vec![ints(&[3, 2])])];
        let found = last(&["a"], &[("a", ColumnType::Int)], &batches);
        assert_eq!(found, [false, false, true, true, true]);
    }

    #[test]
    fn keys_are_the_same_that_are_so_in_the_table() {
        let batches = [batch(vec![ints(&[1, 2])]), batch(vec![texts("a", &["1", "2.0"])])];
        let found = last(&["a"], &[("a", ColumnType::Text)], &batches);
        assert_eq!(found, [false, true, true, true]);
        let batches = [batch(vec![ints(&[1, 0])]), batch(vec![floats(&[1.0, -0.0, 0.5])])];
        let found = last(&["a"], &[("a", ColumnType::Float)], &batches);
        assert_eq!(found, [false, false, true, true, true]);
    }

    #[test]
    fn keys_of_several_columns_are_told_apart_by_where_one_ends() {
        let rows = batch(vec![texts("a", &["x", "x1:", "x"]), texts("b", &["1:", "", "1:"])]);
        let kinds = [("a", ColumnType::Text), ("b", ColumnType::Text)];
        assert_eq!(last(&["a", "b"], &kinds, &[rows]), [false, true, true]);
    }

    #[test]
    fn items_of_earlier_places_are_left_out() {
        let rows = [batch(vec![ints(&[1, 2])]), batch(vec![ints(&[1])])];
        let items = || Items {
            batches: vec![batch(vec![ints(&[10, 11, 20])]), batch(vec![ints(&[12])])],
            rows: vec![0, 0, 1, 2],
        };
        let kept = |key: &[String]| {
            let all = IndexMap::from([("t".to_owned(), items())]);
            let schema = schema(&[("a", ColumnType::Int)]);
            let mut kept = latest(all, key, &schema, &rows).unwrap();
            let batches = kept.swap_remove("t").unwrap();
            let values = batches
                .iter()
                .map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
            values.collect::<Vec<_>>()
        };
        assert_eq!(kept(&["a".to_owned()]), [vec![20], vec![12]]);
        assert_eq!(kept(&[]), [vec![10, 11, 20], vec![12]]);
    }
}

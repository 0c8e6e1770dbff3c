//! The rows of an API as Arrow batches, and back, for programs such as a query engine.
//!
//! [`RowBatches`] is the decoder of the jobs, without what a copy needs besides: keys, marks, checks, rows that
//! are set aside.
//!
//! ```
//! use vantage_api_ingest::{rows::{RowBatches, RowColumn}, schema::ColumnType};
//!
//! let columns = [
//!     RowColumn::new("name", ColumnType::Text),
//!     RowColumn::new("people", ColumnType::Int).at(["stats", "population"]),
//! ];
//! let mut decoder = RowBatches::of(columns);
//! let batches = decoder.decode(&[
//!     r#"{"name": "Bonn", "stats": {"population": 330000}, "unused": [1, 2]}"#,
//!     r#"{"name": "Ulm"}"#,
//! ])?;
//! assert_eq!((batches[0].num_rows(), batches[0].num_columns()), (2, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use arrow_array::RecordBatch;
use ciborium::Value;
use indexmap::IndexMap;
use vantage_types::Record;

use crate::{
    description::{Nested, SchemaPolicy, type_by_name},
    row::{Bound, ColumnPlan, Learned, RowChecks, RowDecoder, RowRules},
    rust_type,
    schema::{ColumnType, Schema},
    sink,
};

/// A column that is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowColumn {
    name: String,
    kind: ColumnType,
    path: Vec<String>,
}

impl RowColumn {
    /// A column that rows have in the field of its name.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        let name = name.into();
        Self { path: vec![name.clone()], name, kind }
    }

    /// The same column at another place of a row, key by key. Rows have it nowhere if there is no
    /// key: it is null in all of them.
    #[must_use]
    pub fn at<K: Into<String>>(self, path: impl IntoIterator<Item = K>) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), ..self }
    }
}

/// Decodes rows in one pass: their JSON becomes batches, without a tree in between.
#[derive(Debug)]
pub struct RowBatches {
    decoder: RowDecoder,
    schema: Schema,
}

impl RowBatches {
    /// A decoder of these columns, at least one. What else is in a row is passed over.
    #[must_use]
    pub fn of(columns: impl IntoIterator<Item = RowColumn>) -> Self {
        let plans = columns.into_iter().map(|RowColumn { name, kind, path }| {
            (name, ColumnPlan { kind: Some(kind), path, made: None })
        });
        Self::new(plans.collect(), SchemaPolicy::Discard)
    }

    /// A decoder of all fields that have a value in some row, each with the narrowest type of its
    /// values; objects and lists are JSON.
    #[must_use]
    pub fn inferred() -> Self {
        Self::new(IndexMap::new(), SchemaPolicy::Evolve)
    }

    fn new(columns: IndexMap<String, ColumnPlan>, policy: SchemaPolicy) -> Self {
        let rules = RowRules {
            stream: String::new(),
            columns,
            dropped: Vec::new(),
            key: Vec::new(),
            cursor: None,
            policy,
            nested: Nested::Json,
            refuses: |_| None,
            checks: RowChecks::default(),
            knows_rows: false,
            reads_all: false,
        };
        let decoder = RowDecoder::new(rules, Learned::default());
        Self { decoder, schema: Schema::default() }
    }

    /// Rows, each as its JSON, as batches, in their order. Inferred columns may differ from batch to batch.
    ///
    /// # Errors
    /// For the first row that is not an object or has a value that is not of the type of its column;
    /// the error names the row, from 1, and the column.
    pub fn decode(&mut self, rows: &[&str]) -> Result<Vec<RecordBatch>, String> {
        self.decoder.read_page(rows, &Bound::default())?;
        let decoded = self.decoder.take()?;
        if let Some(reject) = decoded.rejects.first() {
            let place = rows.iter().position(|row| *row == reject.row);
            let place = place.map_or_else(String::new, |place| format!("row {}: ", place + 1));
            return Err(format!("{place}{}", reject.reason));
        }
        self.schema = decoded.learned.schema;
        Ok(decoded.batches)
    }

    /// The columns of the rows so far.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

/// The rows of a batch as Vantage's records, each with all columns of `schema`, the missing ones
/// null. Decimals are the text of their digits, days and moments texts of RFC 3339, and JSON is read
/// into its values.
///
/// # Errors
/// If a column of the batch is none of the schema, or of a type that this cannot hold.
pub fn records(batch: &RecordBatch, schema: &Schema) -> Result<Vec<Record<Value>>, String> {
    sink::rows_of(batch, schema).map_err(|error| error.to_string())
}

/// The type of a column whose values are of this Rust type, by the name that the compiler gives it
/// (`std::any::type_name`), as [`Job::of`](crate::Job::of) says. `None` if only the values tell.
#[must_use]
pub fn type_of_rust(type_name: &str) -> Option<ColumnType> {
    rust_type::kind_of(type_name)
}

/// The type of a column by its name in a description, such as `int` or `decimal(18,4)`.
#[must_use]
pub fn type_named(name: &str) -> Option<ColumnType> {
    type_by_name(name)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, cast::AsArray, types::Int64Type};

    use super::*;

    fn rows(json: &str) -> Vec<&str> {
        let rows: Vec<&serde_json::value::RawValue> = serde_json::from_str(json).unwrap();
        rows.into_iter().map(serde_json::value::RawValue::get).collect()
    }

    #[test]
    fn only_the_columns_are_decoded_whatever_else_rows_have() {
        let mut decoder = RowBatches::of([RowColumn::new("n", ColumnType::Int)]);
        let page = r#"[{"n": 1, "x": 1}, {"y": {}, "n": 2}, {"x": "text"}]"#;
        for _ in 0..2 {
            let batches = decoder.decode(&rows(page)).unwrap();
            let numbers: Vec<Option<i64>> = batches
                .iter()
                .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().iter())
                .collect();
            assert_eq!(numbers, [Some(1), Some(2), None]);
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_named() {
        let mut decoder = RowBatches::of([RowColumn::new("n", ColumnType::Int)]);
        let refused = decoder.decode(&rows(r#"[{"n": 1}, {"n": "one"}]"#)).unwrap_err();
        assert_eq!(refused, "row 2: `n` holds no int");
        let refused = decoder.decode(&rows(r#"[{"n": 1}, 7]"#)).unwrap_err();
        assert!(refused.starts_with("row 2: "), "{refused}");
    }

    #[test]
    fn a_column_without_a_place_is_null() {
        let nowhere = RowColumn::new("n", ColumnType::Int).at([""; 0]);
        let mut decoder = RowBatches::of([nowhere, RowColumn::new("m", ColumnType::Int)]);
        let batches = decoder.decode(&rows(r#"[{"n": 1, "m": 2}]"#)).unwrap();
        assert_eq!((batches[0].num_columns(), batches[0].column(0).null_count()), (2, 1));
    }

    #[test]
    fn columns_are_inferred_from_rows() {
        let mut decoder = RowBatches::inferred();
        decoder.decode(&rows(r#"[{"a": 1, "b": null}, {"a": 0.5, "c": [1]}]"#)).unwrap();
        let columns = decoder.schema().columns.iter();
        let columns: Vec<_> = columns.map(|column| (&*column.name, column.kind)).collect();
        assert_eq!(columns, [("a", ColumnType::Float), ("c", ColumnType::Json)]);
    }
}

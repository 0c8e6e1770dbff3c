use arrow_array::RecordBatch;
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::*;
use crate::{
    description::{Nested, SchemaPolicy},
    schema::Schema,
};

mod children;
mod columns;
mod later;
mod random;
mod rows;

fn rules(policy: SchemaPolicy) -> RowRules {
    RowRules {
        stream: "rows".into(),
        columns: IndexMap::new(),
        dropped: Vec::new(),
        key: Vec::new(),
        cursor: None,
        policy,
        nested: Nested::Json,
        refuses: |_| None,
        checks: RowChecks::default(),
        knows_rows: false,
    }
}

fn decode(decoder: &mut RowDecoder, rows: &[&str]) -> Result<Decoded, String> {
    let rows: Vec<_> =
        rows.iter().map(|row| RawValue::from_string((*row).into()).unwrap()).collect();
    decoder.decode(&rows)
}

/// The columns of a table with their types.
fn named(schema: &Schema) -> Vec<String> {
    schema.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect()
}

fn counts(decoded: &Decoded) -> Vec<usize> {
    decoded.batches.iter().map(RecordBatch::num_rows).collect()
}

fn reasons(decoded: &Decoded) -> Vec<&str> {
    decoded.rejects.iter().map(|reject| &*reject.reason).collect()
}

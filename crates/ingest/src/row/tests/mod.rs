use arrow_array::RecordBatch;
use indexmap::IndexMap;

use super::*;
use crate::{
    description::{Nested, SchemaPolicy},
    schema::Schema,
    sink::Reject,
};

mod children;
mod columns;
mod later;
mod plain;
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
        reads_all: true,
    }
}

/// What came of a page, whose rows were taken by themselves.
#[derive(Debug)]
struct Decoded {
    batches: Vec<RecordBatch>,
    children: IndexMap<String, Items>,
    rejects: Vec<Reject>,
    bytes: usize,
    mark: Mark,
    learned: Learned,
    seen: Vec<SeenRow>,
}

fn decode(decoder: &mut RowDecoder, rows: &[&str]) -> Result<Decoded, String> {
    let DecodedPage { mark, seen, rejected, .. } = decoder.read_page(rows, &Bound::default())?;
    let super::Decoded { batches, children, rejects, bytes, learned } = decoder.take()?;
    assert_eq!(rejects.len(), rejected);
    Ok(Decoded { batches, children, rejects, bytes, mark, learned, seen })
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

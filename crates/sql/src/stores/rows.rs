//! The rows of a table that a job has written, read on a thread of their own.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::SchemaRef,
    },
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStream, streaming::PartitionStream},
};
use futures::executor::block_on;
use serde_json::value::RawValue;
use vantage_api_ingest::{
    rows::{RowBatches, RowColumn},
    schema::Schema,
    sink::Stored,
};

use crate::error::SqlError;

/// How many batches wait for whoever reads them.
const WAITING: usize = 2;

#[derive(Debug)]
pub(super) struct StoreRows {
    pub(super) stored: Stored,
    /// What the table is called in errors.
    pub(super) what: String,
    pub(super) columns: Schema,
    pub(super) schema: SchemaRef,
}

impl PartitionStream for StoreRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut rows = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), WAITING);
        let batches = rows.tx();
        let (stored, what) = (self.stored.clone(), self.what.clone());
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        rows.spawn_blocking(move || {
            let decoded = columns.columns.iter();
            let decoded = decoded.map(|column| RowColumn::new(&column.name, column.kind));
            let (mut decoder, mut failure) = (RowBatches::of(decoded), None);
            // A store may read on a runtime of its own, in which those of tokio do not block.
            let mut take = |rows: Vec<Box<RawValue>>| {
                let found = batches_of(&mut decoder, &rows, &schema, &what);
                let is_failed = found.is_err();
                let found = found.unwrap_or_else(|error| {
                    failure = Some(error);
                    Vec::new()
                });
                // Nobody wants more once the query has ended.
                !is_failed
                    && found.into_iter().all(|batch| block_on(batches.send(Ok(batch))).is_ok())
            };
            let read = stored.rows(&columns, &mut take);
            read.map_err(|error| SqlError::store(&what, &error))?;
            failure.map_or(Ok(()), Err)
        });
        rows.build()
    }
}

fn batches_of(
    decoder: &mut RowBatches,
    rows: &[Box<RawValue>],
    schema: &SchemaRef,
    what: &str,
) -> Result<Vec<RecordBatch>> {
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        return Ok(vec![RecordBatch::try_new_with_options(Arc::clone(schema), vec![], &options)?]);
    }
    let rows: Vec<_> = rows.iter().map(|row| row.get()).collect();
    let decoded = decoder.decode(&rows).map_err(|error| SqlError::store(what, &error))?;
    let batches = decoded.into_iter();
    let batches = batches.map(|batch| batch.with_schema(Arc::clone(schema)));
    Ok(batches.collect::<Result<_, _>>()?)
}

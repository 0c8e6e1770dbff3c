//! Writes rows of a query into a table that a job has written.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, RecordBatch},
        datatypes::SchemaRef,
    },
    common::runtime::SpawnedTask,
    datasource::sink::DataSink,
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        DisplayAs, DisplayFormatType,
        metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
    },
};
use futures::TryStreamExt;
use vantage_api_ingest::sink::Stored;

use crate::error::SqlError;

/// The most bytes that the rows of a statement may have, which are written in one commit.
const MOST_BYTES: usize = 256 << 20;

/// The rows that a table is given, all at once or not at all.
#[derive(Debug)]
pub(super) struct StoreSink {
    stored: Stored,
    /// What the table is called in errors.
    what: String,
    schema: SchemaRef,
    metrics: ExecutionPlanMetricsSet,
}

impl StoreSink {
    pub(super) fn new(stored: Stored, what: String, schema: &SchemaRef) -> Self {
        let metrics = ExecutionPlanMetricsSet::new();
        Self { stored, what, schema: Arc::clone(schema), metrics }
    }
}

#[async_trait]
impl DataSink for StoreSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    async fn write_all(
        &self,
        mut rows: SendableRecordBatchStream,
        _: &Arc<TaskContext>,
    ) -> Result<u64> {
        let (mut batches, mut bytes, mut written) = (Vec::new(), 0, 0);
        while let Some(batch) = rows.try_next().await? {
            let columns = batch.columns().to_vec();
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
            bytes += bytes_of(&batch);
            written += batch.num_rows();
            if bytes > MOST_BYTES {
                let why = format!(
                    "a statement inserts no more than {MOST_BYTES} bytes: a stream of a job with \
                     `sql` copies more"
                );
                return Err(SqlError::store(&*self.what, &why).into());
            }
            batches.push(batch);
        }
        if written > 0 {
            let stored = self.stored.clone();
            let inserting = SpawnedTask::spawn_blocking(move || stored.insert(&batches));
            let inserted =
                inserting.join().await.map_err(|error| SqlError::store(&*self.what, &error))?;
            inserted.map_err(|error| SqlError::store(&*self.what, &error))?;
        }
        MetricBuilder::new(&self.metrics).global_counter("rows").add(written);
        Ok(written as u64)
    }
}

/// How many bytes the rows of a batch have. Buffers that it shares with others, as the parts of a sorted
/// batch do, count by the part that is its own.
fn bytes_of(batch: &RecordBatch) -> usize {
    let of_column = |column: &ArrayRef| {
        let own = column.to_data().get_slice_memory_size();
        own.unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(of_column).sum()
}

impl DisplayAs for StoreSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreSink: {}", self.what)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn the_parts_of_a_batch_have_as_many_bytes_as_the_whole() {
        let texts = StringArray::from_iter_values((0..1000).map(|number| format!("{number:0100}")));
        let numbers = Int64Array::from_iter((0..1000).map(|n| (n % 7 > 0).then_some(n)));
        let columns: [(&str, ArrayRef); 2] = [("t", Arc::new(texts)), ("n", Arc::new(numbers))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let (whole, parts) = (bytes_of(&batch), (0..100).map(|part| batch.slice(part * 10, 10)));
        let parts: usize = parts.map(|part| bytes_of(&part)).sum();
        assert!((100_000..150_000).contains(&whole), "{whole}");
        assert!((whole..whole + 2_000).contains(&parts), "{parts} of {whole}");
    }
}

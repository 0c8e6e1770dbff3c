//! Writes rows of a query into a table that a job has written.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
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
            bytes += batch.get_array_memory_size();
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

impl DisplayAs for StoreSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreSink: {}", self.what)
    }
}

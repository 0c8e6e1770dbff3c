//! Writes rows of a query into a table of an API.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    datasource::sink::DataSink,
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        DisplayAs, DisplayFormatType,
        metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use vantage_api_ingest::rows::records;
use vantage_dataset::traits::InsertableValueSet;

use crate::{error::SqlError, table::Source};

/// How many rows are written at a time.
const WRITES_AT_ONCE: usize = 8;

/// The rows that an API is given, each by a request. A value that is null is not sent.
#[derive(Debug)]
pub(crate) struct ApiSink {
    source: Arc<Source>,
    /// Its columns, any of which the API may fill: rows need not have an id.
    schema: SchemaRef,
    metrics: ExecutionPlanMetricsSet,
}

impl ApiSink {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        let schema = source.columns.rows().arrow();
        Self { source, schema, metrics: ExecutionPlanMetricsSet::new() }
    }
}

#[async_trait]
impl DataSink for ApiSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    async fn write_all(
        &self,
        mut batches: SendableRecordBatchStream,
        _: &Arc<TaskContext>,
    ) -> Result<u64> {
        let source = &self.source;
        let (table, schema) = (source.narrowed(&[], &[], None), source.columns.rows());
        let rows = MetricBuilder::new(&self.metrics).global_counter("rows");
        let mut written = 0;
        while let Some(batch) = batches.try_next().await? {
            let batch =
                records(&batch, &schema).map_err(|what| SqlError::table(&source.name, what))?;
            source.forget_totals();
            let writes = stream::iter(batch).map(|mut record| {
                record.retain(|_, value| !value.is_null());
                let table = &table;
                async move { table.insert_return_id_value(&record).await }
            });
            let mut writes = writes.buffered(WRITES_AT_ONCE);
            while let Some(outcome) = writes.next().await {
                outcome.map_err(|error| SqlError::Write {
                    table: source.name.clone(),
                    written,
                    what: error.to_string(),
                })?;
                written += 1;
                rows.add(1);
            }
        }
        Ok(written)
    }
}

impl DisplayAs for ApiSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiSink: table={}", self.source.name)
    }
}

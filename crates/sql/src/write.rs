//! Writes rows of a query into a table of an API, or into a Vista.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use ciborium::Value;
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
use vantage_api_ingest::{rows::records, schema::Schema as RowSchema};
use vantage_dataset::traits::InsertableValueSet;

use crate::{error::SqlError, table::Source};

/// How many rows are written at a time.
const WRITES_AT_ONCE: usize = 8;

/// What takes rows.
type Rows = Arc<dyn InsertableValueSet<Id = String, Value = Value> + Send + Sync>;

/// The rows that a table of an API or a Vista is given, each by a write of its own. A value that is null
/// is not sent.
pub(crate) struct RowSink {
    name: String,
    table: Rows,
    columns: RowSchema,
    /// Its columns, any of which may be filled there: rows need not have an id.
    schema: SchemaRef,
    /// What is told before rows are written.
    source: Option<Arc<Source>>,
    metrics: ExecutionPlanMetricsSet,
}

impl RowSink {
    /// Rows for `table`, which has these columns.
    pub(crate) fn new(name: &str, table: Rows, columns: RowSchema) -> Self {
        let (name, schema) = (name.to_owned(), columns.arrow());
        Self { name, table, columns, schema, source: None, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// Rows for a table of an API, whose totals are not known any more then.
    pub(crate) fn of_api(source: &Arc<Source>) -> Self {
        let table = Arc::new(source.narrowed(&[], &[], None));
        Self {
            source: Some(Arc::clone(source)),
            ..Self::new(&source.name, table, source.columns.rows())
        }
    }
}

#[async_trait]
impl DataSink for RowSink {
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
        let rows = MetricBuilder::new(&self.metrics).global_counter("rows");
        let mut written = 0;
        while let Some(batch) = batches.try_next().await? {
            let batch = records(&batch, &self.columns);
            let batch = batch.map_err(|what| SqlError::table(&self.name, what))?;
            self.source.iter().for_each(|source| source.forget_totals());
            let writes = stream::iter(batch).map(|mut record| {
                record.retain(|_, value| !value.is_null());
                let table = &self.table;
                async move { table.insert_return_id_value(&record).await }
            });
            let mut writes = writes.buffered(WRITES_AT_ONCE);
            while let Some(outcome) = writes.next().await {
                outcome.map_err(|error| SqlError::Write {
                    table: self.name.clone(),
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

impl DisplayAs for RowSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowSink: table={}", self.name)
    }
}

impl fmt::Debug for RowSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSink").field("name", &self.name).finish_non_exhaustive()
    }
}

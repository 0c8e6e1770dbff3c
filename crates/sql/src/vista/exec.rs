//! The node of a plan that reads a Vista.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::SchemaRef,
    },
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use vantage_api_ingest::rows::RowBatches;
use vantage_vista::Vista;

use super::{json::object, read::rows};
use crate::{error::SqlError, table::SourceColumn};

/// How many rows are in a batch.
const ROWS: usize = 4096;

/// Reads the rows of a Vista, at most so many.
#[derive(Debug)]
pub(super) struct VistaScanExec {
    vista: Vista,
    columns: Vec<SourceColumn>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl VistaScanExec {
    /// `columns` are those of `schema`.
    pub(super) fn new(
        vista: Vista,
        columns: Vec<SourceColumn>,
        schema: SchemaRef,
        limit: Option<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Self { vista, columns, limit, properties, metrics }
    }

    fn with_limit(&self, limit: Option<usize>) -> Self {
        Self {
            vista: self.vista.clone(),
            columns: self.columns.clone(),
            limit,
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for VistaScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preview = self.vista.preview();
        let query = preview.query.unwrap_or_else(|| "nothing".to_owned()).replace('\n', ", ");
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let (driver, columns) = (self.vista.driver_name(), columns.join(", "));
        write!(f, "VistaScanExec: {driver}: {query}, columns=[{columns}]")?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for VistaScanExec {
    fn name(&self) -> &'static str {
        "VistaScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    #[allow(deprecated, reason = "the trait has no default for it")]
    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.with_limit(limit)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let mut batches = Batches::new(self.vista.name(), Arc::clone(&schema), &self.columns);
        let counted = BaselineMetrics::new(&self.metrics, partition);
        let found = rows(self.vista.clone(), self.limit).map_ok(|rows| {
            let mut rows = rows.into_iter();
            // Many may come at once.
            let parts = std::iter::from_fn(move || {
                let part: Vec<String> = rows.by_ref().take(ROWS).map(|row| object(&row)).collect();
                (!part.is_empty()).then_some(Ok::<_, SqlError>(part))
            });
            stream::iter(parts)
        });
        let found = found.try_flatten().map(move |part| {
            let _timer = counted.elapsed_compute().timer();
            let found = batches.of(&part?)?;
            found.iter().for_each(|batch| counted.record_output(batch.num_rows()));
            Ok::<_, DataFusionError>(stream::iter(found.into_iter().map(Ok)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, found.try_flatten())))
    }
}

/// Makes batches of rows.
struct Batches {
    name: String,
    schema: SchemaRef,
    decoder: RowBatches,
}

impl Batches {
    fn new(name: &str, schema: SchemaRef, columns: &[SourceColumn]) -> Self {
        let decoder = RowBatches::of(columns.iter().map(SourceColumn::decoded));
        Self { name: name.to_owned(), schema, decoder }
    }

    fn of(&mut self, rows: &[String]) -> Result<Vec<RecordBatch>> {
        if self.schema.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let schema = Arc::clone(&self.schema);
            return Ok(vec![RecordBatch::try_new_with_options(schema, Vec::new(), &options)?]);
        }
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let decoded = self.decoder.decode(&rows);
        let decoded = decoded.map_err(|what| SqlError::table(&self.name, what))?.into_iter();
        let batches = decoded.map(|batch| batch.with_schema(Arc::clone(&self.schema)));
        Ok(batches.collect::<Result<_, _>>()?)
    }
}

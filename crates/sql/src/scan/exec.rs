//! The node of a plan that reads a table of an API.

use std::{fmt, sync::Arc};

use datafusion::{
    common::{
        DataFusionError, Statistics, config::ConfigOptions, stats::Precision,
        tree_node::TreeNodeRecursion,
    },
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{
        EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
        expressions::Column,
    },
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        filter_pushdown::{
            ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
        },
        metrics::{ExecutionPlanMetricsSet, MetricsSet},
        sort_pushdown::SortOrderPushdownResult,
        statistics::StatisticsArgs,
        stream::RecordBatchStreamAdapter,
    },
};
use vantage_api_ingest::{description::Collation, schema::ColumnType};

use super::{
    metrics::PageMetrics,
    pages::Reading,
    range::PageRange,
    run::{Plan, begin, run},
    shared::Runs,
};
use crate::{
    pushdown::Request,
    table::{Source, SourceColumn},
};

/// How many URLs a plan shows.
const SHOWN: usize = 8;

/// Reads the rows of a table that meet the conditions of a request, page by page.
#[derive(Debug)]
pub(crate) struct ApiScanExec {
    pub(super) source: Arc<Source>,
    /// The columns of its rows, by their positions in the table.
    pub(super) columns: Vec<usize>,
    pub(super) request: Request,
    pub(super) limit: Option<usize>,
    /// The pages that it reads; all if it does not say.
    pub(super) range: Option<Arc<PageRange>>,
    /// The filters that joins fill while the query runs.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    runs: Runs,
}

impl ApiScanExec {
    /// Reads these columns of the rows that meet these conditions, at most so many, for so many
    /// partitions.
    pub(crate) fn new(
        source: Arc<Source>,
        columns: Vec<usize>,
        request: Request,
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<Self> {
        let schema = Arc::new(source.columns.schema.project(&columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let scan = Self {
            source,
            columns,
            request,
            limit: None,
            range: None,
            filters: Vec::new(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            runs: Runs::default(),
        };
        Ok(scan.limited(limit))
    }

    /// The same scan, not yet begun.
    pub(super) fn again(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            columns: self.columns.clone(),
            request: self.request.clone(),
            limit: self.limit,
            range: self.range.clone(),
            filters: self.filters.clone(),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
            runs: Runs::default(),
        }
    }

    /// The same scan of at most so many rows, which are read in one partition.
    fn limited(mut self, limit: Option<usize>) -> Self {
        if limit.is_some() {
            self.in_one_partition(None);
        }
        self.limit = limit;
        self
    }

    fn in_one_partition(&mut self, order: Option<LexOrdering>) {
        let mut properties = PlanProperties::clone(&self.properties);
        properties.partitioning = Partitioning::UnknownPartitioning(1);
        if let Some(order) = order {
            properties.eq_properties.add_ordering(order);
        }
        self.properties = Arc::new(properties);
    }

    pub(super) fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }

    pub(super) fn of_columns(&self) -> Vec<SourceColumn> {
        self.columns.iter().filter_map(|at| self.source.columns.all.get(*at).cloned()).collect()
    }

    /// The column of an order, and whether it descends, if the API has the same order.
    fn order(&self, order: &PhysicalSortExpr) -> Option<(String, bool)> {
        let at = order.expr.downcast_ref::<Column>()?.index();
        let column = self.source.columns.all.get(*self.columns.get(at)?)?;
        let (settings, descends) = (&self.source.settings, order.options.descending);
        let has_nulls_there = !column.is_nullable
            || settings.nulls.map(|nulls| nulls.are_first(descends))
                == Some(order.options.nulls_first);
        let is_comparable = match column.kind {
            ColumnType::Text => settings.collation == Some(Collation::Binary),
            ColumnType::Json => false,
            _ => !column.is_parameter,
        };
        (has_nulls_there && is_comparable).then(|| (column.name.clone(), descends))
    }

    /// Whether only the number of its rows is wanted, which a page tells.
    pub(super) fn is_total(&self) -> bool {
        let is_trusted = self.source.settings.trust_total.is_some();
        is_trusted && self.columns.is_empty() && self.limit.is_none() && self.range.is_none()
    }

    /// The total of its set, and whether that is the number of its rows.
    fn total(&self) -> Option<(u64, bool)> {
        let has_all = self.limit.is_none() && self.filters.is_empty() && self.range.is_none();
        let (total, is_trusted) = self.source.total_of(&self.request.conditions)?;
        Some((total, is_trusted && has_all))
    }
}

impl DisplayAs for ApiScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = match self.source.reads(&self.request) {
            Ok(reads) => {
                let mut urls: Vec<String> =
                    reads.iter().take(SHOWN).map(|read| read.url.clone()).collect();
                if reads.len() > SHOWN {
                    urls.push(format!("… {} more", reads.len() - SHOWN));
                }
                if urls.is_empty() { "nothing".to_owned() } else { urls.join(", GET ") }
            }
            Err(error) => format!("({error})"),
        };
        if matches!(format, DisplayFormatType::TreeRender) {
            return write!(f, "GET {urls}");
        }
        let schema = self.properties.eq_properties.schema();
        let columns: Vec<&str> =
            schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "ApiScanExec: GET {urls}, columns=[{}]", columns.join(", "))?;
        if self.partitions() > 1 {
            write!(f, ", partitions={}", self.partitions())?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        if let Some(range) = &self.range {
            write!(f, ", pages={range}")?;
        }
        if self.is_total() {
            write!(f, ", count=from total")?;
        }
        for filter in &self.filters {
            write!(f, ", look_up=[{filter}]")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for ApiScanExec {
    fn name(&self) -> &'static str {
        "ApiScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    /// A join fills a filter only if the node that has it shows it here.
    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if visit(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    #[allow(deprecated, reason = "the trait has no default for it")]
    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.again()))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        of: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if of.partition().is_none() {
            statistics.num_rows = match (self.total(), self.limit) {
                (Some((total, true)), _) => Precision::Exact(at_most(total)),
                (Some((total, false)), limit) => {
                    Precision::Inexact(at_most(total).min(limit.unwrap_or(usize::MAX)))
                }
                (None, Some(limit)) => Precision::Inexact(limit),
                (None, None) => self.source.unknown_rows(&self.request.conditions),
            };
        }
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.again().limited(limit)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let orders: Option<Vec<_>> = order.iter().map(|by| self.order(by)).collect();
        let taken = orders.filter(|orders| {
            self.limit.is_none() && self.source.takes(&self.request.conditions, orders)
        });
        let (Some(orders), Some(order)) = (taken, LexOrdering::new(order.to_vec())) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        let mut ordered = self.again();
        ordered.request.orders = orders;
        ordered.in_one_partition(Some(order));
        Ok(SortOrderPushdownResult::Exact { inner: Arc::new(ordered) })
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        offered: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters = offered.parent_filters.iter().map(|of| Arc::clone(&of.filter));
        let filters: Vec<_> = filters.collect();
        // Rows are left out by whoever offers it.
        let refused = vec![PushedDown::No; filters.len()];
        let refused = FilterPushdownPropagation::with_parent_pushdown_result(refused);
        if phase != FilterPushdownPhase::Post || filters.is_empty() || self.limit.is_some() {
            return Ok(refused);
        }
        let mut hinted = self.again();
        hinted.filters = filters;
        Ok(refused.with_updated_node(Arc::new(hinted)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let partitions = self.partitions();
        if partition >= partitions {
            let what = format!("the scan has no partition {partition}");
            return Err(DataFusionError::Internal(what));
        }
        let plan = Plan {
            source: Arc::clone(&self.source),
            request: self.request.clone(),
            columns: self.of_columns(),
            filters: self.filters.clone(),
            range: self.range.clone(),
            reading: if self.is_total() { Reading::Total } else { Reading::Rows(self.limit) },
        };
        let (columns, schema) = (self.of_columns(), self.schema());
        let name = self.source.name.clone();
        let pages =
            self.runs.join(partition, partitions, || begin(plan, PageMetrics::new(&self.metrics)));
        let rows = super::rows::Rows::new(&name, Arc::clone(&schema), columns);
        let batches = run(pages, rows, self.limit, &self.metrics, partition);
        #[cfg(feature = "distributed")]
        let batches = super::cancel::until_cancelled(&context, batches);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

fn at_most(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}

//! A scan whose pages may be divided, until it is known between how many processes.

use std::{fmt, sync::Arc};

use datafusion::{
    common::{Statistics, tree_node::TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, metrics::MetricsSet,
        statistics::StatisticsArgs,
    },
};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};

use super::division::Division;
use crate::scan::{ApiScanExec, PageRange};

/// A scan, and what its first page has told. It has no filters of joins.
#[derive(Debug)]
pub(super) struct DividedExec {
    /// All of it, in one range.
    whole: Arc<ApiScanExec>,
    division: Division,
}

impl DividedExec {
    pub(super) fn new(scan: &ApiScanExec, division: Division) -> Result<Self> {
        let mut ranges = division.ranges(1).into_iter();
        let range = ranges.next().ok_or_else(|| {
            DataFusionError::Internal("a set has no range of its pages".to_owned())
        })?;
        Ok(Self { whole: Arc::new(scan.of_range(range)), division })
    }

    fn of_range(&self, range: PageRange) -> Arc<dyn ExecutionPlan> {
        Arc::new(self.whole.of_range(range))
    }
}

/// As many tasks as it has pages, of which there are at most as many as workers.
pub(super) fn tasks(
    asked: DesiredTaskCountEvent<'_>,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let pages = asked.plan.downcast_ref::<DividedExec>()?.division.pages.max(1);
    let pages = usize::try_from(pages).unwrap_or(usize::MAX);
    Some(Ok(DesiredTaskCountEventResponse::desired(pages)))
}

/// A range for each task.
pub(super) fn ranges(
    asked: ScaleUpLeafNodeEvent<'_>,
) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let divided = asked.plan.downcast_ref::<DividedExec>()?;
    if asked.task_count < 2 {
        let whole = Arc::clone(&divided.whole) as _;
        return Some(Ok(ScaleUpLeafNodeEventResponse::new(whole)));
    }
    let ranges = divided.division.ranges(asked.task_count).into_iter();
    let variants = ranges.map(|range| divided.of_range(range));
    let leaf = DistributedLeafExec::try_new(Arc::clone(asked.plan), variants);
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
}

impl DisplayAs for DividedExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt_as(format, f)
    }
}

impl ExecutionPlan for DividedExec {
    fn name(&self) -> &'static str {
        "DividedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.whole.properties()
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
        self.whole.metrics()
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        of: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.whole.statistics_from_inputs(inputs, of)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.whole.execute(partition, context)
    }
}

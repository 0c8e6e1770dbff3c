//! Plans as DataFusion does, and then over workers.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{display::PlanType, tree_node::TreeNode},
    datasource::sink::DataSinkExec,
    error::Result,
    execution::context::QueryPlanner,
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, explain::ExplainExec},
    physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner},
};
use datafusion_distributed::{DistributedExec, display_plan_ascii};

use super::{attempt::Attempts, retry::RetryExec};

/// The name of the node for `EXPLAIN ANALYZE` over workers, whose type is private.
const ANALYZE: &str = "DistributedAnalyzeExec";

/// The planner of a session over workers.
#[derive(Debug)]
pub(super) struct WorkerPlanner(pub(super) Attempts);

#[async_trait]
impl QueryPlanner for WorkerPlanner {
    async fn create_physical_plan(
        &self,
        query: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = DefaultPhysicalPlanner::default().create_physical_plan(query, session).await?;
        if let (LogicalPlan::Explain(asked), Some(explained)) =
            (query, plan.downcast_ref::<ExplainExec>())
        {
            let inner = self.create_physical_plan(&asked.plan, session).await?;
            return Ok(explain(explained, inner.as_ref()).unwrap_or(plan));
        }
        let Some(attempt) = self.0.attempt(&plan, session).await? else { return Ok(plan) };
        let is_query = attempt.plan.is::<DistributedExec>();
        if !is_query && attempt.plan.name() != ANALYZE {
            return Ok(attempt.plan);
        }
        let may_repeat = is_query && !writes(&plan)?;
        Ok(Arc::new(RetryExec::new(self.0.clone(), may_repeat.then_some(plan), attempt)))
    }
}

/// Whether a plan does more than to hand out rows, so that it must not be run again.
fn writes(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| Ok(node.is::<DataSinkExec>()))
}

/// The same explanation with the plan over workers. `None` if there is no such plan.
fn explain(explained: &ExplainExec, plan: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let plan = plan.downcast_ref::<RetryExec>().map_or(plan, |retry| retry.first());
    if !plan.is::<DistributedExec>() {
        return None;
    }
    let text = display_plan_ascii(plan, false);
    let each = explained.stringified_plans().iter().cloned();
    let each = each.map(|mut shown| {
        if shown.plan_type == PlanType::FinalPhysicalPlan {
            shown.plan = Arc::new(text.clone());
        }
        shown
    });
    Some(Arc::new(ExplainExec::new(explained.schema(), each.collect(), explained.verbose())))
}

//! Plans of one process as plans over workers.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    error::{DataFusionError, Result},
    execution::{SessionStateBuilder, TaskContext, context::QueryPlanner},
    logical_expr::{LogicalPlan, LogicalPlanBuilder},
    physical_plan::{ExecutionPlan, empty::EmptyExec, placeholder_row::PlaceholderRowExec},
    prelude::SessionConfig,
};
use datafusion_distributed::{DistributedExt, SessionStateBuilderExt};
use futures::future::try_join_all;

use super::{
    codec::ScanCodec,
    divided::DividedExec,
    division::Division,
    workers::{Available, Workers},
};
use crate::scan::ApiScanExec;

/// A plan over workers.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    /// Those that answered when it was made.
    pub(super) workers: Available,
}

/// Divides the pages of scans between the workers that answer.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    pub(super) workers: Workers,
    pub(super) codec: ScanCodec,
}

impl Attempts {
    /// The same plan over workers; `None` for one that this process runs alone.
    ///
    /// # Errors
    /// If no worker answers, or a first page cannot be read.
    pub(super) async fn attempt(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        session: &dyn Session,
    ) -> Result<Option<Attempt>> {
        if !self.may_leave(plan)? {
            return Ok(None);
        }
        let workers = self.workers.ask().await?;
        if workers.len() < 2 {
            return Ok(None);
        }
        let session = SessionStateBuilder::new()
            .with_config(over(session.config(), &workers))
            .with_runtime_env(Arc::clone(session.runtime_env()))
            .build();
        let plan = distributed(self.divided(plan).await?, &session).await?;
        Ok(Some(Attempt { plan, workers }))
    }

    /// Whether workers can run all scans of a plan, and its pages can be divided.
    fn may_leave(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
        let (mut is_known, mut is_divisible) = (true, false);
        plan.apply(|node| {
            if let Some(scan) = node.downcast_ref::<ApiScanExec>() {
                is_known &= self.codec.message(scan).is_some() && !scan.may_look_up();
                is_divisible |= scan.is_divisible();
            } else if node.children().is_empty() {
                is_known &= node.is::<EmptyExec>() || node.is::<PlaceholderRowExec>();
            }
            Ok(if is_known { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })?;
        Ok(is_known && is_divisible)
    }

    /// The same plan, in which first pages have told how the rest of them is divided.
    async fn divided(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut scans = Vec::new();
        plan.apply(|node| {
            if node.is::<ApiScanExec>() {
                scans.push(Arc::clone(node));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let each = scans.into_iter().map(|node| async move {
            Ok::<_, DataFusionError>((place(&node), divided_scan(&node).await?))
        });
        let mut each: HashMap<_, _> = try_join_all(each).await?.into_iter().collect();
        Arc::clone(plan)
            .transform_up(|node| {
                Ok(match each.remove(&place(&node)).flatten() {
                    Some(divided) => Transformed::yes(divided),
                    None => Transformed::no(node),
                })
            })
            .data()
    }
}

/// Tells nodes of a plan apart.
fn place(node: &Arc<dyn ExecutionPlan>) -> usize {
    Arc::as_ptr(node).cast::<()>() as usize
}

/// A scan as workers run it.
async fn divided_scan(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(scan) = node.downcast_ref::<ApiScanExec>() else { return Ok(None) };
    if scan.is_divisible()
        && let Some(division) = Division::of(scan).await?
    {
        return Ok(Some(Arc::new(DividedExec::new(scan, division)?)));
    }
    // Filters that joins fill stay behind.
    Ok(Some(Arc::new(scan.without_look_ups())))
}

/// The settings of a query over these workers.
fn over(config: &SessionConfig, workers: &Available) -> SessionConfig {
    config.clone().with_distributed_worker_resolver(workers.clone())
}

/// The context of a plan over these workers.
pub(super) fn context_over(context: &TaskContext, workers: &Available) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        over(context.session_config(), workers),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}

/// A plan of one process as that of several.
async fn distributed(
    plan: Arc<dyn ExecutionPlan>,
    session: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let mut builder = SessionStateBuilder::new()
        .with_query_planner(Arc::new(Given(plan)))
        .with_distributed_planner();
    let planner = builder.query_planner().take().ok_or_else(|| {
        DataFusionError::Internal("there is no planner for several processes".to_owned())
    })?;
    let nothing = LogicalPlanBuilder::empty(false).build()?;
    planner.create_physical_plan(&nothing, session).await
}

/// Has planned already.
#[derive(Debug)]
struct Given(Arc<dyn ExecutionPlan>);

#[async_trait]
impl QueryPlanner for Given {
    async fn create_physical_plan(
        &self,
        _: &LogicalPlan,
        _: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::clone(&self.0))
    }
}

//! Runs a query over workers once more if one of them was lost before a row was handed out.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::array::RecordBatch,
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        coalesce_partitions::CoalescePartitionsExec, execution_plan::reset_plan_states,
        metrics::MetricsSet, stream::RecordBatchStreamAdapter,
    },
};
use futures::{Stream, StreamExt, stream};

use super::attempt::{Attempt, Attempts, context_over};
use crate::error::SqlError;

/// A query over workers, and what is needed to plan it again.
#[derive(Debug)]
pub(super) struct RetryExec {
    attempts: Attempts,
    /// The plan of one process, if it may be run again.
    plan: Option<Arc<dyn ExecutionPlan>>,
    first: Arc<Attempt>,
}

impl RetryExec {
    pub(super) fn new(
        attempts: Attempts,
        plan: Option<Arc<dyn ExecutionPlan>>,
        first: Attempt,
    ) -> Self {
        Self { attempts, plan, first: Arc::new(first) }
    }

    /// The plan of the first attempt.
    pub(super) fn first(&self) -> &dyn ExecutionPlan {
        self.first.plan.as_ref()
    }
}

/// A query under way.
struct Running {
    rows: Option<SendableRecordBatchStream>,
    /// How many were handed out.
    handed_out: u64,
    again: Option<Again>,
    attempts: Attempts,
    first: Arc<Attempt>,
}

/// What a second attempt is made of.
struct Again {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl Running {
    fn batches(self) -> impl Stream<Item = Result<RecordBatch>> + Send {
        stream::unfold(self, |mut running| async move {
            let batch = running.next().await?;
            Some((batch, running))
        })
    }

    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            match self.rows.as_mut()?.next().await {
                Some(Ok(batch)) => {
                    self.handed_out += batch.num_rows() as u64;
                    return Some(Ok(batch));
                }
                Some(Err(error)) => {
                    // What the other workers do for it ends here.
                    self.rows = None;
                    match self.after(error).await {
                        Ok(rows) => self.rows = Some(rows),
                        Err(error) => return Some(Err(error)),
                    }
                }
                None => {
                    self.rows = None;
                    return None;
                }
            }
        }
    }

    /// The rows of the second attempt.
    ///
    /// # Errors
    /// That of the first one, if all workers are there or there was a second one already; or that a
    /// worker was lost too late.
    async fn after(&mut self, error: DataFusionError) -> Result<SendableRecordBatchStream> {
        let Some(again) = self.again.take() else { return Err(error) };
        let Some(worker) = self.attempts.workers.lost(&self.first.workers).await else {
            return Err(error);
        };
        if self.handed_out > 0 {
            let (worker, rows) = (worker.to_string(), self.handed_out);
            let what = error.strip_backtrace();
            return Err(SqlError::WorkerLost { worker, rows, what }.into());
        }
        again.rows(&self.attempts).await
    }
}

impl Again {
    async fn rows(self, attempts: &Attempts) -> Result<SendableRecordBatchStream> {
        let Self { plan, context } = self;
        let session = SessionStateBuilder::new()
            .with_config(context.session_config().clone())
            .with_runtime_env(context.runtime_env())
            .build();
        let plan = reset_plan_states(plan)?;
        let (plan, context) = match attempts.attempt(&plan, &session).await? {
            Some(Attempt { plan, workers }) => (plan, context_over(&context, &workers)),
            None => (plan, context),
        };
        let plan: Arc<dyn ExecutionPlan> = match plan.properties().partitioning.partition_count() {
            1 => plan,
            _ => Arc::new(CoalescePartitionsExec::new(plan)),
        };
        plan.execute(0, context)
    }
}

impl DisplayAs for RetryExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryExec")
    }
}

impl ExecutionPlan for RetryExec {
    fn name(&self) -> &'static str {
        "RetryExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.first.plan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.first.plan]
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
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [plan]: [Arc<dyn ExecutionPlan>; 1] =
            children.try_into().map_err(|children: Vec<_>| {
                let what = format!("a query has {} plans over workers", children.len());
                DataFusionError::Internal(what)
            })?;
        let first = Attempt { plan, workers: self.first.workers.clone() };
        Ok(Arc::new(Self::new(self.attempts.clone(), self.plan.clone(), first)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.first.plan.metrics()
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let over = context_over(&context, &self.first.workers);
        let rows = self.first.plan.execute(partition, over)?;
        let running = Running {
            rows: Some(rows),
            handed_out: 0,
            again: self.plan.clone().map(|plan| Again { plan, context }),
            attempts: self.attempts.clone(),
            first: Arc::clone(&self.first),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), running.batches())))
    }
}

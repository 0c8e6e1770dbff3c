//! One run of a scan: what is asked for once it begins, and the batches that come of it.

use std::sync::Arc;

use datafusion::{
    arrow::array::RecordBatch,
    error::Result,
    physical_expr::PhysicalExpr,
    physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet},
};
use futures::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use super::{
    look_up::look_up,
    metrics::{PageMetrics, PoolMetrics},
    pages::{Piece, Reading, pages},
    range::PageRange,
    rows::Rows,
};
use crate::{
    pushdown::Request,
    table::{Source, SourceColumn},
};

/// What is read.
pub(super) struct Plan {
    pub(super) source: Arc<Source>,
    pub(super) request: Request,
    pub(super) columns: Vec<SourceColumn>,
    /// The filters that joins have filled when the run begins.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) reading: Reading,
    /// The pages that are read; all if it does not say.
    pub(super) range: Option<Arc<PageRange>>,
}

/// The pages of a run, which begins with the first poll: the other side of a join is known by then.
pub(super) fn begin(plan: Plan, metrics: PageMetrics) -> BoxStream<'static, Result<Piece>> {
    stream::once(opened(plan, metrics)).try_flatten().boxed()
}

async fn opened(plan: Plan, metrics: PageMetrics) -> Result<BoxStream<'static, Result<Piece>>> {
    let Plan { source, request, columns, filters, reading, range } = plan;
    let looked_up = look_up(&source, &request, &columns, &filters);
    let reads = looked_up.map_or_else(|| source.reads(&request), Ok)?;
    let pool = PoolMetrics::since_now(source.pool(), metrics.clone()).await;
    let is_limited = matches!(reading, Reading::Rows(Some(_)));
    Ok(told(pages(source, reads, reading, range, metrics), pool, is_limited).boxed())
}

/// The pages; what the pool did is told at the first and at the end, and at each of a scan that may
/// end before its last page.
fn told(
    pages: BoxStream<'static, Result<Piece>>,
    pool: PoolMetrics,
    is_limited: bool,
) -> impl Stream<Item = Result<Piece>> + Send {
    stream::unfold((pages, pool, true), move |(mut pages, mut pool, is_first)| async move {
        let piece = pages.next().await;
        if is_first || is_limited || piece.is_none() {
            pool.tell().await;
        }
        Some((piece?, (pages, pool, false)))
    })
}

/// A partition that reads.
struct Reader {
    /// None once there are enough rows.
    pages: Option<BoxStream<'static, Result<Piece>>>,
    rows: Rows,
    /// How many rows may follow.
    left: usize,
    counted: BaselineMetrics,
}

/// The batches of a partition, with at most so many rows.
pub(super) fn run(
    pages: BoxStream<'static, Result<Piece>>,
    rows: Rows,
    limit: Option<usize>,
    metrics: &ExecutionPlanMetricsSet,
    partition: usize,
) -> BoxStream<'static, Result<RecordBatch>> {
    let left = limit.unwrap_or(usize::MAX);
    let counted = BaselineMetrics::new(metrics, partition);
    let reader = Reader { pages: (left > 0).then_some(pages), rows, left, counted };
    stream::try_unfold(reader, Reader::next).try_flatten().boxed()
}

impl Reader {
    /// The batches of the next page.
    async fn next(
        mut self,
    ) -> Result<Option<(impl Stream<Item = Result<RecordBatch>> + Send + use<>, Self)>> {
        let Some(mut pages) = self.pages.take() else { return Ok(None) };
        let Some(piece) = pages.try_next().await? else { return Ok(None) };
        let batches = {
            let _timer = self.counted.elapsed_compute().timer();
            self.rows.batches(piece)?
        };
        let (batches, left) = cut(batches, self.left);
        batches.iter().for_each(|batch| self.counted.record_output(batch.num_rows()));
        self.left = left;
        // Nothing more is requested once there are enough.
        self.pages = (left > 0).then_some(pages);
        Ok(Some((stream::iter(batches.into_iter().map(Ok)), self)))
    }
}

/// The first rows of the batches, at most so many, and how many may follow.
fn cut(batches: Vec<RecordBatch>, mut left: usize) -> (Vec<RecordBatch>, usize) {
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        let rows = batch.num_rows().min(left);
        left -= rows;
        if rows > 0 {
            kept.push(batch.slice(0, rows));
        }
    }
    (kept, left)
}

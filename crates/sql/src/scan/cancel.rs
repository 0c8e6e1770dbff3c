//! A scan that is stopped from outside, while whoever began it still holds its stream.

use datafusion::{
    arrow::array::RecordBatch,
    error::{DataFusionError, Result},
    execution::TaskContext,
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio_util::sync::CancellationToken;

/// What stops the scans of a session whose configuration has it as an extension.
pub(crate) struct Cancelled(pub(crate) CancellationToken);

/// The batches, which end with an error as soon as the session is cancelled.
pub(super) fn until_cancelled(
    context: &TaskContext,
    batches: BoxStream<'static, Result<RecordBatch>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let Some(by) = context.session_config().get_extension::<Cancelled>() else { return batches };
    let cancelled = by.0.clone();
    let whole = batches.map(Some).chain(stream::once(async { None }));
    let stopped = whole.take_until(cancelled.cancelled_owned());
    // Without the mark of its end a stream was cut.
    stopped
        .chain(stream::once(async {
            Some(Err(DataFusionError::Execution("the query was cancelled".to_owned())))
        }))
        .take_while(|batch| std::future::ready(batch.is_some()))
        .filter_map(std::future::ready)
        .boxed()
}

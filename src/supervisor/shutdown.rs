//! The graceful shutdown of a pool, in the order that loses no call: close the intake, drain to a
//! deadline, fail the rest, stop and join the workers' Arbiters, stop this thread.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;

use super::{
    actor::{Retire, Supervisor},
    messages::Shutdown,
};
use crate::error::Error;

/// How long a worker's thread may take to end. Only a blocking callback takes longer.
const JOIN_LIMIT: Duration = Duration::from_secs(2);

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown { drain }: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        let dispatcher = Arc::clone(&self.dispatcher);
        let supervisor = ctx.address();
        dispatcher.close_intake();
        Box::pin(async move {
            if tokio::time::timeout(drain, dispatcher.drained(None)).await.is_err() {
                tracing::warn!("calls were still running at the end of the drain");
            }
            dispatcher.fail_all(Error::shutting_down);
            #[cfg(feature = "metrics")]
            let _ = supervisor.send(super::publish_metrics::Publish { last: true }).await;
            dispatcher.blocking().close();
            let Ok(ended) = supervisor.send(Retire).await else { return };
            if tokio::time::timeout(JOIN_LIMIT, ended).await.is_err() {
                tracing::warn!("a worker's thread did not end: a callback blocks it");
            }
        })
    }
}

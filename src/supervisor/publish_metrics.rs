//! Publishes the statistics to the `metrics` facade once a second and at the pool's end. The
//! recorder is a user's code, so this runs on a thread that may block, and no call waits for it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;

use super::actor::Supervisor;
use crate::{blocking::CallbackThreads, lock::lock, stats::Publisher};

/// How often the statistics are published.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How long to wait for one publication, at the pool's end too.
const LIMIT: Duration = Duration::from_secs(1);

/// Publishes what was counted since the last time. A recorder that is still busy gets nothing
/// more; the `last` publication waits for it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish {
    pub(super) last: bool,
}

/// The publisher, and the threads on which the recorder is called.
pub(super) type Publishing = (Arc<Mutex<Publisher>>, Arc<CallbackThreads>);

pub(super) fn publishing(label: String) -> Publishing {
    (Arc::new(Mutex::new(Publisher::new(label))), Arc::default())
}

impl Handler<Publish> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Publish { last }: Publish, _: &mut Self::Context) -> Self::Result {
        let (publisher, threads) = &self.publishing;
        if threads.is_busy() && !last {
            return Box::pin(async {});
        }
        let (publisher, threads) = (Arc::clone(publisher), Arc::clone(threads));
        let (stats, dispatcher) = (self.stats(), Arc::clone(&self.dispatcher));
        Box::pin(async move {
            let Ok(stats) = stats.await else { return };
            let publish = move || lock(&publisher).publish(stats);
            let handed =
                dispatcher.blocking().run(&threads, "the metrics recorder", LIMIT, publish);
            if let Err(error) = handed.await {
                tracing::warn!(%error, "the statistics were not handed to the recorder");
            }
        })
    }
}

//! Hands the statistics to the `metrics` facade once a second and at the pool's end, on a
//! thread aside, since the recorder is a user's: no call knows of it, and none waits for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::prelude::*;

use super::actor::Supervisor;
use crate::{aside::Lane, stats::Publisher};

/// How often what was counted is handed over.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How long a handing over is waited for, at the pool's end too.
const LIMIT: Duration = Duration::from_secs(1);

/// Hands over what was counted since the last time. A recorder that is still at it is not
/// given more; at the `last` time it is waited for.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish {
    pub(super) last: bool,
}

/// The way to the recorder.
pub(super) struct Publishing {
    publisher: Arc<Mutex<Publisher>>,
    lane: Arc<Lane>,
}

impl Publishing {
    pub(super) fn new(label: String) -> Self {
        Self { publisher: Arc::new(Mutex::new(Publisher::new(label))), lane: Arc::default() }
    }
}

impl Handler<Publish> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Publish { last }: Publish, _: &mut Self::Context) -> Self::Result {
        let Publishing { publisher, lane } = &self.publishing;
        if lane.is_busy() && !last {
            return Box::pin(async {});
        }
        let (publisher, lane) = (Arc::clone(publisher), Arc::clone(lane));
        let (stats, dispatcher) = (self.stats(), Arc::clone(&self.dispatcher));
        Box::pin(async move {
            let Ok(stats) = stats.await else { return };
            let publish = move || {
                publisher.lock().unwrap_or_else(PoisonError::into_inner).publish(stats);
            };
            let handed = dispatcher.aside().run(&lane, "the metrics recorder", LIMIT, publish);
            if let Err(error) = handed.await {
                tracing::warn!(%error, "the statistics were not handed to the recorder");
            }
        })
    }
}

//! The slots of a process: each is a worker of the queue, again and again.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::message::Handling;
use crate::{
    Error,
    dispatch::Handler,
    store::{LIMIT, within},
};

/// The first wait before a slot begins again after an error of the database, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest one.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The least time after which the queue takes messages away from a worker that is silent. It counts
/// whole seconds, and takes what was handed out just now with fewer.
pub(super) const LEAST_SILENCE: Duration = Duration::from_secs(3);

/// How many heartbeats a worker of the queue may miss.
pub(super) fn missed(heartbeat: Duration) -> usize {
    let silence = (heartbeat * 3).max(LEAST_SILENCE);
    let missed = silence.as_millis().div_ceil(heartbeat.as_millis().max(1));
    usize::try_from(missed).unwrap_or(usize::MAX)
}

/// A slot of a process.
pub(super) trait Slot: Clone + Send + 'static {
    /// The name with which those of its workers begin.
    fn name(&self) -> &str;

    /// Handles one message after another under this name, until it is stopped or the database fails.
    fn work(
        &self,
        name: &str,
        handling: Handling,
        stopped: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> impl Future<Output = Result<(), apalis::prelude::WorkerError>> + Send;

    /// Gives back the messages that a worker had fetched when it ended.
    fn release(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Has `slots` messages handled at a time, until `stop` is true.
pub(super) async fn run(
    slot: impl Slot,
    handler: Arc<dyn Handler>,
    slots: usize,
    stop: watch::Receiver<bool>,
) {
    let mut all = JoinSet::new();
    for _ in 0..slots {
        all.spawn(keep(slot.clone(), Handling(Arc::clone(&handler)), stop.clone()));
    }
    while let Some(ended) = all.join_next().await {
        if let Err(error) = ended {
            tracing::warn!(%error, "a slot has ended before its time");
        }
    }
}

/// Any error of the database ends a worker of the queue, with what it was doing; another one begins, under
/// another name: one that comes back under the same name finds messages that nobody handles any more, or
/// is refused. One worker does one message at a time, since results are accepted by the name of the worker
/// alone.
async fn keep(slot: impl Slot, handling: Handling, mut stop: watch::Receiver<bool>) {
    let mut wait = FIRST_WAIT;
    while !*stop.borrow() {
        let name = format!("{} {}", slot.name(), Uuid::new_v4().simple());
        let begun = Instant::now();
        let worked = slot.work(&name, handling.clone(), stopped(stop.clone())).await;
        if let Err(error) = worked {
            tracing::warn!(%error, "a worker of the queue has ended");
        }
        if let Err(error) = within(LIMIT, slot.release(&name)).await {
            tracing::warn!(%error, "messages wait until their worker is missed");
        }
        if begun.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        let _ = timeout(wait, stop.wait_for(|stop| *stop)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Without a sender nobody will stop it: then it ends as well.
async fn stopped(mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let _ = stop.wait_for(|stop| *stop).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_taken_away_from_a_worker_before_it_could_say_that_it_is_alive() {
        for millis in [200, 400, 1_000, 10_000] {
            let heartbeat = Duration::from_millis(millis);
            let silence = heartbeat * u32::try_from(missed(heartbeat)).unwrap();
            assert!(silence >= heartbeat * 3 && silence >= LEAST_SILENCE, "{silence:?}");
        }
    }
}

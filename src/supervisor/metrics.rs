//! Hands the statistics to the `metrics` facade once a second and at the pool's end, on the
//! control thread: no call knows of it.

use std::time::Duration;

use actix::prelude::*;

use super::actor::Supervisor;

/// How often what was counted is handed over.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Hands over what was counted since the last time.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish;

impl Handler<Publish> for Supervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Publish, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.stats().into_actor(self).map(|stats, supervisor, _| {
            if let Ok(stats) = stats {
                supervisor.publisher.publish(stats);
            }
        }))
    }
}

//! Actors that subscribe to the pool's events. Knows nothing of what the events mean.

use actix::prelude::*;
use tokio::sync::broadcast::error::RecvError;

use super::{actor::Supervisor, messages::Subscribe};
use crate::events::Event;

impl Handler<Subscribe> for Supervisor {
    type Result = ();

    /// One event at a time is in the observer's mailbox; the others wait in the buffer that all
    /// receivers share, where the oldest are dropped first.
    fn handle(&mut self, Subscribe(observer): Subscribe, _: &mut Self::Context) {
        let mut events = self.dispatcher.events().listen();
        actix_rt::spawn(async move {
            loop {
                let event = match events.recv().await {
                    Ok(event) => event,
                    Err(RecvError::Lagged(events)) => Event::Missed { events },
                    Err(RecvError::Closed) => return,
                };
                if observer.send(event).await.is_err() {
                    return;
                }
            }
        });
    }
}

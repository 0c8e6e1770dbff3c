//! Actors that want to hear what happens in the pool. Knows nothing of what that is.

use actix::prelude::*;
use tokio::sync::broadcast::error::RecvError;

use super::{actor::Supervisor, messages::Subscribe};
use crate::events::Event;

impl Handler<Subscribe> for Supervisor {
    type Result = ();

    /// One event at a time is in the observer's mailbox; the others wait in the room that
    /// all listeners share, and there the oldest give way.
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

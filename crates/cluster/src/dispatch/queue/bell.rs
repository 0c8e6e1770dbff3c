//! Wakes the slots of a process when a message comes: by one connection that listens for them all in
//! PostgreSQL, or since the process itself has pushed it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use apalis_postgres::PgPool;
use futures::channel::mpsc::{Receiver, Sender, channel};
use sqlx::postgres::PgListener;

/// Where the queue tells of each message.
const CHANNEL: &str = "apalis::job::insert";

/// The wait before it listens again, after an error of the database.
const RETRY: Duration = Duration::from_secs(1);

/// Tells all slots of a process that there may be a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Bell {
    slots: Arc<Mutex<Vec<Sender<()>>>>,
}

impl Bell {
    /// What says so to one slot, until it is dropped. However often, it is said once.
    pub(super) fn heard(&self) -> Receiver<()> {
        let (sender, receiver) = channel(0);
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    pub(super) fn ring(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was told already is full.
        slots.retain_mut(|slot| slot.try_send(()).err().is_none_or(|error| error.is_full()));
    }

    /// Listens until it is dropped. What is missed meanwhile is found by whoever looks from time to time.
    pub(super) async fn listen(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.listen_once(pool).await {
                tracing::debug!(%error, "messages are looked for instead of listened for");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        // Those that came before that.
        self.ring();
        loop {
            // `None` is a connection that was lost, and is there again: messages may have come.
            listener.try_recv().await?;
            while listener.next_buffered().is_some() {}
            self.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn each_slot_is_told_once_however_often_it_rings_and_those_that_are_gone_are_forgotten() {
        let bell = Bell::default();
        let (mut one, other) = (bell.heard(), bell.heard());
        bell.ring();
        bell.ring();
        assert_eq!(one.next().now_or_never(), Some(Some(())));
        assert_eq!(one.next().now_or_never(), None);
        drop(other);
        bell.ring();
        assert_eq!(bell.slots.lock().unwrap().len(), 1);
        assert_eq!(one.next().now_or_never(), Some(Some(())));
    }
}

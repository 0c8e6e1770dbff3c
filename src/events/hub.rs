//! Delivers events to subscribers. Knows nothing of what they mean.

use std::{
    fmt,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::broadcast;

use super::Event;
use crate::lock::lock;

/// How far a receiver may fall behind before it misses events: 200 ms of 10,000 attempts
/// per second. The buffer, about 300 KiB, is allocated for the first receiver.
const CAPACITY: usize = 4096;

/// The channel from a pool to its receivers.
#[derive(Default)]
pub(crate) struct Events {
    /// Whether there may be a receiver.
    is_heard: AtomicBool,
    sender: OnceLock<broadcast::Sender<Event>>,
    /// Held while `is_heard` changes, so that no receiver is missed.
    turn: Mutex<()>,
}

impl Events {
    /// Emits an event. Without receivers this is one relaxed load.
    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if self.is_heard.load(Ordering::Relaxed) {
            self.send(event());
        }
    }

    #[cold]
    fn send(&self, event: Event) {
        let Some(sender) = self.sender.get() else { return };
        if sender.send(event).is_err() {
            let _turn = lock(&self.turn);
            self.is_heard.store(sender.receiver_count() > 0, Ordering::Relaxed);
        }
    }

    /// A receiver of all events from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        let _turn = lock(&self.turn);
        let listener = self.sender.get_or_init(|| broadcast::Sender::new(CAPACITY)).subscribe();
        self.is_heard.store(true, Ordering::Relaxed);
        listener
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("is_heard", &self.is_heard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(worker: usize) -> Event {
        Event::WorkerDied { worker }
    }

    #[test]
    fn an_event_is_made_only_while_somebody_listens() {
        let events = Events::default();
        let unheard = || -> Event { panic!("nobody listens") };
        events.emit(unheard);
        let mut listener = events.listen();
        events.emit(|| died(1));
        assert_eq!(listener.try_recv(), Ok(died(1)));
        drop(listener);
        // The first event after the last receiver is gone finds that out.
        events.emit(|| died(2));
        events.emit(unheard);
        let mut another = events.listen();
        events.emit(|| died(3));
        assert_eq!(another.try_recv(), Ok(died(3)));
    }

    #[test]
    fn listeners_hear_the_same_in_the_same_order_whatever_thread_speaks() {
        let events = Events::default();
        let mut listeners = [events.listen(), events.listen()];
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let events = &events;
                scope.spawn(move || (0..500).for_each(|n| events.emit(|| died(thread * 1000 + n))));
            }
        });
        let [first, second] = listeners
            .each_mut()
            .map(|listener| std::iter::from_fn(|| listener.try_recv().ok()).collect::<Vec<_>>());
        assert_eq!(first.len(), 2000);
        assert_eq!(first, second);
    }

    #[test]
    fn a_listener_that_lags_is_told_how_much_it_missed() {
        let events = Events::default();
        let mut listener = events.listen();
        (0..CAPACITY + 3).for_each(|n| events.emit(|| died(n)));
        let lagged = broadcast::error::TryRecvError::Lagged(3);
        assert_eq!(listener.try_recv(), Err(lagged));
        assert_eq!(listener.try_recv(), Ok(died(3)));
    }

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 48, "{}", size_of::<Event>());
    }
}

//! [pure] Which pages of a stream are taken apart where they arrive, on a worker's thread,
//! while the consumer is busy with others. The rest waits as bytes, which are a fraction of
//! the size, for the consumer's own thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So many pages wait for a consumer that is behind.
const BACKLOG: u64 = 2;
/// A larger page would keep a worker from its connections for too long, in bytes.
const LARGEST: usize = 256 * 1024;

/// How far a stream has come. Shared by the workers and the consumer.
#[derive(Debug, Default)]
pub(super) struct Share {
    arrived: AtomicU64,
    decoded: AtomicU64,
    taken: AtomicU64,
}

impl Share {
    /// Counts a page that arrives, and returns whether to take it apart at once: when the
    /// consumer has fallen behind, but not more pages than it has taken, so that nothing is
    /// built for a consumer that does not read.
    pub(super) fn arrive(&self, bytes: usize) -> bool {
        let arrived = self.arrived.fetch_add(1, Relaxed) + 1;
        let taken = self.taken.load(Relaxed);
        let is_behind = arrived.saturating_sub(taken) > BACKLOG;
        is_behind
            && bytes <= LARGEST
            && self
                .decoded
                .fetch_update(Relaxed, Relaxed, |it| (it < taken).then(|| it + 1))
                .is_ok()
    }

    /// Counts a page that the consumer takes.
    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_decoded_for_a_consumer_that_does_not_read() {
        let share = Share::default();
        assert!((0..100).all(|_| !share.arrive(1000)));
        share.take();
        assert!(share.arrive(1000));
        assert!((0..100).all(|_| !share.arrive(1000)));
    }

    #[test]
    fn nothing_is_decoded_for_a_consumer_that_keeps_up() {
        let share = Share::default();
        for _ in 0..100 {
            assert!(!share.arrive(1000));
            share.take();
        }
    }

    #[test]
    fn a_large_page_waits_for_the_consumer() {
        let share = Share::default();
        share.take();
        assert!((0..9).all(|_| !share.arrive(LARGEST + 1)));
        assert!(share.arrive(LARGEST));
    }
}

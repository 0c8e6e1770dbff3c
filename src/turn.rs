//! Long work on a thread that others need too: after some milliseconds the thread is given back
//! before the work goes on. Works on any executor, and knows nothing of what is done.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long a turn may take.
const LONGEST: Duration = Duration::from_millis(3);

/// So much work is done between two looks at the clock.
pub(crate) const UNLOOKED: usize = 32 * 1024;

/// So much work ends a turn, whatever the clock says.
const MOST: usize = 1024 * 1024;

/// The work of one item, beside that of its bytes: a unit is about what it takes to read a byte
/// of JSON.
pub(crate) const ITEM: usize = 32;

/// The turns of one piece of work.
#[derive(Default)]
pub(crate) struct Turn {
    /// When the clock was first looked at.
    began: Option<Instant>,
    done: usize,
    /// How much was done when the clock was last looked at.
    looked: usize,
}

impl Turn {
    /// So much was done.
    pub(crate) fn work(&mut self, units: usize) {
        self.done = self.done.saturating_add(units);
    }

    /// Whoever does the work waits for something else.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// Ready while the turn lasts. When it is over, the thread is given back once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.done - self.looked < UNLOOKED {
            return Poll::Ready(());
        }
        self.looked = self.done;
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if self.done < MOST && now.saturating_duration_since(began) < LONGEST {
            return Poll::Ready(());
        }
        self.end();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Goes on at once while the turn lasts, and else in the next one.
    pub(crate) async fn pause(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// Drops what `next` hands out, turn by turn.
pub(crate) async fn drop_all<T>(mut next: impl FnMut() -> Option<T>) {
    let mut turn = Turn::default();
    while next().is_some() {
        turn.work(ITEM);
        turn.pause().await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_turn_ends_after_so_much_work_at_the_latest_and_another_one_begins() {
        let mut turn = Turn::default();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut done = 0;
            while turn.poll(&mut cx).is_ready() {
                turn.work(UNLOOKED / 2);
                done += UNLOOKED / 2;
            }
            assert!((UNLOOKED..=MOST).contains(&done), "{done}");
        }
        turn.work(usize::MAX);
        turn.work(usize::MAX);
        assert!(turn.poll(&mut cx).is_pending() && turn.poll(&mut cx).is_ready());
    }
}

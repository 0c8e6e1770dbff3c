//! Cooperative scheduling: long work yields to the other tasks of its thread every few
//! milliseconds, on any executor. Knows nothing of the work itself.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long work may go on without a yield.
const LONGEST: Duration = Duration::from_millis(3);

/// How much work is done between two looks at the clock.
pub(crate) const CHECKED_EVERY: usize = 32 * 1024;

/// After this much work there is a yield, whatever the clock says.
const MOST: usize = 1024 * 1024;

/// Work of so many units that cannot be interrupted would take too long for a poll: it is done on a
/// thread for long work.
pub(crate) const LONG_WORK: usize = 256 * 1024;

/// The work of one item, besides that of its bytes. A unit is about the work of reading a byte of
/// JSON.
pub(crate) const ITEM_COST: usize = 32;

/// How much work one task may do before it yields.
#[derive(Default)]
pub(crate) struct CoopBudget {
    /// When the clock was first looked at.
    began: Option<Instant>,
    spent: usize,
    /// How much was spent when the clock was last looked at.
    checked: usize,
}

impl CoopBudget {
    /// Records that this much work was done.
    pub(crate) fn spend(&mut self, units: usize) {
        self.spent = self.spent.saturating_add(units);
    }

    /// Starts afresh, because the task waits for something else or has yielded.
    pub(crate) fn renew(&mut self) {
        *self = Self::default();
    }

    /// Ready while some of the budget is left. Once it is spent, this is pending once and wakes the
    /// task at once; the budget is full again after that.
    pub(crate) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.spent - self.checked < CHECKED_EVERY {
            return Poll::Ready(());
        }
        self.checked = self.spent;
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if self.spent < MOST && now.saturating_duration_since(began) < LONGEST {
            return Poll::Ready(());
        }
        self.renew();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Yields if the budget is spent.
    pub(crate) async fn yield_if_spent(&mut self) {
        poll_fn(|cx| self.poll_proceed(cx)).await;
    }
}

/// Drops what `next` returns, and yields now and then.
pub(crate) async fn drop_all<T>(mut next: impl FnMut() -> Option<T>) {
    let mut coop = CoopBudget::default();
    while next().is_some() {
        coop.spend(ITEM_COST);
        coop.yield_if_spent().await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_budget_is_spent_by_so_much_work_at_the_latest_and_whole_again_after_a_yield() {
        let mut coop = CoopBudget::default();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut done = 0;
            while coop.poll_proceed(&mut cx).is_ready() {
                coop.spend(CHECKED_EVERY / 2);
                done += CHECKED_EVERY / 2;
            }
            assert!((CHECKED_EVERY..=MOST).contains(&done), "{done}");
        }
        coop.spend(usize::MAX);
        coop.spend(usize::MAX);
        let polls = [(); 2].map(|()| coop.poll_proceed(&mut cx));
        assert_eq!(polls, [Poll::Pending, Poll::Ready(())]);
    }
}

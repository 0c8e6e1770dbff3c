//! How many requests may be on the wire at a time. The number may change while permits
//! are out: what is too much then is forgotten as it comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Permit, Permits};

/// Permits whose number can shrink.
pub(crate) struct Capacity {
    permits: Arc<Permits>,
    size: AtomicUsize,
    /// Permits that are out or idle and shall not be given again.
    owed: AtomicUsize,
}

impl Capacity {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            permits: Arc::new(Permits::new(size)),
            size: AtomicUsize::new(size),
            owed: AtomicUsize::new(0),
        }
    }

    pub(crate) fn permits(&self) -> &Arc<Permits> {
        &self.permits
    }

    /// How many permits there are to be.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Changes the number of permits. One caller at a time.
    pub(crate) fn resize(&self, size: usize) {
        let before = self.size.swap(size, Ordering::Relaxed);
        if let Some(fewer) = before.checked_sub(size) {
            self.owed.fetch_add(fewer, Ordering::AcqRel);
            self.settle();
        } else {
            let more = size - before;
            let mut kept = 0;
            self.update_owed(|owed| {
                kept = owed.min(more);
                Some(owed - kept)
            });
            self.permits.add(more - kept);
        }
    }

    /// Forgets what is owed, as far as permits are idle.
    pub(crate) fn settle(&self) {
        if self.owed.load(Ordering::Acquire) == 0 {
            return;
        }
        let owed = self.owed.swap(0, Ordering::AcqRel);
        let forgotten = self.permits.forget(owed);
        self.owed.fetch_add(owed - forgotten, Ordering::AcqRel);
    }

    /// Takes a permit back.
    pub(super) fn take_back(&self, permit: Permit) {
        if self.owed.load(Ordering::Acquire) > 0 && self.update_owed(|owed| owed.checked_sub(1)) {
            permit.forget();
        }
    }

    fn update_owed(&self, update: impl FnMut(usize) -> Option<usize>) -> bool {
        self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take,
        TakeBack,
        Resize(usize),
        Settle,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            3 => Just(Step::TakeBack),
            2 => (1..20usize).prop_map(Step::Resize),
            1 => Just(Step::Settle),
        ]
    }

    proptest! {
        #[test]
        fn permits_follow_the_size_and_none_is_given_beyond_it(
            steps in prop::collection::vec(step(), 0..200)
        ) {
            let capacity = Capacity::new(8);
            let mut out = Vec::new();
            for step in steps {
                match step {
                    Step::Take => {
                        if let Ok(permit) = capacity.permits().try_acquire() {
                            prop_assert!(out.len() < capacity.size());
                            out.push(permit);
                        }
                    }
                    Step::TakeBack => {
                        if let Some(permit) = out.pop() {
                            capacity.take_back(permit);
                        }
                    }
                    Step::Resize(size) => capacity.resize(size),
                    Step::Settle => capacity.settle(),
                }
                // Whoever may go, may go: nothing is withheld.
                let free = capacity.size().saturating_sub(out.len());
                prop_assert_eq!(capacity.permits().available(), free);
            }
            out.into_iter().for_each(|permit| capacity.take_back(permit));
            prop_assert_eq!(capacity.permits().available(), capacity.size());
        }
    }
}

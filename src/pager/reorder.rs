//! [pure] Puts what arrives in any order back into its order.

use std::collections::VecDeque;

/// A window of things that are waited for, from the next one on.
pub(super) struct Reorder<T> {
    next: u64,
    window: VecDeque<Option<T>>,
}

impl<T> Reorder<T> {
    /// Waits for `next` first.
    pub(super) fn from(next: u64) -> Self {
        Self { next, window: VecDeque::new() }
    }

    /// Takes in what has this index. An index that has already left is dropped.
    pub(super) fn insert(&mut self, index: u64, item: T) {
        let Some(place) =
            index.checked_sub(self.next).and_then(|place| usize::try_from(place).ok())
        else {
            return;
        };
        if self.window.len() <= place {
            self.window.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.window.get_mut(place) {
            *slot = Some(item);
        }
    }

    /// The next one in order, if it is here.
    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.window.front_mut()?.take()?;
        self.window.pop_front();
        self.next += 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_order_of_arrival_all_leave_in_order(arrivals in Just((0_u64..64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut reorder = Reorder::from(0);
            let mut left = Vec::new();
            for index in arrivals {
                reorder.insert(index, index * 7);
                left.extend(std::iter::from_fn(|| reorder.pop()));
            }
            prop_assert_eq!(left, (0..64).map(|index| index * 7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_has_left_does_not_come_back() {
        let mut reorder = Reorder::from(0);
        reorder.insert(0, 'a');
        assert_eq!(reorder.pop(), Some('a'));
        reorder.insert(0, 'b');
        assert_eq!(reorder.pop(), None);
    }
}

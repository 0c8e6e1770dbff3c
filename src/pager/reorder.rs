//! [pure] Reorders what arrives out of order.

use std::collections::VecDeque;

/// A window of awaited items, from the next one on.
pub(super) struct Reorder<T> {
    next: u64,
    window: VecDeque<Option<T>>,
}

impl<T> Reorder<T> {
    /// Waits for `next` first.
    pub(super) fn from(next: u64) -> Self {
        Self { next, window: VecDeque::new() }
    }

    /// Inserts the item with this index. An index that was already delivered is dropped.
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

    /// All items that are next in order and have arrived.
    pub(super) fn take_ready(&mut self) -> Vec<T> {
        let ready = self.window.iter().take_while(|item| item.is_some()).count();
        self.next += ready as u64;
        let mut items = Vec::with_capacity(ready);
        items.extend(self.window.drain(..ready).flatten());
        items
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
                left.extend(reorder.take_ready());
            }
            prop_assert_eq!(left, (0..64).map(|index| index * 7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_has_left_does_not_come_back() {
        let mut reorder = Reorder::from(0);
        reorder.insert(0, 'a');
        assert_eq!(reorder.take_ready(), ['a']);
        reorder.insert(0, 'b');
        assert!(reorder.take_ready().is_empty());
    }
}

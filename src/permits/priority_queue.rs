//! [pure] A queue by priority, first come, first served among equals. Knows nothing of what is
//! waited for.

use std::fmt;

use super::arrivals::Arrivals;
use crate::priority::Priority;

/// How often in a row a waiting priority may be passed over.
const MOST_PASSED: u32 = 15;

/// Waiting entries by [`Priority`]: the most urgent first, in the order of their arrival among
/// equals. One that was passed over fifteen times in a row has its turn.
pub struct Queue<T> {
    /// From the most urgent down.
    ranks: [Arrivals<T>; Priority::COUNT],
    /// How often each rank was passed over since its turn.
    passed: [u32; Priority::COUNT],
}

/// A position in the queue.
#[derive(Clone, Copy, Debug)]
pub struct QueuePosition {
    rank: usize,
    number: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { ranks: Default::default(), passed: [0; Priority::COUNT] }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    /// Adds an entry behind those of its priority.
    pub fn push(&mut self, priority: Priority, value: T) -> QueuePosition {
        let rank = priority.rank();
        if self.ranks[rank].is_empty() {
            self.passed[rank] = 0;
        }
        QueuePosition { rank, number: self.ranks[rank].push(value) }
    }

    /// The next entry.
    pub fn first(&self) -> Option<&T> {
        self.ranks[self.turn()?].first()
    }

    /// Removes the next entry: that was its turn.
    pub fn pop(&mut self) -> Option<T> {
        let turn = self.turn()?;
        self.passed[turn] = 0;
        for rank in turn + 1..Priority::COUNT {
            self.passed[rank] += u32::from(!self.ranks[rank].is_empty());
        }
        self.ranks[turn].pop()
    }

    /// Removes the next entry without using up its turn: it no longer waits.
    pub fn skip(&mut self) -> Option<T> {
        self.ranks[self.turn()?].pop()
    }

    /// The entry at `place`, unless it has left.
    pub fn get_mut(&mut self, place: QueuePosition) -> Option<&mut T> {
        self.ranks[place.rank].get_mut(place.number)
    }

    /// Removes the entry at `place`, unless it has left.
    pub fn remove(&mut self, place: QueuePosition) -> Option<T> {
        self.ranks[place.rank].remove(place.number)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.ranks.iter().all(Arrivals::is_empty)
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.ranks.iter().map(Arrivals::len).sum()
    }

    /// How many entries go before a new one of `priority`, not counting those that get a turn
    /// because they were passed over too often.
    pub fn ahead_of(&self, priority: Priority) -> usize {
        self.ranks[..=priority.rank()].iter().map(Arrivals::len).sum()
    }

    /// Whether `place` is next.
    pub fn is_first(&self, place: QueuePosition) -> bool {
        self.turn() == Some(place.rank) && self.ranks[place.rank].is_first(place.number)
    }

    /// How many entries go before `place`, as with [`ahead_of`](Self::ahead_of); `None` once it has
    /// left.
    pub fn ahead(&self, place: QueuePosition) -> Option<usize> {
        let more_urgent: usize = self.ranks[..place.rank].iter().map(Arrivals::len).sum();
        self.ranks[place.rank].ahead(place.number).map(|equals| more_urgent + equals)
    }

    /// Removes the entries for which `stays` is false.
    pub fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        self.ranks.iter_mut().for_each(|rank| rank.retain(&mut stays));
    }

    /// All entries, in any order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.ranks.iter().flat_map(Arrivals::values)
    }

    /// All entries, in any order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.ranks.iter_mut().flat_map(Arrivals::values_mut)
    }

    /// Removes all entries.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.ranks.each_mut().map(Arrivals::drain).into_iter().flatten()
    }

    /// The rank whose turn it is: the least urgent that was passed over too often, or else
    /// the most urgent.
    fn turn(&self) -> Option<usize> {
        let waits = |rank: &usize| !self.ranks[*rank].is_empty();
        let is_due = |rank: &usize| waits(rank) && self.passed[*rank] >= MOST_PASSED;
        (0..Priority::COUNT).rev().find(is_due).or_else(|| (0..Priority::COUNT).find(waits))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    #[test]
    fn the_more_urgent_go_first_and_equals_in_the_order_they_came() {
        let mut queue = Queue::default();
        for n in 0..3 {
            for priority in [Priority::Low, Priority::High, Priority::Normal] {
                queue.push(priority, (priority, n));
            }
        }
        assert_eq!(queue.ahead_of(Priority::Normal), 6);
        let last = queue.push(Priority::Normal, (Priority::Normal, 3));
        assert_eq!((queue.ahead(last), queue.is_first(last)), (Some(6), false));
        queue.remove(last);
        assert_eq!((queue.ahead(last), queue.is_first(last)), (None, false));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, ALL.map(|priority| [0, 1, 2].map(|n| (priority, n))).concat());
    }

    #[test]
    fn one_that_leaves_costs_nobody_a_turn() {
        let mut queue = Queue::default();
        let places: Vec<_> = (0..40).map(|n| queue.push(Priority::High, n)).collect();
        queue.push(Priority::Low, 100);
        assert_eq!(places.into_iter().step_by(2).filter_map(|at| queue.remove(at)).count(), 20);
        queue.skip();
        assert_eq!(queue.first().copied(), Some(3));
        assert_eq!(queue.pop(), Some(3));
        queue.retain(|n| *n == 100);
        assert_eq!(queue.drain().collect::<Vec<_>>(), [100]);
        assert!(queue.is_empty() && queue.pop().is_none());
        // The place of one that has left is nobody else's.
        let place = queue.push(Priority::High, 1);
        assert_eq!(queue.drain().collect::<Vec<_>>(), [1]);
        queue.push(Priority::High, 2);
        assert!(queue.get_mut(place).is_none() && queue.remove(place).is_none());
        assert_eq!(queue.pop(), Some(2));
    }

    proptest! {
        /// Each entry that leaves is the first of its rank, and none is passed over for long.
        #[test]
        fn nobody_starves_and_the_order_holds(
            steps in prop::collection::vec(prop::option::weighted(0.6, 0..3usize), 1..600)
        ) {
            let mut queue = Queue::default();
            let mut waiting: [VecDeque<usize>; 3] = Default::default();
            let mut passed = [0; 3];
            for (n, step) in steps.into_iter().enumerate() {
                if let Some(rank) = step {
                    if waiting[rank].is_empty() {
                        passed[rank] = 0;
                    }
                    queue.push(ALL[rank], n);
                    waiting[rank].push_back(n);
                } else if let Some(popped) = queue.pop() {
                    let rank = waiting.iter().position(|all| all.front() == Some(&popped));
                    prop_assert!(rank.is_some(), "not the first of its kind");
                    let rank = rank.unwrap();
                    let overtakes = waiting[..rank].iter().any(|higher| !higher.is_empty());
                    prop_assert!(!overtakes || passed[rank] >= MOST_PASSED);
                    waiting[rank].pop_front();
                    passed[rank] = 0;
                    for lower in rank + 1..3 {
                        passed[lower] += u32::from(!waiting[lower].is_empty());
                        // Both of the lower ones may be due.
                        prop_assert!(passed[lower] <= MOST_PASSED + 1);
                    }
                }
            }
        }
    }
}

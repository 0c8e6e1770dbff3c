//! [pure] Entries in the order of their arrival, any of which may leave before its turn. Knows
//! nothing of priorities.

use std::{collections::VecDeque, mem};

/// So many gaps, or room for so many entries, cost less than to close or free them.
const SPARE: usize = 64;

/// A queue whose entries have numbers, by which they are found. It allocates when it grows beyond
/// its former length, and not for each entry.
pub(super) struct Arrivals<T> {
    /// In the order of their numbers. Where one has left from the middle there is a gap; the first
    /// and the last are entries.
    entries: VecDeque<(u64, Option<T>)>,
    /// How many of them are not gaps.
    len: usize,
    /// The number of the next one.
    next: u64,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), len: 0, next: 0 }
    }
}

impl<T> Arrivals<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry, and returns its number.
    pub(super) fn push(&mut self, value: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.entries.push_back((number, Some(value)));
        self.len += 1;
        number
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.entries.front()?.1.as_ref()
    }

    pub(super) fn is_first(&self, number: u64) -> bool {
        self.entries.front().is_some_and(|(first, _)| *first == number)
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, value) = self.entries.pop_front()?;
        self.len -= 1;
        self.tidy();
        value
    }

    /// The place of a number among the entries.
    fn find(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |(number, _)| *number).ok()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let at = self.find(number)?;
        self.entries.get_mut(at)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let at = self.find(number)?;
        let value = self.entries.get_mut(at)?.1.take()?;
        self.len -= 1;
        self.tidy();
        Some(value)
    }

    /// How many entries came before the one of this number; `None` once it has left.
    pub(super) fn ahead(&self, number: u64) -> Option<usize> {
        let at = self.find(number).filter(|at| self.entries[*at].1.is_some())?;
        // Most entries that ask came last.
        Some(self.len - self.entries.range(at..).filter(|(_, value)| value.is_some()).count())
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        self.entries.retain(|(_, value)| value.as_ref().is_some_and(&mut stays));
        self.len = self.entries.len();
        self.tidy();
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    /// Removes all entries. Their numbers are not given again.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.len = 0;
        mem::take(&mut self.entries).into_iter().filter_map(|(_, value)| value)
    }

    /// Has an entry at both ends, and neither many gaps nor much room that nobody needs.
    fn tidy(&mut self) {
        while self.entries.pop_front_if(|(_, value)| value.is_none()).is_some() {}
        while self.entries.pop_back_if(|(_, value)| value.is_none()).is_some() {}
        if self.entries.len() > self.len * 2 + SPARE {
            self.entries.retain(|(_, value)| value.is_some());
        }
        if self.entries.capacity() > self.len * 4 + SPARE {
            self.entries.shrink_to(self.len * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_who_leave_while_the_first_stays_take_no_room() {
        let mut arrivals = Arrivals::default();
        let first = arrivals.push(0);
        let mut last = arrivals.push(0);
        for n in 0..10_000 {
            let next = arrivals.push(n);
            assert_eq!(arrivals.remove(last), Some(if n == 0 { 0 } else { n - 1 }));
            last = next;
        }
        assert!(arrivals.entries.capacity() < 1_000, "{}", arrivals.entries.capacity());
        assert_eq!((arrivals.len(), arrivals.ahead(last)), (2, Some(1)));
        assert!(arrivals.is_first(first) && arrivals.get_mut(last).is_some());
    }

    #[test]
    fn a_crowd_leaves_no_room_behind() {
        let mut arrivals = Arrivals::default();
        for n in 0..100_000 {
            arrivals.push(n);
        }
        while arrivals.pop().is_some() {}
        assert!(arrivals.entries.capacity() <= SPARE, "{}", arrivals.entries.capacity());
    }

    proptest! {
        /// As a list of numbers and values from which any may be taken.
        #[test]
        fn each_entry_is_where_it_came(steps in prop::collection::vec((0..8u8, 0..400usize), 0..600)) {
            let mut arrivals = Arrivals::default();
            let mut all: Vec<u64> = Vec::new();
            let mut given = Vec::new();
            for (step, n) in steps {
                match step {
                    0..4 => {
                        let number = arrivals.push(given.len());
                        given.push(number);
                        all.push(number);
                    }
                    4 => {
                        let first = (!all.is_empty()).then(|| all.remove(0));
                        prop_assert_eq!(arrivals.pop().map(|value| given[value]), first);
                    }
                    5 | 6 if !given.is_empty() => {
                        let number = given[n % given.len()];
                        let at = all.iter().position(|other| *other == number);
                        prop_assert_eq!(arrivals.ahead(number), at);
                        prop_assert_eq!(arrivals.get_mut(number).is_some(), at.is_some());
                        let removed = arrivals.remove(number).map(|value| given[value]);
                        prop_assert_eq!(removed, at.map(|at| all.remove(at)));
                    }
                    7 if n < 20 => {
                        arrivals.retain(|value| value % 3 > 0);
                        all.retain(|number| given.iter().position(|own| own == number).unwrap() % 3 > 0);
                    }
                    7 if n < 24 => {
                        let drained: Vec<_> = arrivals.drain().map(|value| given[value]).collect();
                        prop_assert_eq!(drained, std::mem::take(&mut all));
                    }
                    _ => {}
                }
                prop_assert_eq!(arrivals.len(), all.len());
                prop_assert_eq!(arrivals.is_empty(), all.is_empty());
                prop_assert_eq!(arrivals.first().map(|value| given[*value]), all.first().copied());
                let values: Vec<_> = arrivals.values().map(|value| given[*value]).collect();
                prop_assert_eq!(values, all.clone());
                if let Some(first) = all.first() {
                    prop_assert!(arrivals.is_first(*first));
                }
            }
        }
    }
}

//! Values by key in bounded memory: values equal to new ones are swept, a few each time that a key
//! is added, so that no call pays for all of them.

use std::hash::Hash;

use indexmap::IndexMap;

/// How many entries are checked for each one that is added: more than one, so that entries are
/// removed faster than they are added.
const LOOKS: usize = 4;

/// Up to this number of entries memory is not given back.
const KEPT: usize = 1024;

/// A map of at most `most` entries.
pub(crate) struct KeyTable<K, V> {
    entries: IndexMap<K, V>,
    most: usize,
    /// The entry that is checked next.
    hand: usize,
}

impl<K: Hash + Eq, V> KeyTable<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: IndexMap::new(), most, hand: 0 }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Changes the bound. Entries beyond it stay until they are swept.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    /// Sweeps some of the entries that are spent, and returns whether there is room for one more.
    pub(crate) fn make_room(&mut self, mut is_spent: impl FnMut(&V) -> bool) -> bool {
        for _ in 0..LOOKS.min(self.entries.len()) {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get_index(self.hand) {
                Some((_, value)) if is_spent(value) => {
                    self.entries.swap_remove_index(self.hand);
                }
                _ => self.hand += 1,
            }
        }
        if self.entries.capacity() > KEPT.max(self.entries.len() * 4) {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        self.entries.len() < self.most
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.entries.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_leave_no_more_than_those_in_use() {
        let mut table = KeyTable::new(usize::MAX);
        // An entry is spent a thousand keys after it was added.
        for now in 0..100_000u32 {
            assert!(table.make_room(|came| now - came > 1000));
            table.insert(now, now);
            assert!(table.len() <= 1_500, "{} entries", table.len());
        }
        assert!(table.entries.capacity() < 8_192);
        assert!((99_000..100_000).all(|key| table.get_mut(&key).is_some()));
    }

    #[test]
    fn memory_is_given_back_after_a_flood() {
        let mut table = KeyTable::new(usize::MAX);
        (0..100_000).for_each(|key| table.insert(key, ()));
        for key in 100_000..140_000 {
            table.make_room(|()| true);
            table.insert(key, ());
        }
        assert!(table.len() < 10, "{} entries", table.len());
        assert!(table.entries.capacity() <= KEPT, "{}", table.entries.capacity());
    }

    #[test]
    fn a_full_table_has_no_room_until_an_entry_is_spent() {
        let mut table = KeyTable::new(3);
        for key in 0..3 {
            assert!(table.make_room(|_| false));
            table.insert(key, key);
        }
        assert!(!table.make_room(|_| false));
        assert!(table.make_room(|value| *value == 1));
        assert_eq!((table.len(), table.get_mut(&1)), (2, None));
    }
}

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
    pub(super) entries: IndexMap<K, V>,
    /// Entries beyond it stay until they are swept.
    pub(super) most: usize,
    /// The entry that is checked next.
    hand: usize,
}

impl<K: Hash + Eq, V> KeyTable<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: IndexMap::new(), most, hand: 0 }
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
            table.entries.insert(now, now);
            assert!(table.entries.len() <= 1_500, "{} entries", table.entries.len());
        }
        assert!(table.entries.capacity() < 8_192);
        assert!((99_000..100_000u32).all(|key| table.entries.get_mut(&key).is_some()));
    }

    #[test]
    fn memory_is_given_back_after_a_flood() {
        let mut table = KeyTable::new(usize::MAX);
        for key in 0..100_000 {
            table.entries.insert(key, ());
        }
        for key in 100_000..140_000 {
            table.make_room(|()| true);
            table.entries.insert(key, ());
        }
        assert!(table.entries.len() < 10, "{} entries", table.entries.len());
        assert!(table.entries.capacity() <= KEPT, "{}", table.entries.capacity());
    }

    #[test]
    fn a_full_table_has_no_room_until_an_entry_is_spent() {
        let mut table = KeyTable::new(3);
        for key in 0..3u32 {
            assert!(table.make_room(|_| false));
            table.entries.insert(key, key);
        }
        assert!(!table.make_room(|_| false));
        assert!(table.make_room(|value| *value == 1));
        assert_eq!((table.entries.len(), table.entries.get_mut(&1u32)), (2, None));
    }
}

//! [pure] Where a read has been, in bounded memory: a read that returns to a place never ends.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

/// How many places are remembered, each by its hash.
const MOST: usize = 65_536;

/// The places where a read has been.
#[derive(Default)]
pub(crate) struct Seen {
    first: BTreeSet<u64>,
    /// How many places came after those.
    later: u64,
    /// One of the later places. It is replaced by the latest place each time their number reaches a
    /// power of two, so any cycle is noticed within three times its length (Brent, 1980).
    mark: Option<u64>,
}

impl Seen {
    /// Records a place, and returns whether the read has been there before.
    pub(crate) fn returns_to(&mut self, place: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        let hash = hasher.finish();
        if self.first.contains(&hash) || self.mark == Some(hash) {
            return true;
        }
        if self.first.len() < MOST {
            self.first.insert(hash);
        } else {
            self.later += 1;
            if self.later.is_power_of_two() {
                self.mark = Some(hash);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many places a read visits before it notices a cycle of `length` after `lead` places.
    fn noticed_after(lead: u64, length: u64) -> u64 {
        let mut seen = Seen::default();
        (0..)
            .find(|at| {
                let place = if *at < lead { *at } else { lead + (at - lead) % length };
                seen.returns_to(&place)
            })
            .unwrap()
    }

    #[test]
    fn a_place_is_known_again_at_once() {
        for (lead, length) in [(0, 1), (0, 2), (5, 3), (10_000, 40_000)] {
            assert_eq!(noticed_after(lead, length), lead + length);
        }
    }

    #[test]
    fn beyond_what_is_remembered_a_circle_is_noticed_within_three_times_its_length() {
        let most = MOST as u64;
        for (lead, length) in [(most, 1), (most + 100, 7), (most + 5, 3000)] {
            let later = noticed_after(lead, length) - lead;
            assert!(later <= 3 * length + (lead - most), "{lead} {length}: {later}");
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut seen = Seen::default();
        assert!((0..3 * MOST).all(|place| !seen.returns_to(&place)));
        assert_eq!(seen.first.len(), MOST);
    }
}

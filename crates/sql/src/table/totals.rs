//! [pure] The totals that pages told of a table's sets, by the conditions of the set.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How many sets are remembered.
const MOST_SETS: usize = 1000;

/// How many rows sets have, as their last pages told.
#[derive(Debug, Default)]
pub(crate) struct Totals(HashMap<String, (u64, Instant)>);

impl Totals {
    /// Remembers the total of a set.
    pub(crate) fn tell(&mut self, set: &str, total: u64, now: Instant) {
        if self.0.len() >= MOST_SETS && !self.0.contains_key(set) {
            self.0.clear();
        }
        self.0.insert(set.to_owned(), (total, now));
    }

    /// The last total of a set, and whether it was told within `trusted`.
    pub(crate) fn of(
        &self,
        set: &str,
        trusted: Option<Duration>,
        now: Instant,
    ) -> Option<(u64, bool)> {
        let (total, told) = self.0.get(set)?;
        let age = now.saturating_duration_since(*told);
        Some((*total, trusted.is_some_and(|trusted| age <= trusted)))
    }

    /// Forgets all of them: the rows have changed.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_trusted_for_a_while_and_known_for_longer() {
        let (mut totals, now) = (Totals::default(), Instant::now());
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        totals.tell("", 7, now);
        assert_eq!(totals.of("", Some(minute), now + minute), Some((7, true)));
        assert_eq!(totals.of("", Some(minute), now + minute + second), Some((7, false)));
        assert_eq!(totals.of("", None, now), Some((7, false)));
        assert_eq!(totals.of("a = 1", Some(minute), now), None);
        totals.forget();
        assert_eq!(totals.of("", Some(minute), now), None);
    }

    #[test]
    fn sets_without_end_are_not_remembered_without_end() {
        let (mut totals, now) = (Totals::default(), Instant::now());
        (0..=MOST_SETS as u64).for_each(|set| totals.tell(&set.to_string(), set, now));
        assert_eq!(totals.0.len(), 1);
    }
}

//! How many attempts there were in the recent past, and how many of them failed.
//! Knows nothing of what follows from that.

use std::time::{Duration, Instant};

/// The number of parts of a window that expire one by one.
const PARTS: u64 = 10;

/// Counts over a sliding window, which moves in steps of a tenth: it covers the last nine to
/// ten tenths.
#[derive(Debug)]
pub(super) struct Window {
    origin: Instant,
    part: u128,
    parts: [Part; PARTS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// The number of the part since the origin, from 0.
    number: u64,
    attempts: u32,
    failed: u32,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        let part = (length.as_nanos() / u128::from(PARTS)).max(1);
        Self { origin: now, part, parts: Default::default() }
    }

    pub(super) fn record(&mut self, now: Instant, has_failed: bool) {
        let number = self.number(now);
        let part = &mut self.parts[(number % PARTS) as usize];
        if part.number < number {
            *part = Part { number, ..Part::default() };
        }
        part.attempts = part.attempts.saturating_add(1);
        part.failed = part.failed.saturating_add(has_failed.into());
    }

    /// The attempts in the window at `now`, and those among them that failed.
    pub(super) fn counts(&self, now: Instant) -> (u64, u64) {
        let oldest = self.number(now).saturating_sub(PARTS - 1);
        let recent = self.parts.iter().filter(|part| part.number >= oldest);
        recent.fold((0, 0), |(attempts, failed), part| {
            (attempts + u64::from(part.attempts), failed + u64::from(part.failed))
        })
    }

    pub(super) fn clear(&mut self) {
        self.parts = Default::default();
    }

    fn number(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(passed / self.part).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_what_is_surely_within_the_window_and_nothing_that_is_surely_not(
            steps in prop::collection::vec((0..400u64, any::<bool>()), 1..200)
        ) {
            let length = Duration::from_secs(1);
            let mut now = Instant::now();
            let mut window = Window::new(length, now);
            let mut all = Vec::new();
            for (millis, failed) in steps {
                now += Duration::from_millis(millis);
                window.record(now, failed);
                all.push((now, failed));
                let since = |age: Duration| {
                    let recent = all.iter().filter(|(at, _)| now.duration_since(*at) < age);
                    recent.fold((0, 0), |(n, bad), (_, failed)| (n + 1, bad + u64::from(*failed)))
                };
                let (attempts, failed) = window.counts(now);
                let ((least, least_failed), (most, most_failed)) =
                    (since(length * 9 / 10), since(length));
                prop_assert!((least..=most).contains(&attempts));
                prop_assert!((least_failed..=most_failed).contains(&failed));
            }
            window.clear();
            prop_assert_eq!(window.counts(now), (0, 0));
        }
    }
}

//! What was seen of all jobs over time, as a report draws it.

/// How many moments are kept at most: more than a curve has points to show.
const MOST: usize = 4096;

/// What was seen at a moment. No number is less than it was before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// Seconds since the start.
    pub(crate) at: f64,
    /// Rows that were committed since then.
    pub(crate) rows: u64,
    pub(crate) requests: u64,
    /// Answers 429 and the like.
    pub(crate) limited: u64,
    pub(crate) retries: u64,
}

/// The moments from the start on. When they are too many, every second one is dropped, and of those
/// to come half as many are kept.
#[derive(Debug)]
pub(crate) struct History {
    moments: Vec<Moment>,
    /// Of so many moments one is kept.
    distance: usize,
    /// How many are left out before the next one that is kept.
    to_skip: usize,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { moments: vec![Moment::default()], distance: 1, to_skip: 0 }
    }

    pub(crate) fn note(&mut self, moment: Moment) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return;
        }
        self.moments.push(moment);
        if self.moments.len() > MOST {
            let mut is_kept = false;
            self.moments.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.distance *= 2;
        }
        self.to_skip = self.distance - 1;
    }

    /// All moments, with the last one.
    pub(crate) fn end(mut self, last: Option<Moment>) -> Vec<Moment> {
        self.moments.extend(last);
        self.moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_even_distances_and_its_ends() {
        let mut history = History::new();
        let moment = |second: u32| Moment { at: f64::from(second), ..Moment::default() };
        for second in 1..=4095 {
            history.note(moment(second));
        }
        assert_eq!(history.moments.len(), MOST);
        for second in 4096..=100_000 {
            history.note(moment(second));
            assert!(history.moments.len() <= MOST);
        }
        let moments = history.end(Some(moment(100_001)));
        let seconds: Vec<f64> = moments.iter().map(|moment| moment.at).collect();
        let (last, even) = seconds.split_last().unwrap();
        assert_eq!((even[0], *last), (0.0, 100_001.0));
        assert!(even.windows(2).all(|two| two[1] - two[0] == 32.0), "{even:?}");
    }
}

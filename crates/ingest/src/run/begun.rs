//! [pure] The run that a job has begun, which it knows again when it opens its sink after an error.

use crate::state::{Counts, StreamState};

/// A run that a job has begun, or goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Its number.
    pub(crate) run: u64,
    /// What it had counted by then, in an earlier process.
    pub(crate) before: Counts,
}

impl Begun {
    /// A run that another process may have begun.
    pub(crate) fn earlier(run: u64) -> Self {
        Self { run, before: Counts::default() }
    }

    /// Begins a run from the state of a sink, or goes on with the one that is under way. The run that
    /// was begun `earlier` is not followed by another one if it turns out to have ended.
    pub(crate) fn of(state: &mut StreamState, earlier: Option<Self>, now: &str) -> Self {
        if let Some(earlier) = earlier.filter(|earlier| earlier.has_ended(state)) {
            return earlier;
        }
        state.begin_run(now);
        let goes_on = earlier.filter(|earlier| earlier.run == state.run);
        goes_on.unwrap_or_else(|| Self { run: state.run, before: state.counts() })
    }

    /// Whether the state is that of its end. A state that was reset has no end.
    pub(crate) fn has_ended(self, state: &StreamState) -> bool {
        state.is_finished && state.run == self.run && state.ended.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::UnitState;

    fn begin(state: &mut StreamState, earlier: Option<Begun>) -> Begun {
        Begun::of(state, earlier, "2024-01-01T00:00:00Z")
    }

    #[test]
    fn a_run_that_has_ended_after_all_is_not_followed_by_another_one() {
        let mut state = StreamState::default();
        let begun = begin(&mut state, None);
        assert_eq!((begun.run, begun.before), (1, Counts::default()));
        // It goes on after an error, and what was counted meanwhile is its own.
        let mut unit = UnitState::default();
        unit.counts.read = 10;
        state.units.insert(String::new(), unit);
        assert_eq!(begin(&mut state, Some(begun)), begun);
        assert_eq!(begin(&mut state, None).before.read, 10, "that of another process");

        state.end_run();
        state.ended = Some("2024-01-01T00:00:01Z".into());
        assert_eq!(begin(&mut state, Some(begun)), begun);
        assert!(state.is_finished && begun.has_ended(&state));
        let mut reset = StreamState { ended: None, ..state.clone() };
        assert_eq!(begin(&mut reset, Some(begun)).run, 2);
        let next = begin(&mut state, None);
        assert_eq!((next.run, next.before, state.is_finished), (2, Counts::default(), false));
    }
}

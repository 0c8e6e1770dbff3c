//! [pure] What a commit does with the tables of a stream: the one that people read, and one beside it
//! that a run needs until it ends.

use super::names;
use crate::{
    description::WriteMode,
    sink::{SinkError, Target},
    state::StreamState,
};

/// Whether rows take the place of those with the same key.
pub(crate) fn merges(mode: WriteMode) -> bool {
    match mode {
        WriteMode::Append | WriteMode::Replace => false,
        WriteMode::Merge | WriteMode::Sync => true,
    }
}

/// A table beside the one that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The rows of a run that replaces the table.
    New,
    /// The keys that a run has written, after which the others are deleted.
    Seen,
}

impl Beside {
    /// The one that a run of this kind needs.
    fn of(mode: WriteMode) -> Option<Self> {
        match mode {
            WriteMode::Append | WriteMode::Merge => None,
            WriteMode::Replace => Some(Self::New),
            WriteMode::Sync => Some(Self::Seen),
        }
    }

    /// How the state's row has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Seen => "seen",
        }
    }

    /// The one that the state's row has.
    ///
    /// # Errors
    /// A lasting one for what no sink has written.
    pub(crate) fn parse(text: Option<&str>) -> Result<Option<Self>, SinkError> {
        match text {
            None => Ok(None),
            Some("new") => Ok(Some(Self::New)),
            Some("seen") => Ok(Some(Self::Seen)),
            Some(other) => Err(SinkError::lasting(format!(
                "`beside` in {} is `{other}`, which no stream has written",
                names::STATE
            ))),
        }
    }

    /// Its name.
    pub(crate) fn table(self, stream: &str) -> String {
        match self {
            Self::New => names::new_table(stream),
            Self::Seen => names::seen_table(stream),
        }
    }
}

/// What there is before a commit.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) state: StreamState,
    /// The table that a run has left beside the stream's. It is written down, so that no table of
    /// someone else is taken for it.
    pub(crate) beside: Option<Beside>,
}

/// What a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// The table that a run which was given up has left: it is dropped first.
    pub(crate) drops: Option<Beside>,
    /// The table that the run needs, if this is its first commit.
    pub(crate) makes: Option<Beside>,
    /// The table that the run needs.
    pub(crate) needs: Option<Beside>,
    /// Whether the run ends, and with it the need.
    pub(crate) is_last: bool,
}

impl Steps {
    /// Those of a commit that adds rows to the stream's own table, or merges them.
    pub(crate) const PLAIN: Self = Self { drops: None, makes: None, needs: None, is_last: false };

    /// What the next commit does, whose state is `state`.
    ///
    /// # Errors
    /// A lasting one, if the run was begun in a way that its rows are not where they must be.
    pub(crate) fn of(
        target: &Target,
        before: &Before,
        state: &StreamState,
        is_last: bool,
    ) -> Result<Self, SinkError> {
        let needs = Beside::of(target.mode);
        let goes_on = before.state.run == state.run && before.state.run > 0;
        let goes_on = goes_on && !before.state.is_finished;
        if goes_on && before.beside != needs {
            let (run, stream) = (state.run, &target.stream);
            return Err(SinkError::lasting(format!(
                "run {run} of stream `{stream}` has begun to write in another way: go on as it has \
                 begun, or begin a new run"
            )));
        }
        if goes_on {
            return Ok(Self { drops: None, makes: None, needs, is_last });
        }
        Ok(Self { drops: before.beside, makes: needs, needs, is_last })
    }

    /// The table that rows are written to.
    pub(crate) fn table(&self, stream: &str) -> String {
        match self.needs {
            Some(Beside::New) => Beside::New.table(stream),
            Some(Beside::Seen) | None => stream.to_owned(),
        }
    }

    /// What there is beside the stream's table after the commit.
    pub(crate) fn leaves(&self) -> Option<Beside> {
        self.needs.filter(|_| !self.is_last)
    }
}

/// Whether what a run has seen are values of `key`; `columns` are those of the table of it, none if it
/// is not there.
///
/// # Errors
/// A lasting one, if the key has changed: rows would be taken for gone.
pub(crate) fn check_seen(target: &Target, columns: &[(String, String)]) -> Result<(), SinkError> {
    let is_of_key = |(name, _): &(String, String)| target.key.contains(name);
    let is_same = columns.len() == target.key.len() && columns.iter().all(is_of_key);
    if columns.is_empty() || is_same {
        return Ok(());
    }
    Err(SinkError::lasting(format!(
        "the run of stream `{}` has begun with another key: begin a new run",
        target.stream
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use WriteMode::{Append, Merge, Replace, Sync};

    fn target(mode: WriteMode) -> Target {
        Target { job: "j".into(), stream: "s".into(), key: vec!["id".into()], mode }
    }

    fn before(run: u64, is_finished: bool, beside: Option<Beside>) -> Before {
        Before { state: StreamState { run, is_finished, ..StreamState::default() }, beside }
    }

    fn steps(mode: WriteMode, before: &Before, run: u64, is_last: bool) -> Option<Steps> {
        let state = StreamState { run, ..StreamState::default() };
        Steps::of(&target(mode), before, &state, is_last).ok()
    }

    #[test]
    fn a_run_makes_what_it_needs_and_goes_on_with_it() {
        for (mode, needs) in [
            (Append, None),
            (Merge, None),
            (Replace, Some(Beside::New)),
            (Sync, Some(Beside::Seen)),
        ] {
            let first = steps(mode, &Before::default(), 1, false).unwrap();
            assert_eq!((first.drops, first.makes, first.leaves()), (None, needs, needs));
            let second = steps(mode, &before(1, false, needs), 1, true).unwrap();
            assert_eq!((second.drops, second.makes, second.leaves()), (None, None, None));
            assert_eq!(second.needs, needs);
        }
    }

    #[test]
    fn a_new_run_drops_what_the_last_one_has_left() {
        let left = before(3, false, Some(Beside::New));
        let steps = steps(Replace, &left, 4, false).unwrap();
        assert_eq!((steps.drops, steps.makes), (Some(Beside::New), Some(Beside::New)));
        assert_eq!(steps.table("s"), "s__new");
        // That of one whose rows were not accepted as well.
        let refused = before(4, true, Some(Beside::New));
        let state = StreamState { run: 5, ..StreamState::default() };
        assert_eq!(Steps::of(&target(Replace), &refused, &state, false).unwrap(), steps);
    }

    #[test]
    fn a_run_does_not_go_on_in_another_way() {
        assert_eq!(steps(Append, &before(3, false, Some(Beside::New)), 3, false), None);
        assert_eq!(steps(Replace, &before(3, false, None), 3, false), None);
        assert_eq!(steps(Sync, &before(3, false, Some(Beside::New)), 3, true), None);
        let steps_of_4 = steps(Merge, &before(3, false, Some(Beside::New)), 4, false).unwrap();
        assert_eq!((steps_of_4.drops, steps_of_4.makes), (Some(Beside::New), None));
        assert!(steps(Merge, &before(3, false, None), 3, false).is_some());
        assert!(steps(Sync, &before(3, true, None), 4, false).is_some());
    }

    #[test]
    fn a_run_does_not_go_on_with_another_key() {
        let check = |columns: &[&str]| {
            let columns: Vec<_> =
                columns.iter().map(|name| ((*name).to_owned(), "TEXT".to_owned())).collect();
            check_seen(&target(Sync), &columns).is_ok()
        };
        assert!(check(&[]) && check(&["id"]));
        assert!(!check(&["of"]) && !check(&["id", "of"]));
    }
}

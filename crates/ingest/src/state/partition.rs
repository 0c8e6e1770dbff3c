//! [pure] What is remembered of the partitions of a stream, each of which goes on by itself.

use serde::{Deserialize, Serialize};

use super::{Boundary, StreamState};
use crate::row::Mark;

/// What is remembered of a partition of a stream: of the rows of one parent, or those with some fixed
/// values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartitionState {
    /// The greatest value of the incremental field that finished runs have read of it, from which the
    /// next one asks on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The rows from there on that finished runs have appended and the current one has not read again
    /// yet.
    #[serde(skip_serializing_if = "Boundary::is_empty")]
    pub boundary: Boundary,
    /// Those that the current run has read so far.
    #[serde(skip_serializing_if = "Boundary::is_empty")]
    pub next_boundary: Boundary,
}

impl StreamState {
    /// From where the next run asks a partition for what is new, `""` for a stream that has none. Where
    /// no partition was read before, the stream was: then that is its mark.
    #[must_use]
    pub fn mark_of(&self, partition: &str) -> Option<&str> {
        let own = self.partitions.get(partition).and_then(|own| own.mark.as_deref());
        let is_divided = || self.partitions.values().any(|own| own.mark.is_some());
        own.or_else(|| self.mark.as_deref().filter(|_| !is_divided()))
    }

    /// Gives each of these partitions the mark from which it is read, if the stream has been read without
    /// any so far: one that is new later is read from the start.
    pub(crate) fn divide_mark<'p>(&mut self, partitions: impl IntoIterator<Item = &'p str>) {
        let Some(mark) = self.mark.clone() else { return };
        if self.partitions.values().any(|own| own.mark.is_some()) {
            return;
        }
        for partition in partitions.into_iter().filter(|name| !name.is_empty()) {
            let own = self.partitions.entry(partition.to_owned()).or_default();
            own.mark = Some(mark.clone());
        }
    }

    /// A state with the marks of this one alone.
    pub(crate) fn marks(&self) -> Self {
        let of =
            |own: &PartitionState| PartitionState { mark: own.mark.clone(), ..Default::default() };
        let partitions = self.partitions.iter().map(|(name, own)| (name.clone(), of(own)));
        let (mark, partitions) = (self.mark.clone(), partitions.collect());
        Self { mark, partitions, ..Self::default() }
    }

    /// Whether rows that the next run reads again will be taken for new ones.
    pub(crate) fn is_boundary_cut(&self) -> bool {
        self.boundary.is_cut() || self.partitions.values().any(|own| own.boundary.is_cut())
    }

    /// Moves the marks of partitions to those of the units of a run that has ended. A partition that was
    /// not read keeps its own; those of a stream that has none any more are forgotten.
    pub(super) fn move_marks(&mut self) {
        let units = || self.units.values().filter(|unit| !unit.partition.is_empty());
        let mut moved: Vec<(String, Mark)> = Vec::new();
        for unit in units() {
            let mut mark = Mark(self.mark_of(&unit.partition).map(ToOwned::to_owned));
            unit.mark.as_deref().into_iter().for_each(|own| mark.raise(own));
            moved.push((unit.partition.clone(), mark));
        }
        if moved.is_empty() && !self.units.is_empty() {
            self.partitions.clear();
        }
        self.raise_marks(moved);
    }

    /// Raises the marks of partitions to these.
    pub(super) fn raise_marks(&mut self, marks: impl IntoIterator<Item = (String, Mark)>) {
        for (partition, mark) in marks {
            let Some(mark) = mark.0 else { continue };
            let own = self.partitions.entry(partition).or_default();
            let mut raised = Mark(own.mark.take());
            raised.raise(&mark);
            own.mark = raised.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::UnitState;

    /// A run that has begun from this mark of the stream, with units of these partitions and marks.
    fn run(mark: Option<&str>, units: &[(&str, Option<&str>)]) -> StreamState {
        let unit = |(partition, mark): &(&str, Option<&str>)| UnitState {
            partition: (*partition).to_owned(),
            mark: mark.map(ToOwned::to_owned),
            is_done: true,
            ..UnitState::default()
        };
        let units = units.iter().enumerate();
        StreamState {
            run: 1,
            mark: mark.map(ToOwned::to_owned),
            units: units.map(|(number, of)| (number.to_string(), unit(of))).collect(),
            ..StreamState::default()
        }
    }

    #[test]
    fn each_partition_has_the_mark_of_its_own_units() {
        let mut state =
            run(None, &[("a", Some("5")), ("a", Some("9")), ("b", Some("7")), ("c", None)]);
        state.end_run();
        let marks = ["a", "b", "c", "d", ""].map(|name| state.mark_of(name));
        assert_eq!(marks, [Some("9"), Some("7"), None, None, None]);
        assert_eq!(state.mark.as_deref(), Some("9"));
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<StreamState>(&json).unwrap(), state);
    }

    #[test]
    fn a_stream_that_is_divided_goes_on_from_its_mark_in_all_partitions() {
        let mut state = run(Some("6"), &[("a", Some("9")), ("b", None)]);
        assert_eq!(["a", "b", ""].map(|name| state.mark_of(name)), [Some("6"); 3]);
        state.end_run();
        let marks = ["a", "b", "c"].map(|name| state.mark_of(name));
        assert_eq!(marks, [Some("9"), Some("6"), None]);
    }

    #[test]
    fn partitions_that_are_not_read_are_remembered_until_the_stream_has_none() {
        let mut state = run(None, &[("a", Some("5")), ("b", Some("7"))]);
        state.end_run();
        state.units = run(None, &[("b", Some("8"))]).units;
        state.end_run();
        assert_eq!(["a", "b"].map(|name| state.mark_of(name)), [Some("5"), Some("8")]);
        // There was nothing to read at all.
        state.units.clear();
        state.end_run();
        assert_eq!(state.mark_of("a"), Some("5"));
        state.units = run(None, &[("", Some("8"))]).units;
        state.end_run();
        assert_eq!((state.mark_of(""), state.partitions.len()), (Some("8"), 0));
    }
}

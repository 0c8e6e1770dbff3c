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

//! Streams in parts, which several processes read and write at a time: what a part is, and by what
//! right it is written.
//!
//! [`Job::divide`](crate::Job::divide) plans the parts of a stream,
//! [`Job::run_part`](crate::Job::run_part) runs one, and [`Job::end_parts`](crate::Job::end_parts) ends
//! the run once all are done. Who runs which part, and when, is the business of the caller, who keeps
//! a [`Claim`] for each.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{
    run::Unit,
    state::{Counts, Findings, StreamState, UnitState},
};

/// How many parts a stream has at most, apart from ranges of pages, which are more: windows and
/// partitions are put together if there are more.
const MOST_PARTS: usize = 1000;

/// A part of a stream: a range of pages, or some windows of time or partitions. Store it by serde; what is
/// in it is signed, or comes from the API or the description, and may lead to private data.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is called, once in a stream.
    pub(crate) key: String,
    pub(crate) units: Vec<Unit>,
}

impl Part {
    /// What it is called, once in a stream: a range of pages such as `pages 51-100`, or the first of
    /// its windows or partitions.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is a range of the pages of a set, whose total is that of all ranges.
    pub(crate) fn is_range(&self) -> bool {
        self.units.iter().any(|unit| unit.start.is_some() || unit.pages.is_some())
    }

    /// Parts of units that are read by themselves, in order.
    pub(crate) fn of(units: &[Unit]) -> Vec<Self> {
        let each = units.len().div_ceil(MOST_PARTS).max(1);
        let part = |units: &[Unit]| {
            let first = units.first().map(|unit| unit.name().to_owned()).unwrap_or_default();
            let key = match units.len() {
                0 | 1 => first,
                all => format!("{first} and {} others", all - 1),
            };
            Self { key, units: units.to_vec() }
        };
        units.chunks(each).map(part).collect()
    }

    /// The range of the pages of `unit` from `first` on, which is counted from 0: `pages` of them, or
    /// all that follow.
    pub(crate) fn range(
        unit: &Unit,
        first: u64,
        pages: Option<u64>,
        start: Option<String>,
    ) -> Self {
        let end = pages.map(|pages| (first + pages).to_string()).unwrap_or_default();
        let key = format!("pages {}-{end}", first + 1);
        let unit = Unit { key: key.clone(), name: None, start, pages, ..unit.clone() };
        Self { key, units: vec![unit] }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

/// How a stream is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Division {
    /// By one process, as [`Job::run_alone`](crate::Job::run_alone) does.
    Whole,
    /// In these parts, in any order and at the same time.
    Parts {
        /// The run, which goes on until [`Job::end_parts`](crate::Job::end_parts) ends it.
        run: u64,
        /// All of its parts.
        parts: Vec<Part>,
    },
}

/// The right to write a part, and what came of it before.
///
/// The fence is a statement in the database of the sink, with which each commit begins. It must change
/// one row as long as the right holds, and keep `$1`, a text, as what the next claim goes on with; `$2`
/// says whether the part is done. If it changes no row, nothing is written and the part ends with an
/// error. Since it is in the transaction that writes the rows, it is exact whatever happens meanwhile.
///
/// ```
/// # use vantage_api_ingest::parts::Claim;
/// let (part, epoch) = (42, 7);
/// let claim = Claim {
///     fence: format!(
///         "UPDATE part SET next = $1, done = $2 WHERE id = {part} AND epoch = {epoch} AND NOT done"
///     ),
///     next: None,
/// };
/// # let _ = claim;
/// ```
#[derive(Clone)]
pub struct Claim {
    /// The statement.
    pub fence: String,
    /// The last `$1` that was kept; `None` if nothing was committed yet.
    pub next: Option<String>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("goes_on", &self.next.is_some()).finish_non_exhaustive()
    }
}

/// How a part ended that was not stopped by an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartEnd {
    /// Whether all of it was read; if not, it was [stopped](crate::Job::stop).
    pub is_done: bool,
    /// What a reader should know, each in one sentence.
    pub remarks: Vec<String>,
}

/// Where a part stands: what its claim keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartState {
    /// Whether all of it was read.
    pub is_done: bool,
    /// What was counted so far.
    pub counts: Counts,
    /// The greatest value of the incremental field so far.
    pub mark: Option<String>,
    /// The marks of its partitions, once it is done.
    pub partitions: IndexMap<String, String>,
    /// What was found that speaks against its rows.
    pub findings: Findings,
    /// Whether what the API declares is the total of all parts.
    pub is_range: bool,
    /// Where its units stand; empty once it is done.
    pub(crate) units: IndexMap<String, UnitState>,
}

impl PartState {
    /// That of a commit.
    pub(crate) fn of(state: &StreamState, is_range: bool) -> Self {
        let marks = state.partitions.iter();
        let marks = marks.filter_map(|(name, own)| Some((name.clone(), own.mark.clone()?)));
        Self {
            is_done: state.is_finished,
            counts: state.counts(),
            mark: state.greatest().0,
            partitions: marks.collect(),
            findings: state.findings.clone(),
            is_range,
            units: state.units.clone(),
        }
    }

    /// What all parts of a run have counted.
    pub(crate) fn sum(states: &[Self]) -> Counts {
        let mut counts = Counts::default();
        states.iter().for_each(|state| counts.add(&state.counts));
        if states.iter().any(|state| state.is_range) {
            // Each range knows the total of all, and the last page to say so knows best.
            counts.declared = states.iter().filter_map(|state| state.counts.declared).max();
        } else if states.iter().any(|state| state.counts.declared.is_none()) {
            counts.declared = None;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(number: usize) -> Vec<Unit> {
        (0..number).map(|n| Unit { key: n.to_string(), ..Unit::default() }).collect()
    }

    #[test]
    fn many_units_make_parts_of_several() {
        assert_eq!(Part::of(&units(3)).len(), 3);
        let parts = Part::of(&units(2_500));
        assert_eq!((parts.len(), parts[0].key()), (834, "0 and 2 others"));
        let all: usize = parts.iter().map(|part| part.units.len()).sum();
        assert_eq!(all, 2_500);
    }

    #[test]
    fn ranges_are_called_by_the_numbers_of_their_pages() {
        let range = |first, pages| Part::range(&Unit::default(), first, pages, None).key;
        assert_eq!([range(0, Some(50)), range(50, None)], ["pages 1-50", "pages 51-"]);
    }

    #[test]
    fn ranges_declare_one_total_and_others_their_own() {
        let state = |declared, is_range| PartState {
            counts: Counts { declared, read: 1, ..Counts::default() },
            is_range,
            ..PartState::default()
        };
        let sum = |states: &[PartState]| PartState::sum(states).declared;
        assert_eq!(sum(&[state(Some(9), true), state(Some(10), true)]), Some(10));
        assert_eq!(sum(&[state(Some(9), false), state(Some(10), false)]), Some(19));
        assert_eq!(sum(&[state(Some(9), false), state(None, false)]), None);
    }
}

//! What is remembered of a stream beside its rows, and written with them in one commit.

use std::{collections::BTreeSet, mem, time::Duration};

use chrono::DateTime;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{parts::PartState, row::Mark, run::now, schema::Schema};

mod boundary;
mod findings;
mod partition;
mod row_order;

pub use boundary::Boundary;
pub(crate) use boundary::MAX_ROWS;
pub use findings::Findings;
pub use partition::PartitionState;
pub(crate) use row_order::RECENT_ROWS;
pub use row_order::UnitOrder;

/// What is remembered of a stream: where its current run stands, and what the last one left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// The number of the current or the last run, from 1; 0 before the first.
    pub run: u64,
    /// Whether that run has ended: all its units are done.
    pub is_finished: bool,
    /// Signs the resume tokens of its units.
    pub signing_key: String,
    /// The columns of the table.
    pub schema: Schema,
    /// Where in a row each column is that was not declared and is below its top.
    pub paths: IndexMap<String, Vec<String>>,
    /// The `int` columns with numbers that a float does not hold.
    pub wide: BTreeSet<String>,
    /// The columns that had no value yet: `bool` so far, they get the type of their first one.
    pub untyped: BTreeSet<String>,
    /// The tables of the lists in its rows, by their names.
    pub children: IndexMap<String, ChildState>,
    /// The greatest value of the incremental field that finished runs have read, from which the next
    /// one asks on. A run that could not read all that it was to does not move it. It is at most the
    /// second before the run began, so that rows which are changed meanwhile, or claim to be of the
    /// future, do not hide others that were changed after their page was read.
    pub mark: Option<String>,
    /// Whether a row of the last finished run was newer than one before it, though the newest is to come
    /// first: the next run reads everything.
    pub is_out_of_order: bool,
    /// The tokens with which the next run asks for what has changed, by the keys of its units.
    pub tokens: IndexMap<String, String>,
    /// The rows from there on that finished runs have appended and the current one has not read again
    /// yet, by which it leaves them out.
    pub boundary: Boundary,
    /// Those that the current run has read so far, by which the next one does.
    pub next_boundary: Boundary,
    /// The same of each partition of a stream that is read `for_each` of something, by their names. `mark`
    /// is the greatest of theirs then.
    pub partitions: IndexMap<String, PartitionState>,
    /// What the last finished run counted.
    pub last: Counts,
    /// What the current or the last run has found that speaks against its rows.
    pub findings: Findings,
    /// When the current or the last run began, in RFC 3339, however often it was interrupted: at that
    /// moment its windows end, unless they say when, and its marks.
    pub until: Option<String>,
    /// When that run ended, or an error ended it for now, in RFC 3339; not if it had read nothing.
    pub ended: Option<String>,
    /// What ended it, for now or before it had read anything, if it was an error; of a finished run, what
    /// it could not read.
    pub error: Option<String>,
    /// Whether that run is in parts, which several processes read: see
    /// [`Job::divide`](crate::Job::divide). Each part has a state of its own.
    pub is_in_parts: bool,
    /// The units of the current run by their keys. Empty once the run is finished, and of a run that
    /// is in parts.
    pub units: IndexMap<String, UnitState>,
}

/// What is known of a child table, whose rows are the items of a list in the rows of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildState {
    /// Where in a row the list is.
    pub path: Vec<String>,
    /// The columns of the table: the key of the stream, `_index`, and those of the items.
    pub schema: Schema,
    /// Where in an item each column is whose name does not say it. An empty path is the whole item.
    pub paths: IndexMap<String, Vec<String>>,
    /// The `int` columns with numbers that a float does not hold.
    pub wide: BTreeSet<String>,
}

/// Where a unit of a stream stands: a run of pages that are read one after another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitState {
    /// Whose rows they are; empty if the stream has no partitions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Where its read goes on; `None` at its start.
    pub token: Option<String>,
    /// Whether it was read to its end.
    pub is_done: bool,
    /// The greatest value of the incremental field so far, with the bound of that of the stream.
    pub mark: Option<String>,
    /// In what order its rows came, if the newest is to come first.
    pub order: UnitOrder,
    /// The token that its last page had, with which the next run asks for what has changed.
    pub next_token: Option<String>,
    /// Whether it reads everything, since the token of the last run has expired.
    pub reads_all: bool,
    /// What was counted so far.
    pub counts: Counts,
}

impl StreamState {
    /// Begins a run, if none is under way.
    pub fn begin_run(&mut self, now: &str) {
        if self.run > 0 && !self.is_finished {
            return;
        }
        if !self.has_failed_early() {
            self.run += 1;
        }
        if self.signing_key.is_empty() {
            // 32 bytes: whoever reads the tokens in the state reads this as well.
            self.signing_key = Uuid::new_v4().simple().to_string();
        }
        self.is_finished = false;
        self.until = Some(now.to_owned());
        (self.ended, self.error) = (None, None);
        self.findings = Findings::default();
        self.units.clear();
    }

    /// Ends a run that an error has ended before it had read anything: there is nothing to go on with, and
    /// the next run has the same number.
    pub(crate) fn fail_early(&mut self, error: String) {
        (self.ended, self.error) = (None, Some(error));
        (self.is_finished, self.last) = (true, Counts::default());
    }

    /// Whether an error has ended the last run before it had read anything.
    pub(crate) fn has_failed_early(&self) -> bool {
        self.is_finished && self.ended.is_none() && self.error.is_some()
    }

    /// Gives up the run that is under way, unless all that it has read is committed: the next one
    /// begins anew.
    pub(crate) fn give_up_run(&mut self) {
        let is_read = !self.units.is_empty() && self.units.values().all(|unit| unit.is_done);
        if self.run > 0 && !self.is_finished && !is_read {
            // It has no end, by which it would be taken for one that has ended after all.
            (self.is_finished, self.ended, self.error) = (true, None, None);
            self.units.clear();
        }
    }

    /// Ends the run: all its units are done.
    pub fn end_run(&mut self) {
        self.last = self.counts();
        self.move_marks();
        self.mark = self.greatest().0;
        self.is_out_of_order = self.units.values().any(|unit| unit.order.is_broken);
        // One that was not read again this time may be the next.
        self.boundary.absorb(mem::take(&mut self.next_boundary));
        for own in self.partitions.values_mut() {
            own.boundary.absorb(mem::take(&mut own.next_boundary));
        }
        self.is_finished = true;
        self.is_in_parts = false;
        self.units.clear();
    }

    /// Ends a run in parts, all of which are done. One that has failed does not move the mark.
    pub(crate) fn end_parts(&mut self, parts: &[PartState], error: Option<String>) {
        let mut mark = Mark(self.mark.take());
        if error.is_none() {
            let of_parts = parts.iter().flat_map(|part| &part.partitions);
            let marks = of_parts.map(|(name, own)| (name.clone(), Mark(Some(own.clone()))));
            let has_marks = parts.iter().any(|part| part.mark.is_some());
            if has_marks && parts.iter().all(|part| part.partitions.is_empty()) {
                // The stream has none any more.
                self.partitions.clear();
            }
            self.raise_marks(marks);
            parts.iter().filter_map(|part| part.mark.as_deref()).for_each(|own| mark.raise(own));
        }
        self.mark = mark.0;
        self.last = PartState::sum(parts);
        self.findings = Findings::default();
        parts.iter().for_each(|part| self.findings.add(&part.findings));
        (self.ended, self.error) = (Some(now()), error);
        (self.is_finished, self.is_in_parts) = (true, false);
    }

    /// The token of each unit for the next run. One that had no page keeps the one that it had.
    pub(crate) fn unit_tokens(&self) -> IndexMap<String, String> {
        let tokens = self.units.iter().filter_map(|(key, unit)| {
            let before = self.tokens.get(key).filter(|_| unit.counts.pages == 0);
            Some((key.clone(), unit.next_token.as_ref().or(before)?.clone()))
        });
        tokens.collect()
    }

    /// The greatest value of the incremental field that was read, in the current run or before it.
    pub(crate) fn greatest(&self) -> Mark {
        let mut mark = Mark(self.mark.clone());
        self.units.values().filter_map(|unit| unit.mark.as_deref()).for_each(|own| mark.raise(own));
        mark
    }

    /// How long the last run took since it began, if it has ended.
    pub(crate) fn took(&self) -> Option<Duration> {
        let moment = |text: &str| DateTime::parse_from_rfc3339(text).ok();
        let began = moment(self.until.as_deref()?)?;
        (moment(self.ended.as_deref()?)? - began).to_std().ok()
    }

    /// What the current run has counted; what the last one has, if it is finished.
    #[must_use]
    pub fn counts(&self) -> Counts {
        if self.is_finished {
            return self.last;
        }
        let mut counts = Counts::default();
        self.units.values().for_each(|unit| counts.add(&unit.counts));
        // The sum of some is not a total of all.
        let is_silent = |unit: &UnitState| unit.counts.declared.is_none() && unit.counts.read > 0;
        counts.declared = counts.declared.filter(|_| !self.units.values().any(is_silent));
        counts
    }
}

/// What a unit, a stream or a job has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Pages that were read.
    pub pages: u64,
    /// Rows that were read.
    pub read: u64,
    /// Rows that were handed to the sink.
    pub written: u64,
    /// Rows that were set aside, with the reason.
    pub rejected: u64,
    /// Rows that were read again and left out, since they had been written already.
    pub repeated: u64,
    /// How many rows the API said there are, if it said so for every unit.
    pub declared: Option<u64>,
}

impl Counts {
    /// Whether rows were read, and all of them were set aside.
    pub(crate) fn are_all_rejected(&self) -> bool {
        self.rejected > 0 && self.rejected == self.read
    }

    /// Adds what `other` has counted.
    pub fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.read += other.read;
        self.written += other.written;
        self.rejected += other.rejected;
        self.repeated += other.repeated;
        self.declared = match (self.declared, other.declared) {
            (Some(own), Some(other)) => Some(own.saturating_add(other)),
            (own, other) => own.or(other),
        };
    }
}

//! [pure] Units whose rows come newest first: whether they do, which of them were read before, and where
//! a unit ends.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    mem,
};

use super::unit::Since;
use crate::{
    row::{Mark, RowHash},
    state::{RECENT_ROWS, StreamState, UnitOrder, UnitState},
};

/// The units of a run whose rows come newest first.
pub(super) struct NewestFirst {
    since: Since,
    /// What finished runs have read up to.
    mark: Option<String>,
    /// The same, by the keys of units.
    marks: HashMap<String, String>,
    /// Whether the last run has found another order, so that nothing ends a unit before its set ends.
    reads_all: bool,
    /// Whether rows that were written before are left out.
    leaves_out: bool,
    /// How the units stood when they were begun here.
    before: HashMap<String, UnitOrder>,
    open: HashMap<String, NewestUnit>,
}

/// What there is to say of the rows of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// The last run has found another order.
    ReadsAll,
    OutOfOrder,
    NoValue,
}

/// A unit whose rows come newest first.
pub(super) struct NewestUnit {
    since: Since,
    mark: Option<String>,
    reads_all: bool,
    leaves_out: bool,
    /// The least value so far.
    least: Option<String>,
    order: UnitOrder,
    /// The rows of the pages before this one that are remembered.
    recent: HashSet<RowHash>,
    /// Those of this page.
    page: Vec<RowHash>,
    /// How many rows of this page are older than what is to be read.
    older: usize,
    /// The greatest value in this page.
    greatest: Mark,
    lacks_value: bool,
    is_at_end: bool,
}

impl NewestFirst {
    /// Those of a run from its state, if rows come in this order.
    pub(super) fn of(since: Option<&Since>, leaves_out: bool, state: &StreamState) -> Option<Self> {
        let since = since.filter(|since| since.order.is_some())?;
        let known = |mark: &String| since.is_known(mark);
        let order = |(key, unit): (&String, &UnitState)| (key.clone(), unit.order.clone());
        Some(Self {
            mark: state.mark.clone().filter(known),
            marks: state.marks.clone().into_iter().collect(),
            reads_all: state.is_out_of_order,
            leaves_out,
            before: state.units.iter().map(order).collect(),
            open: HashMap::new(),
            since: since.clone(),
        })
    }

    /// The field by which rows are ordered.
    pub(super) fn field(&self) -> &str {
        &self.since.field
    }

    /// A unit that is read.
    pub(super) fn unit(&mut self, key: &str) -> &mut NewestUnit {
        let Self { since, mark, marks, reads_all, leaves_out, before, open } = self;
        open.entry(key.to_owned()).or_insert_with(|| {
            // Each row of another table has rows of its own, of which others say nothing.
            let mark = if key.is_empty() { mark.clone() } else { marks.get(key).cloned() };
            let order = before.remove(key).unwrap_or_default();
            NewestUnit {
                since: since.clone(),
                mark,
                reads_all: *reads_all,
                leaves_out: *leaves_out,
                least: None,
                recent: order.recent.iter().copied().collect(),
                order,
                page: Vec::new(),
                older: 0,
                greatest: Mark::default(),
                lacks_value: false,
                is_at_end: false,
            }
        })
    }

    /// What the state keeps of a unit that was not ended yet.
    pub(super) fn order(&self, key: &str) -> Option<UnitOrder> {
        self.open.get(key).map(NewestUnit::order)
    }

    /// Ends a unit: whether it ends before its set, and what the state keeps of it.
    pub(super) fn end(&mut self, key: &str) -> Option<(bool, UnitOrder)> {
        let NewestUnit { is_at_end, order, .. } = self.open.remove(key)?;
        Some((is_at_end, UnitOrder { is_broken: order.is_broken, ..UnitOrder::default() }))
    }
}

impl NewestUnit {
    /// Looks at the next row, by its value: whether it is to be written.
    pub(super) fn takes(&mut self, value: Option<&str>, row: &str) -> bool {
        let row = RowHash::of([row]);
        if self.recent.contains(&row) {
            // New rows have pushed it onto this page. It says nothing of the order.
            self.older += usize::from(value.is_some_and(|value| self.is_older(value)));
            return !self.leaves_out;
        }
        self.page.push(row);
        let Some(value) = value.filter(|value| self.since.is_known(value)) else {
            self.lacks_value = true;
            return true;
        };
        let is_older = self.is_older(value);
        let order = self.least.as_deref().map(|least| self.since.compare(value, least));
        self.order.is_broken |= order.is_some_and(Ordering::is_gt);
        if order.is_none_or(Ordering::is_lt) {
            self.least = Some(value.to_owned());
        }
        self.older += usize::from(is_older);
        let is_left_out = is_older && self.leaves_out && self.mark.is_some();
        if !is_left_out {
            self.greatest.raise(value);
        }
        !is_left_out
    }

    fn is_older(&self, value: &str) -> bool {
        self.since.is_older(value, self.mark.as_deref())
    }

    /// Ends a page of so many rows, and returns the greatest value of those that are written.
    pub(super) fn end_page(&mut self, rows: usize) -> Mark {
        let page = mem::take(&mut self.page);
        self.order.recent.extend(&page);
        self.recent.extend(page);
        while self.order.recent.len() > RECENT_ROWS {
            let row = self.order.recent.pop_front();
            row.iter().for_each(|row| _ = self.recent.remove(row));
        }
        let older = mem::take(&mut self.older);
        let may_end = !self.reads_all && !self.order.is_broken;
        self.is_at_end = may_end && rows > 0 && older == rows;
        mem::take(&mut self.greatest)
    }

    /// Whether the page that was read last is the last one that is needed.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// What there is to say so far.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Remark> {
        let all = [
            (self.reads_all, Remark::ReadsAll),
            (self.order.is_broken, Remark::OutOfOrder),
            (self.lacks_value, Remark::NoValue),
        ];
        all.into_iter().filter_map(|(is_so, remark)| is_so.then_some(remark))
    }

    /// What the state keeps.
    fn order(&self) -> UnitOrder {
        // Rows that come again are merged, if they are not left out.
        let recent = if self.leaves_out { self.order.recent.clone() } else { VecDeque::new() };
        UnitOrder { is_broken: self.order.is_broken, recent }
    }
}

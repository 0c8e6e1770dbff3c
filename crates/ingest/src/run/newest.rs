//! [pure] Units whose rows come newest first: whether they do, which of them were read before, and where
//! a unit ends.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
    mem,
};

use super::unit::{Since, Unit};
use crate::{
    row::{Mark, RowHash},
    state::{RECENT_ROWS, StreamState, UnitOrder, UnitState},
};

/// The units of a run whose rows come newest first.
pub(super) struct NewestFirst {
    since: Since,
    /// What finished runs have read up to, alone.
    marks: StreamState,
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
        let order = |(key, unit): (&String, &UnitState)| (key.clone(), unit.order.clone());
        Some(Self {
            marks: state.marks(),
            reads_all: state.is_out_of_order,
            leaves_out,
            before: state.units.iter().map(order).collect(),
            open: HashMap::new(),
            since: since.clone(),
        })
    }

    /// Whether a greatest value is one of the field's format, or there is none.
    pub(super) fn is_known(&self, mark: &Mark) -> bool {
        mark.0.as_deref().is_none_or(|mark| self.since.is_known(mark))
    }

    /// The field by which rows are ordered.
    pub(super) fn field(&self) -> &str {
        &self.since.field
    }

    /// A unit that is read.
    pub(super) fn unit(&mut self, Unit { key, partition, .. }: &Unit) -> &mut NewestUnit {
        let Self { since, marks, reads_all, leaves_out, before, open } = self;
        open.entry(key.clone()).or_insert_with(|| {
            let mark = marks.mark_of(partition).filter(|mark| since.is_known(mark));
            let mark = mark.map(ToOwned::to_owned);
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        description::{MomentFormat, RowOrder},
        state::PartitionState,
    };

    fn since(start: Option<&str>, lookback: i64) -> Since {
        Since {
            field: "at".into(),
            order: Some(RowOrder::NewestFirst),
            param: "at".into(),
            start: start.map(str::to_owned),
            lookback: TimeDelta::seconds(lookback),
            format: MomentFormat::Unix,
            asked: MomentFormat::Unix,
        }
    }

    fn of(since: &Since, leaves_out: bool, mark: Option<&str>) -> NewestFirst {
        let state = StreamState { mark: mark.map(str::to_owned), ..StreamState::default() };
        NewestFirst::of(Some(since), leaves_out, &state).unwrap()
    }

    /// Which rows of a page are taken, the greatest value of those, and whether the unit ends.
    fn page(unit: &mut NewestUnit, values: &[&str]) -> (String, Option<String>, bool) {
        let taken = values.iter().map(|value| {
            let known = Some(*value).filter(|value| !value.is_empty());
            if unit.takes(known, &format!("row at {value}")) { 'x' } else { '-' }
        });
        let taken = taken.collect();
        let greatest = unit.end_page(values.len()).0;
        (taken, greatest, unit.is_at_end())
    }

    #[test]
    fn a_unit_ends_with_a_page_of_older_rows_alone() {
        for (start, lookback, mark, values, taken, is_at_end) in [
            (None, 0, None, ["3", "2", "1"], "xxx", false),
            (Some("2"), 0, None, ["3", "2", "1"], "xxx", false),
            (Some("4"), 0, None, ["3", "2", "1"], "xxx", true),
            (Some("9"), 0, Some("2"), ["3", "2", "1"], "xx-", false),
            (None, 0, Some("4"), ["3", "2", "1"], "---", true),
            (None, 2, Some("4"), ["3", "2", "1"], "xx-", false),
            (None, 0, Some("4"), ["3", "", "1"], "-x-", false),
            (None, 0, Some("4"), ["3", "never", "1"], "-x-", false),
            (None, 0, Some("4"), ["1", "2", "3"], "---", false),
            (None, 0, Some("not a moment"), ["3", "2", "1"], "xxx", false),
        ] {
            let mut appended = of(&since(start, lookback), true, mark);
            let found = page(appended.unit(&Unit::default()), &values);
            assert_eq!(
                (found.0.as_str(), found.2),
                (taken, is_at_end),
                "{values:?} after {mark:?}"
            );
            // They are merged.
            let mut merged = of(&since(start, lookback), false, mark);
            let found = page(merged.unit(&Unit::default()), &values);
            assert_eq!((found.0.as_str(), found.2), ("xxx", is_at_end));
        }
        let mut none = of(&since(None, 0), true, Some("4"));
        assert!(!page(none.unit(&Unit::default()), &[]).2, "an empty page says nothing");
        assert_eq!(NewestFirst::of(None, true, &StreamState::default()).map(|_| ()), None);
    }

    #[test]
    fn the_greatest_value_is_one_that_can_be_read() {
        let mut newest = of(&since(None, 0), false, Some("1"));
        assert_eq!(
            page(newest.unit(&Unit::default()), &["soon", "7", "6"]).1.as_deref(),
            Some("7")
        );
    }

    #[test]
    fn a_row_that_was_pushed_onto_the_next_page_is_no_sign_of_another_order() {
        let mut newest = of(&since(None, 0), true, Some("2"));
        let unit = newest.unit(&Unit::default());
        assert_eq!(page(unit, &["9", "8", "7"]).0, "xxx");
        assert_eq!(page(unit, &["8", "7", "6"]).0, "--x");
        assert_eq!(unit.remarks().count(), 0);
        // One that was not there before is.
        assert_eq!(page(unit, &["10", "1", "1"]), ("x--".into(), Some("10".into()), false));
        assert!(!page(unit, &["1", "1", "0"]).2);
        assert_eq!(unit.remarks().collect::<Vec<_>>(), [Remark::OutOfOrder]);
        let (is_at_end, order) = newest.end("").unwrap();
        assert!(!is_at_end && order.is_broken);
    }

    #[test]
    fn what_is_read_goes_on_with_the_rows_of_before() {
        let mut newest = of(&since(None, 0), true, None);
        page(newest.unit(&Unit::default()), &["9", "8"]);
        let unit = UnitState { order: newest.order("").unwrap(), ..UnitState::default() };
        let units = [(String::new(), unit)].into_iter().collect();
        let state = StreamState { units, ..StreamState::default() };
        let mut later = NewestFirst::of(Some(&since(None, 0)), true, &state).unwrap();
        assert_eq!(page(later.unit(&Unit::default()), &["11", "9", "8", "7"]).0, "x--x");
        assert_eq!(later.unit(&Unit::default()).remarks().count(), 0);
    }

    #[test]
    fn no_more_rows_are_remembered_than_there_is_room_for() {
        let mut newest = of(&since(None, 0), true, None);
        let unit = newest.unit(&Unit::default());
        let values: Vec<String> =
            (0..RECENT_ROWS + 5).rev().map(|value| value.to_string()).collect();
        for values in values.chunks(1000) {
            page(unit, &values.iter().map(String::as_str).collect::<Vec<_>>());
        }
        assert_eq!((unit.recent.len(), unit.order().recent.len()), (RECENT_ROWS, RECENT_ROWS));
    }

    #[test]
    fn each_partition_has_a_mark_of_its_own() {
        let own = PartitionState { mark: Some("5".into()), ..PartitionState::default() };
        let partitions = [("a".to_owned(), own)].into_iter().collect();
        let state = StreamState { mark: Some("9".into()), partitions, ..StreamState::default() };
        let mut newest = NewestFirst::of(Some(&since(None, 0)), false, &state).unwrap();
        let unit =
            |name: &str| Unit { key: name.into(), partition: name.into(), ..Unit::default() };
        assert!(page(newest.unit(&unit("a")), &["4"]).2);
        assert!(!page(newest.unit(&unit("b")), &["4"]).2, "a new one");
    }
}

//! [pure] Which page to request next, and when the set has ended: the table of what ends a set is
//! in `end_of_set`. Pages are counted from 0.

use std::cmp::Ordering;

use super::{
    PageAddress, Paging, Position,
    end_of_set::{Continuation, Evidence, Length, Statement, Verdict},
};
use crate::pager::facts::PageInfo;

mod measure;

/// A page in its turn.
pub(in crate::pager) struct Observation<'a> {
    pub(in crate::pager) index: u64,
    /// How many items it has.
    pub(in crate::pager) items: usize,
    pub(in crate::pager) info: &'a PageInfo,
    /// Its items equal those of the page before it.
    pub(in crate::pager) repeats: bool,
    /// The next page that it names, if pages do.
    pub(in crate::pager) continuation: Continuation,
    /// Whether a setting names the path of its flag.
    pub(in crate::pager) is_flag_named: bool,
}

/// Where pages begin, if they are requested by their first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) struct Stride {
    /// The page that begins with row `row`.
    pub(in crate::pager) index: u64,
    pub(in crate::pager) row: u64,
    /// The number of rows from the start of one page to that of the next.
    pub(in crate::pager) rows_each: u64,
}

impl Stride {
    /// The first row of a page, the one at `index` or a later one.
    pub(in crate::pager) fn row_of(&self, index: u64) -> u64 {
        let pages = index.saturating_sub(self.index);
        self.row.saturating_add(pages.saturating_mul(self.rows_each))
    }
}

/// The progress of one read.
pub(in crate::pager) struct Plan {
    pub(in crate::pager) paging: Paging,
    /// The first page of the read.
    start: u64,
    /// Whether the set begins with that page.
    is_whole: bool,
    /// Whether that page has been seen. Before that, no other page is requested.
    pub(in crate::pager) has_begun: bool,
    /// How many pages there are, according to the latest page.
    known: Option<u64>,
    /// How many items a full page has; 0 if that is not known.
    pub(in crate::pager) full: u64,
    /// How many rows of the set were read, up to the page that was last judged, including those
    /// before this read.
    pub(in crate::pager) rows: u64,
    /// Where pages begin, if they are requested by their first row.
    pub(in crate::pager) stride: Stride,
    /// The number that the API's envelope gives the first page of the read.
    first_echo: Option<u64>,
    empty_in_a_row: u32,
    /// The totals, of items and of pages, that were last reported.
    totals: (Option<u64>, Option<u64>),
    /// The latest page's signal about pages after it.
    more: Option<Statement>,
    /// A signal that was overruled and not reported yet.
    pub(in crate::pager) overruled: Option<Statement>,
}

impl Plan {
    pub(in crate::pager) fn new(paging: Paging, start: &Position) -> Self {
        let row = if let Some(PageAddress::Offset(row)) = start.address { row } else { 0 };
        let rows_each = if start.full > 0 { start.full } else { paging.size().unwrap_or_default() };
        Self {
            paging,
            start: start.index,
            is_whole: start.index == 0 && start.rows == 0,
            has_begun: false,
            known: None,
            full: start.full,
            rows: start.rows,
            stride: Stride { index: start.index, row, rows_each },
            first_echo: None,
            empty_in_a_row: 0,
            totals: (None, None),
            more: None,
            overruled: None,
        }
    }

    /// The address of a page, unless the one before it names it.
    pub(in crate::pager) fn address(&self, index: u64) -> Option<PageAddress> {
        if self.paging.is_chained() {
            return None;
        }
        Some(match self.paging.start() {
            PageAddress::Page(_) => PageAddress::Page(index),
            PageAddress::Offset(_) => PageAddress::Offset(self.stride.row_of(index)),
            start => start,
        })
    }

    /// How many pages, from the first of the set on, may be requested: up to the first page of
    /// the read until that has been seen; then as many as there are, or any number if that is not
    /// known. If pages name each other, that is the limit.
    pub(in crate::pager) fn horizon(&self) -> u64 {
        match (self.paging.is_chained(), self.has_begun) {
            (true, _) => u64::MAX,
            (false, true) => self.known.unwrap_or(u64::MAX).min(self.pages_below_the_cap()),
            (false, false) => self.start.saturating_add(1),
        }
    }

    /// How many pages after those that were judged have the rows up to `rows`, counted from the
    /// first of the set: one at most until the length of a page is known.
    pub(in crate::pager) fn pages_up_to(&self, rows: u64) -> u64 {
        let left = rows.saturating_sub(self.rows);
        if self.full == 0 { left.min(1) } else { left.div_ceil(self.full) }
    }

    /// How many pages begin below the API's row cap.
    fn pages_below_the_cap(&self) -> u64 {
        let Some(cap) = self.paging.ends.row_cap else { return u64::MAX };
        let Stride { index, row, rows_each } = self.stride;
        let (first, row, rows_each) = match self.paging.is_by_offset() {
            true => (index, row, rows_each),
            false => (0, 0, self.full),
        };
        let Some(left) = cap.saturating_sub(row).checked_add(rows_each.saturating_sub(1)) else {
            return u64::MAX;
        };
        left.checked_div(rows_each).map_or(u64::MAX, |pages| first.saturating_add(pages))
    }

    /// Whether a page belongs to the set whatever it says, if it does not repeat the one before
    /// it: the earlier pages have reported how many there are.
    pub(in crate::pager) fn is_promised(&self, index: u64) -> bool {
        let is_settled = self.has_begun && !self.paging.fail_on_change;
        is_settled && self.known.is_some_and(|known| index < known)
    }

    /// Whether the set begins with this page.
    pub(in crate::pager) fn begins_at(&self, index: u64) -> bool {
        index == 0 && self.is_whole
    }

    /// What it means if there is no page at this index: a 404, or if `is_range`, a 416,
    /// which says the same without doubt (RFC 9110 section 15.5.17). `None` if it is an
    /// error like any other.
    pub(in crate::pager) fn miss(&mut self, index: u64, is_range: bool) -> Option<Verdict> {
        let ends = &self.paging.ends;
        let is_end = match self.begins_at(index) {
            // Where rows are asked for by ranges, no range is in an empty set.
            true => is_range && self.paging.is_by_range(),
            false => ends.not_found_ends || is_range,
        };
        if !is_end || self.begins_at(index) {
            return is_end.then_some(Verdict::Last);
        }
        match self.more {
            Some(Statement::Rows | Statement::Pages) if ends.totals_are_estimates => {
                self.overruled = self.more;
                Some(Verdict::Last)
            }
            // It said where the next page is, and no more.
            Some(Statement::Pointer) | None => Some(Verdict::Last),
            Some(more) => Some(Verdict::Stuck(more)),
        }
    }

    /// Judges a page in its turn.
    ///
    /// The order of the checks matters. A changed set comes first, since nothing else on the page
    /// is about the requested set. Rows and strides are counted before the check for a loop,
    /// since a page that misnames itself is a loop only if no total says where the end is. A loop
    /// comes before the evidence: a page that is sent again also says again that more follow. The
    /// cap comes before the conclusion: after the last row that the API returns, no more can be
    /// requested, and an end is believed only if a total confirms it.
    pub(in crate::pager) fn observe(&mut self, observation: &Observation<'_>) -> Verdict {
        let &Observation { index, info, .. } = observation;
        let count = observation.items as u64;
        let is_first = self.begins_with(info, count);
        if self.has_changed(info) && self.paging.fail_on_change {
            return Verdict::Changed;
        }
        let expected = self.stride.row_of(index + 1);
        let stride = self.stride_after(index, count);
        let has_moved = !is_first && self.paging.is_by_offset() && stride.row != expected;
        self.rows = self.rows.saturating_add(count);
        if !self.paging.is_chained() {
            self.known = self.measure(index, info, stride);
        }
        if !is_first && let Some(verdict) = self.repetition(observation) {
            return verdict;
        }
        let evidence = self.evidence(observation, is_first, stride);
        self.more = evidence.says_more();
        if self.is_capped(&evidence, info.total) {
            return Verdict::Capped;
        }
        self.empty_in_a_row = if count == 0 { self.empty_in_a_row + 1 } else { 0 };
        self.stride = stride;
        self.decide(index, &evidence, has_moved)
    }

    /// Records what the first page shows: its number in the API's envelope, and how many items a
    /// full page has. Returns whether it is this one.
    fn begins_with(&mut self, info: &PageInfo, count: u64) -> bool {
        let is_first = !self.has_begun;
        if is_first {
            self.has_begun = true;
            self.first_echo = info.page;
        }
        if self.full == 0 {
            self.full = count;
        }
        is_first
    }

    /// The verdict for a page that was read before, if it is one.
    fn repetition(&self, observation: &Observation<'_>) -> Option<Verdict> {
        let &Observation { index, info, .. } = observation;
        // With a total to go by, a page that only misnames itself does no harm.
        let is_another = self.known.is_none() && self.is_echo_of_another(index, info);
        if observation.items == 0 || !(observation.repeats || is_another) {
            return None;
        }
        let is_unpaged = info.is_silent() && index == self.start + 1 && !self.paging.is_chained();
        Some(if is_unpaged { Verdict::Unpaged } else { Verdict::Loop })
    }

    /// The conclusion from the evidence, and what contradicted it.
    fn decide(&mut self, index: u64, evidence: &Evidence, has_moved: bool) -> Verdict {
        let (verdict, against) = evidence.conclude();
        if matches!(verdict, Verdict::Stuck(_)) {
            return verdict;
        }
        self.overruled = against.or(self.disproved(evidence));
        if verdict == Verdict::Last {
            return verdict;
        }
        let most = self.paging.ends.max_empty_pages;
        if let Some(more) = self.more.filter(|_| self.empty_in_a_row > most) {
            return Verdict::Empty(self.empty_in_a_row, more);
        }
        self.known = self.known.map(|known| known.max(index + 2));
        if has_moved { Verdict::Moved } else { Verdict::More }
    }

    /// Everything that a page says about those after it.
    fn evidence(&self, observation: &Observation<'_>, is_first: bool, next: Stride) -> Evidence {
        let &Observation { index, info, continuation, is_flag_named, .. } = observation;
        let length = match observation.items as u64 {
            0 => Length::Empty,
            count if !is_first && count < self.full => Length::Short,
            _ => Length::Full,
        };
        let size = self.size(info);
        let is_exhausted = info.total.is_some_and(|total| match self.paging.is_by_offset() {
            true => next.row >= total,
            false => length == Length::Empty && index + 1 >= total.div_ceil(size.unwrap_or(1)),
        });
        Evidence {
            continuation,
            flag: info.has_next,
            is_flag_named,
            next_page: info.next_page,
            link: info.has_next_link && !self.paging.is_link(),
            rows: info.total.map(|total| self.rows.cmp(&total)),
            pages: self.pages(info).map(|pages| (index + 1).cmp(&pages)),
            are_totals_estimates: self.paging.ends.totals_are_estimates,
            length,
            short_ends: self.paging.ends.short_page_ends.unwrap_or(!self.paging.is_chained()),
            is_exhausted,
        }
    }

    /// A total below what has been read.
    fn disproved(&self, evidence: &Evidence) -> Option<Statement> {
        match (evidence.rows, evidence.pages) {
            (Some(Ordering::Greater), _) => Some(Statement::Rows),
            (_, Some(Ordering::Greater)) if evidence.length != Length::Empty => {
                Some(Statement::Pages)
            }
            _ => None,
        }
    }

    /// Whether the API returns no more rows than were read, and nothing says that these are all. A
    /// total that equals the cap may end there as well.
    fn is_capped(&self, evidence: &Evidence, total: Option<u64>) -> bool {
        let is_all = evidence.rows.is_some_and(Ordering::is_ge) && evidence.says_more().is_none();
        self.paging.ends.row_cap.is_some_and(|cap| {
            self.rows >= cap && !(is_all && self.paging.is_told_below_the_cap(total))
        })
    }

    /// Where the pages after this one begin.
    fn stride_after(&self, index: u64, count: u64) -> Stride {
        let rows_each = match (self.full, self.stride.rows_each) {
            (0, rows_each) => rows_each.max(1),
            (full, _) => full,
        };
        // A page without rows may have had them filtered out.
        let rows = if count > 0 { count } else { rows_each };
        let row = self.stride.row_of(index).saturating_add(rows);
        Stride { index: index + 1, row, rows_each }
    }

    /// Whether a page reports other totals than those before it.
    fn has_changed(&mut self, info: &PageInfo) -> bool {
        let (items, pages) = self.totals;
        self.totals = (info.total.or(items), info.total_pages.or(pages));
        let differ = |one: Option<u64>, other: Option<u64>| {
            one.zip(other).is_some_and(|(one, other)| one != other)
        };
        differ(items, info.total) || differ(pages, info.total_pages)
    }

    /// Whether the page says that it is another page than the requested one.
    fn is_echo_of_another(&self, index: u64, info: &PageInfo) -> bool {
        let read = index.saturating_sub(self.start);
        match (self.first_echo, info.page) {
            (Some(first), Some(page)) if !self.paging.is_by_offset() => {
                page < first.saturating_add(read)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    impl Plan {
        fn of(paging: Paging) -> Self {
            let start = Position::at(paging.start(), 0);
            Self::new(paging, &start)
        }

        fn sees(&mut self, index: u64, items: usize, info: &PageInfo, repeats: bool) -> Verdict {
            let continuation =
                if self.paging.is_paged() { Continuation::Computed } else { Continuation::Nowhere };
            self.observe(&Observation {
                index,
                items,
                info,
                repeats,
                continuation,
                is_flag_named: false,
            })
        }
    }

    fn plan() -> Plan {
        Plan::of(Paging::default())
    }

    fn info(total_pages: Option<u64>) -> PageInfo {
        PageInfo { total_pages, ..PageInfo::default() }
    }

    #[test]
    fn only_the_first_page_is_asked_for_before_anything_is_known() {
        assert_eq!(plan().horizon(), 1);
    }

    #[test]
    fn the_pages_up_to_a_row_are_counted_by_the_length_of_the_first() {
        let mut plan = plan();
        assert_eq!((plan.pages_up_to(0), plan.pages_up_to(25)), (0, 1));
        assert_eq!(plan.sees(0, 0, &info(Some(4)), false), Verdict::More);
        assert_eq!(plan.pages_up_to(25), 1);
        assert_eq!(plan.sees(1, 10, &info(Some(4)), false), Verdict::More);
        assert_eq!((plan.pages_up_to(10), plan.pages_up_to(11), plan.pages_up_to(25)), (0, 1, 2));
    }

    #[test]
    fn with_a_known_number_of_pages_none_beyond_it_is_asked_for() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &info(Some(4)), false), Verdict::More);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn with_an_unknown_number_of_pages_any_may_be_asked_for_once_the_first_is_seen() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &PageInfo::default(), false), Verdict::More);
        assert_eq!(plan.horizon(), u64::MAX);
    }

    #[test]
    fn a_total_of_items_gives_the_number_of_pages_by_the_size_that_the_server_really_uses() {
        let mut plan = plan();
        plan.sees(0, 10, &PageInfo { total: Some(31), ..PageInfo::default() }, false);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn a_number_of_pages_that_grows_is_followed_and_one_that_shrinks_ends_with_the_rows() {
        let mut plan = plan();
        plan.sees(0, 10, &info(Some(2)), false);
        assert_eq!(plan.sees(1, 10, &info(Some(3)), false), Verdict::More);
        // It has rows after the end that it reports, so the end is searched.
        assert_eq!(plan.sees(2, 10, &info(Some(2)), false), Verdict::More);
        assert_eq!(plan.overruled.take(), Some(Statement::Pages));
        assert_eq!(plan.sees(3, 0, &info(Some(2)), false), Verdict::Last);
    }

    #[test]
    fn a_total_that_changes_is_an_error_where_it_was_asked_for() {
        let strict = || Plan::of(Paging::default().fail_on_change(true));
        let items = |total| PageInfo { total: Some(total), ..PageInfo::default() };
        for (first, second) in [(info(Some(4)), info(Some(5))), (items(40), items(39))] {
            let mut plan = strict();
            assert_eq!(plan.sees(0, 10, &first, false), Verdict::More);
            assert_eq!(plan.sees(1, 10, &PageInfo::default(), false), Verdict::More);
            let mut plan = strict();
            plan.sees(0, 10, &first, false);
            assert!(!plan.is_promised(1));
            assert_eq!(plan.sees(1, 10, &second, false), Verdict::Changed);
        }
    }

    #[test]
    fn an_empty_page_goes_on_only_if_something_says_more() {
        let flag = PageInfo { has_next: Some(true), ..PageInfo::default() };
        let link = PageInfo { has_next_link: true, ..PageInfo::default() };
        for said in [info(Some(5)), flag, link] {
            let mut plan = plan();
            plan.sees(0, 10, &said, false);
            assert_eq!(plan.sees(1, 0, &said, false), Verdict::More);
        }
        let mut silent = plan();
        silent.sees(0, 10, &PageInfo::default(), false);
        assert_eq!(silent.sees(1, 0, &PageInfo::default(), false), Verdict::Last);
    }

    #[test]
    fn endless_empty_pages_are_an_error() {
        let mut plan = Plan::of(Paging::default().max_empty_pages(3));
        let said = info(Some(u64::MAX));
        let verdicts = [0, 1, 2, 3].map(|index| plan.sees(index, 0, &said, false));
        let more = Verdict::More;
        assert_eq!(verdicts, [more, more, more, Verdict::Empty(4, Statement::Pages)]);
    }

    #[test]
    fn a_total_that_most_rows_are_missing_from_is_not_the_end() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 3, &total(6), false), Verdict::More);
        assert_eq!(plan.sees(1, 2, &total(6), false), Verdict::More);
        assert_eq!(plan.sees(2, 0, &total(6), false), Verdict::Stuck(Statement::Rows));
        let mut lenient = Plan::of(Paging::default().totals_are_estimates(true));
        lenient.sees(0, 3, &total(6), false);
        lenient.sees(1, 2, &total(6), false);
        assert_eq!(lenient.sees(2, 0, &total(6), false), Verdict::Last);
        assert_eq!(lenient.overruled.take(), Some(Statement::Rows));
    }

    #[test]
    fn a_page_that_is_not_there_is_the_end_unless_one_is_to_be() {
        let begun = |info: &PageInfo| {
            let mut plan = Plan::of(Paging::default().not_found_ends(true));
            plan.sees(0, 10, info, false);
            plan
        };
        assert_eq!(begun(&PageInfo::default()).miss(1, false), Some(Verdict::Last));
        assert_eq!(begun(&total(20)).miss(1, false), Some(Verdict::Stuck(Statement::Rows)));
        assert_eq!(begun(&PageInfo::default()).miss(0, false), None);
        let mut plain = plan();
        plain.sees(0, 10, &PageInfo::default(), false);
        assert_eq!([false, true].map(|r| plain.miss(1, r)), [None, Some(Verdict::Last)]);
        let mut none = Plan::of(Paging::default().not_found_ends(true));
        assert!(none.begins_at(0) && !none.begins_at(1));
        assert_eq!(none.miss(0, false), None);
    }

    #[test]
    fn a_cap_of_rows_is_an_error_unless_they_are_all() {
        let capped = || Plan::of(Paging::default().row_cap(20));
        let mut plan = capped();
        assert_eq!(plan.sees(0, 10, &total(50), false), Verdict::More);
        assert_eq!(plan.horizon(), 2);
        assert_eq!(plan.sees(1, 10, &total(50), false), Verdict::Capped);
        let mut silent = capped();
        silent.sees(0, 10, &PageInfo::default(), false);
        assert_eq!(silent.sees(1, 10, &PageInfo::default(), false), Verdict::Capped);
        let mut whole = capped();
        whole.sees(0, 10, &total(19), false);
        assert_eq!(whole.sees(1, 9, &total(19), false), Verdict::Last);
        // An API that returns no more than 20 may count no further either.
        let mut doubtful = capped();
        doubtful.sees(0, 10, &total(20), false);
        assert_eq!(doubtful.sees(1, 10, &total(20), false), Verdict::Capped);
    }

    #[test]
    fn without_a_total_a_page_shorter_than_the_first_is_the_last() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &PageInfo::default(), false), Verdict::More);
        assert_eq!(plan.sees(1, 10, &PageInfo::default(), false), Verdict::More);
        assert_eq!(plan.sees(2, 9, &PageInfo::default(), false), Verdict::Last);
    }

    #[test]
    fn a_page_that_repeats_is_a_loop_and_named_for_what_it_is() {
        let seen = |info: PageInfo| {
            let mut plan = plan();
            plan.sees(0, 10, &info, false);
            plan.sees(1, 10, &info, true)
        };
        assert_eq!(seen(PageInfo::default()), Verdict::Unpaged);
        assert_eq!(seen(PageInfo { has_next: Some(true), ..PageInfo::default() }), Verdict::Loop);
        assert_eq!(seen(info(Some(5))), Verdict::Loop);
    }

    #[test]
    fn a_page_that_calls_itself_an_earlier_one_is_a_loop() {
        let mut plan = plan();
        let echo =
            |page| PageInfo { page: Some(page), has_next: Some(true), ..PageInfo::default() };
        plan.sees(0, 10, &echo(1), false);
        assert_eq!(plan.sees(1, 10, &echo(2), false), Verdict::More);
        assert_eq!(plan.sees(2, 10, &echo(1), false), Verdict::Loop);
    }

    #[test]
    fn a_page_that_misnames_itself_is_read_when_the_total_says_where_the_end_is() {
        let mut plan = plan();
        let misnamed = PageInfo { page: Some(1), ..info(Some(3)) };
        let verdicts = [0, 1, 2].map(|index| plan.sees(index, 10, &misnamed, false));
        assert_eq!(verdicts, [Verdict::More, Verdict::More, Verdict::Last]);
    }

    #[test]
    fn an_api_that_does_not_page_is_asked_once_without_parameters() {
        let mut plan = Plan::of(Paging::none());
        assert!(plan.paging.query(&PageAddress::Start, None).is_empty());
        assert_eq!(plan.horizon(), 1);
        assert_eq!(plan.sees(0, 10, &info(Some(1)), false), Verdict::Last);
        let mut more = Plan::of(Paging::none());
        let verdict = more.sees(0, 10, &info(Some(9)), false);
        assert_eq!(verdict, Verdict::Stuck(Statement::Pages));
    }

    #[test]
    fn the_first_page_and_the_size_are_sent_as_configured() {
        let paging = Paging::default().first_page(0).page_param("p").page_size("n", 50);
        let query = paging.query(&PageAddress::Page(2), None);
        assert_eq!(query, [("p", "2".into()), ("n", "50".into())]);
        let query = paging.query(&PageAddress::Page(0), Some(1));
        assert_eq!(query, [("p", "0".into()), ("n", "1".into())]);
    }

    fn by_rows(asked: u64) -> Plan {
        Plan::of(Paging::offset_limit("offset", "limit", asked))
    }

    fn total(total: u64) -> PageInfo {
        PageInfo { total: Some(total), ..PageInfo::default() }
    }

    #[test]
    fn offsets_go_on_by_the_rows_that_the_server_really_gives() {
        let mut plan = by_rows(100);
        assert_eq!(plan.address(0), Some(PageAddress::Offset(0)));
        assert_eq!(plan.sees(0, 20, &total(95), false), Verdict::More);
        assert_eq!(plan.horizon(), 5);
        assert_eq!([1, 4].map(|index| plan.stride.row_of(index)), [20, 80]);
        assert_eq!(plan.address(3), Some(PageAddress::Offset(60)));
    }

    #[test]
    fn a_page_of_another_length_moves_the_offsets_after_it() {
        let mut plan = by_rows(10);
        plan.sees(0, 10, &total(95), false);
        assert_eq!(plan.sees(1, 7, &total(95), false), Verdict::Moved);
        assert_eq!(plan.address(2), Some(PageAddress::Offset(17)));
        assert_eq!(plan.horizon(), 2 + 8);
        assert_eq!(plan.sees(2, 10, &total(95), false), Verdict::More);
    }

    #[test]
    fn an_offset_without_rows_is_passed_over_while_the_total_says_more() {
        let mut plan = by_rows(10);
        plan.sees(0, 10, &total(35), false);
        assert_eq!(plan.sees(1, 0, &total(35), false), Verdict::More);
        assert_eq!(plan.address(2), Some(PageAddress::Offset(20)));
        assert_eq!(plan.sees(2, 10, &total(35), false), Verdict::More);
        // Ten rows were not shown.
        assert_eq!(plan.sees(3, 5, &total(35), false), Verdict::Stuck(Statement::Rows));
    }

    #[test]
    fn a_size_that_is_claimed_and_not_given_hides_no_page() {
        let mut plan = plan();
        let claim = PageInfo { per_page: Some(100), ..total(95) };
        assert_eq!(plan.sees(0, 20, &claim, false), Verdict::More);
        assert_eq!(plan.horizon(), 5);
    }

    #[test]
    fn where_pages_name_each_other_the_read_ends_when_none_is_named() {
        let mut plan = Plan::of(Paging::cursor("after", "next"));
        assert_eq!((plan.horizon(), plan.address(1)), (u64::MAX, None));
        let mut sees = |index, items, continuation, repeats, rows| {
            let info = &total(rows);
            plan.observe(&Observation {
                index,
                items,
                info,
                repeats,
                continuation,
                is_flag_named: false,
            })
        };
        assert_eq!(sees(0, 10, Continuation::Named, false, 23), Verdict::More);
        assert_eq!(sees(1, 0, Continuation::Named, false, 23), Verdict::More);
        assert_eq!(sees(2, 3, Continuation::Named, false, 23), Verdict::More);
        assert_eq!(sees(3, 10, Continuation::Nowhere, false, 23), Verdict::Last);
        assert_eq!(sees(4, 10, Continuation::Named, true, 23), Verdict::Loop);
        assert_eq!(sees(5, 10, Continuation::Nowhere, false, 500), Verdict::Stuck(Statement::Rows));
    }

    #[test]
    fn a_read_that_goes_on_in_the_middle_asks_for_that_page_first() {
        let start =
            Position { index: 4, taken: 0, full: 20, ..Position::at(PageAddress::Offset(80), 80) };
        let mut plan = Plan::new(Paging::offset_limit("offset", "limit", 100), &start);
        assert_eq!((plan.horizon(), plan.address(4)), (5, Some(PageAddress::Offset(80))));
        assert_eq!(plan.sees(4, 15, &PageInfo::default(), false), Verdict::More);
        assert_eq!(plan.address(5), Some(PageAddress::Offset(95)));
        let start =
            Position { index: 4, taken: 0, full: 20, ..Position::at(PageAddress::Page(4), 80) };
        let mut plan = Plan::new(Paging::default(), &start);
        let echo = PageInfo { page: Some(5), has_next: Some(true), ..PageInfo::default() };
        assert_eq!(plan.sees(4, 20, &echo, false), Verdict::More);
        let echo = PageInfo { page: Some(6), ..echo };
        assert_eq!(plan.sees(5, 20, &echo, false), Verdict::More);
        assert_eq!(plan.sees(6, 20, &echo, false), Verdict::Loop);
    }

    /// An API of `rows` rows that returns at most `cap` of them per page, and fewer if `uneven`
    /// says so.
    #[derive(Debug)]
    struct Api {
        rows: u64,
        asked: u64,
        cap: u64,
        uneven: Vec<u64>,
        hint: u8,
    }

    impl Api {
        /// The first row of a page, how many it has, and what it says.
        fn page(&self, address: &PageAddress) -> (u64, u64, PageInfo) {
            let given = self.cap.min(self.asked);
            let (first, size) = match *address {
                PageAddress::Page(index) => (index * given, given),
                PageAddress::Offset(row) => {
                    let at = usize::try_from(row).unwrap();
                    let cap = self.uneven.iter().cycle().nth(at % self.uneven.len().max(1));
                    (row, given.min(cap.copied().unwrap_or(given)))
                }
                _ => panic!("{address:?}"),
            };
            let count = self.rows.saturating_sub(first).min(size);
            let has_next = Some(first + count < self.rows);
            let info = match self.hint {
                0 => info(Some(self.rows.div_ceil(given))),
                1 => total(self.rows),
                2 => PageInfo { per_page: Some(self.asked), ..total(self.rows) },
                3 => PageInfo { has_next, ..PageInfo::default() },
                4 => PageInfo { next_page: has_next, ..PageInfo::default() },
                _ => PageInfo::default(),
            };
            (first, count, info)
        }

        /// Reads the set, with up to `prefetch` pages prefetched.
        fn read(&self, mut plan: Plan, prefetch: usize) -> Vec<u64> {
            let mut rows = Vec::new();
            let mut ahead = VecDeque::new();
            let (mut index, mut next) = (0, 0);
            // No page is requested beyond those in which the end is searched.
            for _ in 0..=2 * self.rows + 2 {
                while next < plan.horizon() && ahead.len() < prefetch {
                    ahead.push_back(self.page(&plan.address(next).unwrap()));
                    next += 1;
                }
                let (first, count, info) = ahead.pop_front().unwrap();
                let verdict = plan.sees(index, usize::try_from(count).unwrap(), &info, false);
                rows.extend(first..first + count);
                index += 1;
                match verdict {
                    Verdict::More => {}
                    Verdict::Moved => {
                        ahead.clear();
                        next = index;
                    }
                    Verdict::Last => return rows,
                    other => panic!("{other:?}"),
                }
            }
            panic!("the read goes on past the end")
        }
    }

    /// What one page of any API says and contains, and whether it names a next page.
    #[derive(Clone, Debug)]
    struct Page {
        items: usize,
        info: PageInfo,
        continuation: Continuation,
    }

    fn pages() -> impl Strategy<Value = Vec<Page>> {
        let count = || prop::option::weighted(0.4, 0_u64..12);
        let flag = || prop::option::weighted(0.4, any::<bool>());
        let ways = prop::sample::select(vec![
            Continuation::Named,
            Continuation::Itself,
            Continuation::Nowhere,
        ]);
        let said = (count(), count(), count(), flag(), flag(), any::<bool>(), 0_usize..4, ways);
        let page = said.prop_map(
            |(per_page, total, total_pages, has_next, next_page, link, n, continuation)| {
                let has_next_link = link && n % 2 == 0;
                let said = PageInfo {
                    per_page,
                    total,
                    total_pages,
                    has_next,
                    next_page,
                    ..PageInfo::default()
                };
                Page { items: n, info: PageInfo { has_next_link, ..said }, continuation }
            },
        );
        prop::collection::vec(page, 1..10)
    }

    /// Whether a page that was the last one says that more follow.
    fn says_more(page: &Page, rows: u64, index: u64, paging: &Paging) -> bool {
        let is_behind = |count: Option<u64>, at: u64| count.is_some_and(|count| count > at);
        let Page { info, continuation, items } = page;
        info.has_next == Some(true)
            || info.next_page == Some(true)
            || info.has_next_link && !paging.is_link()
            || is_behind(info.total, rows)
            || is_behind(info.total_pages, index + 1)
            || paging.is_chained()
                && (*continuation == Continuation::Named
                    || *continuation == Continuation::Itself && *items > 0)
    }

    proptest! {
        /// Whatever pages say, in every combination, and however pages are requested: no read ends
        /// successfully after a page that says that more follow, and none goes on for ever.
        #[test]
        fn a_read_ends_and_never_against_what_its_last_page_says(
            pages in pages(),
            paging in prop::sample::select(vec![
                Paging::page_number(),
                Paging::offset_limit("offset", "limit", 3),
                Paging::cursor("after", "next"),
                Paging::next_url("next"),
                Paging::link_header(),
                Paging::none(),
            ]),
        ) {
            let paging = paging.max_empty_pages(4);
            let mut plan = Plan::of(paging.clone());
            let mut rows = 0;
            for index in 0..40_u64 {
                // After the last one comes that one again, without rows.
                let at = usize::try_from(index).unwrap();
                let last = Page { items: 0, ..pages[pages.len() - 1].clone() };
                let mut page = pages.get(at).cloned().unwrap_or(last);
                if !paging.is_chained() {
                    page.continuation = if paging.is_paged() { Continuation::Computed } else { Continuation::Nowhere };
                }
                rows += page.items as u64;
                let Page { items, ref info, continuation } = page;
                let observation =
                    Observation { index, items, info, repeats: false, continuation, is_flag_named: false };
                match plan.observe(&observation) {
                    Verdict::More | Verdict::Moved => {}
                    Verdict::Last => {
                        prop_assert!(!says_more(&page, rows, index, &paging), "{page:?}");
                        return Ok(());
                    }
                    _ => return Ok(()),
                }
            }
            prop_assert!(false, "it goes on for ever");
        }
    }

    proptest! {
        /// Whatever an API says about itself, however it caps its pages and however many are
        /// prefetched: every row is read once, in order, and the read ends.
        #[test]
        fn every_row_of_a_stable_set_is_read_once(
            rows in 0_u64..300,
            asked in 1_u64..50,
            cap in 1_u64..50,
            uneven in prop::collection::vec(1_u64..50, 0..5),
            hint in 0_u8..6,
            prefetch in 1_usize..9,
            is_by_offset in any::<bool>(),
        ) {
            // If short pages mean nothing, only an explicit end helps.
            let uneven = if is_by_offset && (1..5).contains(&hint) { uneven } else { Vec::new() };
            let api = Api { rows, asked, cap, uneven, hint };
            let plan = if is_by_offset { by_rows(asked) } else { plan() };
            prop_assert_eq!(api.read(plan, prefetch), (0..rows).collect::<Vec<_>>());
        }
    }
}

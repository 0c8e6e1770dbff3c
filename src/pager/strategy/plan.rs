//! [pure] Which page to ask for next, and when the set has ended. Pages are counted from 0.

use super::{Address, Paging};
use crate::pager::envelope::Meta;

/// So many pages in a row may be empty while the total promises more.
const MAX_EMPTY: u32 = 100;

/// What a page, seen in its turn, means for the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) enum Verdict {
    /// The set goes on. Deliver the page's items.
    More,
    /// The set goes on, but elsewhere than where the next page was expected. Deliver the
    /// page's items, and forget what was fetched ahead.
    Elsewhere,
    /// This was the last page. Deliver its items.
    Last,
    /// The set ended before this page. Deliver nothing of it.
    Past,
    /// The server repeats itself.
    Loop,
    /// Every page is the same, and nothing in it speaks of pages.
    Unpaged,
    /// The set is not the one that the pages before were of, and that is an error.
    Changed,
}

/// A page in its turn.
pub(in crate::pager) struct Sight<'a> {
    pub(in crate::pager) index: u64,
    /// How many items it has.
    pub(in crate::pager) items: usize,
    pub(in crate::pager) meta: &'a Meta,
    /// Its items are those of the page before it.
    pub(in crate::pager) repeats: bool,
    /// Whether it names a next page, where pages do.
    pub(in crate::pager) is_followed: bool,
}

/// Where pages begin that are asked for by their first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pager) struct Steps {
    /// The page that begins with row `row`.
    pub(in crate::pager) index: u64,
    pub(in crate::pager) row: u64,
    /// How many rows later each next page begins.
    pub(in crate::pager) stride: u64,
}

impl Steps {
    /// The first row of a page, the one at `index` or a later one.
    pub(in crate::pager) fn row_of(&self, index: u64) -> u64 {
        let pages = index.saturating_sub(self.index);
        self.row.saturating_add(pages.saturating_mul(self.stride))
    }
}

/// Where a read begins: at the start of the set, or where another one stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pager) struct Start {
    pub(in crate::pager) index: u64,
    pub(in crate::pager) address: Address,
    /// How many items a full page has; 0 where that is not known.
    pub(in crate::pager) full: u64,
}

impl Start {
    /// At a page in the middle of a set.
    pub(in crate::pager) fn at(address: Address) -> Self {
        Self { index: 0, address, full: 0 }
    }
}

/// The progress of one read.
pub(in crate::pager) struct Plan {
    paging: Paging,
    /// The first page of the read.
    start: u64,
    /// Whether the set begins with that page.
    is_whole: bool,
    /// Whether that page has been seen. Before that, nothing else is asked for.
    has_begun: bool,
    /// How many pages there are, as the latest page said.
    known: Option<u64>,
    /// How many there are at least, if every page has as many items as the server says.
    certain: Option<u64>,
    /// How many items a full page has; 0 where that is not known.
    full: u64,
    steps: Steps,
    /// What the API calls the first page of the read in its own envelope.
    first_echo: Option<u64>,
    empty_in_a_row: u32,
    /// The totals, of items and of pages, that were named last.
    totals: (Option<u64>, Option<u64>),
}

impl Plan {
    pub(in crate::pager) fn new(paging: Paging, start: &Start) -> Self {
        let row = if let Address::Offset(row) = start.address { row } else { 0 };
        let stride = if start.full > 0 { start.full } else { paging.size().unwrap_or_default() };
        Self {
            paging,
            start: start.index,
            is_whole: start.index == 0 && row == 0,
            has_begun: false,
            known: None,
            certain: None,
            full: start.full,
            steps: Steps { index: start.index, row, stride },
            first_echo: None,
            empty_in_a_row: 0,
            totals: (None, None),
        }
    }

    pub(in crate::pager) fn paging(&self) -> &Paging {
        &self.paging
    }

    /// How many items a full page has; 0 where that is not known.
    pub(in crate::pager) fn full(&self) -> u64 {
        self.full
    }

    /// Where pages begin, if they are asked for by their first row.
    pub(in crate::pager) fn steps(&self) -> Steps {
        self.steps
    }

    /// Where a page is, unless the one before it names it.
    pub(in crate::pager) fn address(&self, index: u64) -> Option<Address> {
        if self.paging.is_chained() {
            return None;
        }
        Some(match self.paging.start() {
            Address::Page(_) => Address::Page(index),
            Address::Offset(_) => Address::Offset(self.steps.row_of(index)),
            start => start,
        })
    }

    /// How many pages, from the first of the set on, may be asked for: up to the first of the
    /// read before that has been seen; then as many as there are, or any number if that is
    /// not known. Where pages name each other, they are the bound.
    pub(in crate::pager) fn horizon(&self) -> u64 {
        match (self.paging.is_chained(), self.has_begun) {
            (true, _) => u64::MAX,
            (false, true) => self.known.unwrap_or(u64::MAX),
            (false, false) => self.start.saturating_add(1),
        }
    }

    /// Whether a page is of the set whatever it says of itself, if it does not repeat the
    /// one before it: the pages before it have told how many there are.
    pub(in crate::pager) fn is_promised(&self, index: u64) -> bool {
        let is_settled = self.has_begun && !self.paging.fail_on_change;
        is_settled && self.known.is_some_and(|known| index < known)
    }

    /// Whether a 404 on this page is the end of the set.
    pub(in crate::pager) fn ends_when_missing(&self, index: u64) -> bool {
        let is_extra = self.certain.is_some_and(|certain| index >= certain);
        let is_within = index > 0 || !self.is_whole;
        is_within && (self.paging.not_found_ends || is_extra)
    }

    /// Judges a page in its turn.
    pub(in crate::pager) fn observe(&mut self, sight: &Sight<'_>) -> Verdict {
        let &Sight { index, meta, repeats, is_followed, .. } = sight;
        let count = sight.items as u64;
        let is_first = !self.has_begun;
        if is_first {
            self.has_begun = true;
            self.first_echo = meta.page;
        }
        if self.full == 0 {
            self.full = count;
        }
        if !self.paging.is_paged() {
            return Verdict::Last;
        }
        if self.has_changed(meta) && self.paging.fail_on_change {
            return Verdict::Changed;
        }
        let expected = self.steps.row_of(index + 1);
        let steps = self.step(index, count);
        let moved = !is_first && self.paging.is_by_offset() && steps.row != expected;
        if !self.paging.is_chained() {
            self.measure(index, meta, steps);
        }
        let is_promised = |known: u64| index < known;
        // With a total to go by, a page that only misnames itself does no harm.
        let is_another = self.known.is_none() && self.is_echo_of_another(index, meta);
        if !is_first && count > 0 && (repeats || is_another) {
            return match self.known {
                // Asked for a page past the end, some servers send the last one again.
                Some(known) if !is_promised(known) => Verdict::Past,
                None if *meta == Meta::default()
                    && index == self.start + 1
                    && !self.paging.is_chained() =>
                {
                    Verdict::Unpaged
                }
                _ => Verdict::Loop,
            };
        }
        self.empty_in_a_row = if count == 0 { self.empty_in_a_row + 1 } else { 0 };
        if self.empty_in_a_row > MAX_EMPTY {
            return Verdict::Loop;
        }
        let is_last = match (self.known, meta.has_next) {
            _ if self.paging.is_chained() => !is_followed,
            (Some(known), _) => index + 1 >= known,
            _ if count == 0 => true,
            (None, Some(has_next)) => !has_next,
            // Nothing but its length speaks of the end. The first page sets the
            // measure, since a server may give less than it was asked for.
            (None, None) => !is_first && count < self.full,
        };
        self.steps = steps;
        match (is_last, moved) {
            (true, _) => Verdict::Last,
            (false, true) => Verdict::Elsewhere,
            (false, false) => Verdict::More,
        }
    }

    /// Where the pages after this one begin.
    fn step(&self, index: u64, count: u64) -> Steps {
        let stride = match (self.full, self.steps.stride) {
            (0, stride) => stride.max(1),
            (full, _) => full,
        };
        // A page without rows may have been relieved of them.
        let rows = if count > 0 { count } else { stride };
        let row = self.steps.row_of(index).saturating_add(rows);
        Steps { index: index + 1, row, stride }
    }

    /// Whether a page names other totals than those before it.
    fn has_changed(&mut self, meta: &Meta) -> bool {
        let (items, pages) = self.totals;
        self.totals = (meta.total.or(items), meta.total_pages.or(pages));
        let differ = |one: Option<u64>, other: Option<u64>| {
            one.zip(other).is_some_and(|(one, other)| one != other)
        };
        differ(items, meta.total) || differ(pages, meta.total_pages)
    }

    /// Takes in how many pages the server says there are, if page `index` says anything.
    fn measure(&mut self, index: u64, meta: &Meta, next: Steps) {
        if self.paging.is_by_offset() {
            let by_rows = |total: u64| {
                let left = total.saturating_sub(next.row).div_ceil(next.stride);
                (index + 1).saturating_add(left)
            };
            self.known = meta.total.map(by_rows).or(meta.total_pages).or(self.known);
            return;
        }
        let claimed = meta.per_page.filter(|size| *size > 0);
        // A server may claim a larger size than it gives.
        let given = Some(self.full).filter(|size| *size > 0);
        let size = [claimed, given].into_iter().flatten().min().or(self.paging.size());
        let pages = |size: Option<u64>| Some(meta.total?.div_ceil(size?));
        self.certain = pages(claimed.or(size)).or(self.certain);
        self.known = meta.total_pages.or_else(|| pages(size)).or(self.known);
    }

    /// Whether the page says of itself that it is another one than was asked for.
    fn is_echo_of_another(&self, index: u64, meta: &Meta) -> bool {
        let read = index.saturating_sub(self.start);
        match (self.first_echo, meta.page) {
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

    use super::{super::Term, *};

    impl Start {
        fn of(paging: &Paging) -> Self {
            Self { index: 0, address: paging.start(), full: 0 }
        }
    }

    impl Plan {
        fn of(paging: Paging) -> Self {
            let start = Start::of(&paging);
            Self::new(paging, &start)
        }

        fn sees(&mut self, index: u64, items: usize, meta: &Meta, repeats: bool) -> Verdict {
            self.observe(&Sight { index, items, meta, repeats, is_followed: false })
        }
    }

    fn plan() -> Plan {
        Plan::of(Paging::default())
    }

    fn meta(total_pages: Option<u64>) -> Meta {
        Meta { total_pages, ..Meta::default() }
    }

    #[test]
    fn only_the_first_page_is_asked_for_before_anything_is_known() {
        assert_eq!(plan().horizon(), 1);
    }

    #[test]
    fn with_a_known_number_of_pages_none_beyond_it_is_asked_for() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &meta(Some(4)), false), Verdict::More);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn with_an_unknown_number_of_pages_any_may_be_asked_for_once_the_first_is_seen() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.horizon(), u64::MAX);
    }

    #[test]
    fn a_total_of_items_gives_the_number_of_pages_by_the_size_that_the_server_really_uses() {
        let mut plan = plan();
        plan.sees(0, 10, &Meta { total: Some(31), ..Meta::default() }, false);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn a_number_of_pages_that_grows_is_followed_and_one_that_shrinks_ends_the_set() {
        let mut plan = plan();
        plan.sees(0, 10, &meta(Some(2)), false);
        assert_eq!(plan.sees(1, 10, &meta(Some(3)), false), Verdict::More);
        assert_eq!(plan.sees(2, 10, &meta(Some(2)), false), Verdict::Last);
    }

    #[test]
    fn a_total_that_changes_is_an_error_where_it_was_asked_for() {
        let strict = || Plan::of(Paging::default().fail_on_change(true));
        let items = |total| Meta { total: Some(total), ..Meta::default() };
        for (first, second) in [(meta(Some(4)), meta(Some(5))), (items(40), items(39))] {
            let mut plan = strict();
            assert_eq!(plan.sees(0, 10, &first, false), Verdict::More);
            assert_eq!(plan.sees(1, 10, &Meta::default(), false), Verdict::More);
            let mut plan = strict();
            plan.sees(0, 10, &first, false);
            assert!(!plan.is_promised(1));
            assert_eq!(plan.sees(1, 10, &second, false), Verdict::Changed);
        }
    }

    #[test]
    fn an_empty_page_goes_on_only_if_the_total_says_more() {
        let mut with_total = plan();
        with_total.sees(0, 10, &meta(Some(5)), false);
        assert_eq!(with_total.sees(1, 0, &meta(Some(5)), false), Verdict::More);
        for has_next in [None, Some(true)] {
            let mut without = plan();
            let meta = Meta { has_next, ..Meta::default() };
            without.sees(0, 10, &meta, false);
            assert_eq!(without.sees(1, 0, &meta, false), Verdict::Last);
        }
    }

    #[test]
    fn endless_empty_pages_are_a_loop() {
        let mut plan = plan();
        let verdicts: Vec<_> = (0..=MAX_EMPTY.into())
            .map(|index| plan.sees(index, 0, &meta(Some(u64::MAX)), false))
            .collect();
        assert_eq!(verdicts.last(), Some(&Verdict::Loop));
    }

    #[test]
    fn without_a_total_a_page_shorter_than_the_first_is_the_last() {
        let mut plan = plan();
        assert_eq!(plan.sees(0, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.sees(1, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.sees(2, 9, &Meta::default(), false), Verdict::Last);
    }

    #[test]
    fn a_page_that_repeats_is_a_loop_and_named_for_what_it_is() {
        let seen = |meta: Meta| {
            let mut plan = plan();
            plan.sees(0, 10, &meta, false);
            plan.sees(1, 10, &meta, true)
        };
        assert_eq!(seen(Meta::default()), Verdict::Unpaged);
        assert_eq!(seen(Meta { has_next: Some(true), ..Meta::default() }), Verdict::Loop);
        assert_eq!(seen(meta(Some(5))), Verdict::Loop);
        assert_eq!(seen(meta(Some(1))), Verdict::Past);
    }

    #[test]
    fn a_page_that_calls_itself_an_earlier_one_is_a_loop() {
        let mut plan = plan();
        let echo = |page| Meta { page: Some(page), has_next: Some(true), ..Meta::default() };
        plan.sees(0, 10, &echo(1), false);
        assert_eq!(plan.sees(1, 10, &echo(2), false), Verdict::More);
        assert_eq!(plan.sees(2, 10, &echo(1), false), Verdict::Loop);
    }

    #[test]
    fn a_page_that_misnames_itself_is_read_when_the_total_says_where_the_end_is() {
        let mut plan = plan();
        let misnamed = Meta { page: Some(1), ..meta(Some(3)) };
        let verdicts = [0, 1, 2].map(|index| plan.sees(index, 10, &misnamed, false));
        assert_eq!(verdicts, [Verdict::More, Verdict::More, Verdict::Last]);
    }

    #[test]
    fn an_api_that_does_not_page_is_asked_once_without_parameters() {
        let mut plan = Plan::of(Paging::none());
        assert!(plan.paging().query(&Address::Start, None).is_empty());
        assert_eq!(plan.horizon(), 1);
        assert_eq!(plan.sees(0, 10, &meta(Some(9)), false), Verdict::Last);
    }

    #[test]
    fn the_first_page_and_the_size_are_sent_as_configured() {
        let paging = Paging::default().first_page(0).page_param("p").page_size("n", 50);
        let number = Term::Number;
        let query = paging.query(&Address::Page(2), None);
        assert_eq!(query, [("p", number(2)), ("n", number(50))]);
        let query = paging.query(&Address::Page(0), Some(1));
        assert_eq!(query, [("p", number(0)), ("n", number(1))]);
    }

    fn by_rows(asked: u64) -> Plan {
        Plan::of(Paging::offset_limit("offset", "limit", asked))
    }

    fn total(total: u64) -> Meta {
        Meta { total: Some(total), ..Meta::default() }
    }

    #[test]
    fn offsets_go_on_by_the_rows_that_the_server_really_gives() {
        let mut plan = by_rows(100);
        assert_eq!(plan.address(0), Some(Address::Offset(0)));
        assert_eq!(plan.sees(0, 20, &total(95), false), Verdict::More);
        assert_eq!(plan.horizon(), 5);
        assert_eq!([1, 4].map(|index| plan.steps().row_of(index)), [20, 80]);
        assert_eq!(plan.address(3), Some(Address::Offset(60)));
    }

    #[test]
    fn a_page_of_another_length_moves_the_offsets_after_it() {
        let mut plan = by_rows(10);
        plan.sees(0, 10, &total(95), false);
        assert_eq!(plan.sees(1, 7, &total(95), false), Verdict::Elsewhere);
        assert_eq!(plan.address(2), Some(Address::Offset(17)));
        assert_eq!(plan.horizon(), 2 + 8);
        assert_eq!(plan.sees(2, 10, &total(95), false), Verdict::More);
    }

    #[test]
    fn an_offset_without_rows_is_passed_over_while_the_total_says_more() {
        let mut plan = by_rows(10);
        plan.sees(0, 10, &total(35), false);
        assert_eq!(plan.sees(1, 0, &total(35), false), Verdict::More);
        assert_eq!(plan.address(2), Some(Address::Offset(20)));
        assert_eq!(plan.sees(2, 10, &total(35), false), Verdict::More);
        assert_eq!(plan.sees(3, 5, &total(35), false), Verdict::Last);
    }

    #[test]
    fn a_size_that_is_claimed_and_not_given_hides_no_page() {
        let mut plan = plan();
        let claim = Meta { per_page: Some(100), ..total(95) };
        assert_eq!(plan.sees(0, 20, &claim, false), Verdict::More);
        assert_eq!(plan.horizon(), 5);
        // If the claim is true and the page was relieved of rows, there may be none.
        assert!(plan.ends_when_missing(1));
        let mut honest = Plan::of(Paging::default());
        honest.sees(0, 20, &total(95), false);
        assert!(!honest.ends_when_missing(4));
    }

    #[test]
    fn where_pages_name_each_other_the_read_ends_when_none_is_named() {
        let mut plan = Plan::of(Paging::cursor("after", "next"));
        assert_eq!((plan.horizon(), plan.address(1)), (u64::MAX, None));
        let mut sees = |index, items, is_followed, repeats| {
            let meta = &total(500);
            plan.observe(&Sight { index, items, meta, repeats, is_followed })
        };
        assert_eq!(sees(0, 10, true, false), Verdict::More);
        assert_eq!(sees(1, 0, true, false), Verdict::More);
        assert_eq!(sees(2, 3, true, false), Verdict::More);
        assert_eq!(sees(3, 10, false, false), Verdict::Last);
        assert_eq!(sees(4, 10, true, true), Verdict::Loop);
    }

    #[test]
    fn a_read_that_goes_on_in_the_middle_asks_for_that_page_first() {
        let start = Start { index: 4, address: Address::Offset(80), full: 20 };
        let mut plan = Plan::new(Paging::offset_limit("offset", "limit", 100), &start);
        assert_eq!((plan.horizon(), plan.address(4)), (5, Some(Address::Offset(80))));
        assert_eq!(plan.sees(4, 15, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.address(5), Some(Address::Offset(95)));
        let start = Start { index: 4, address: Address::Page(4), full: 20 };
        let mut plan = Plan::new(Paging::default(), &start);
        let echo = Meta { page: Some(5), has_next: Some(true), ..Meta::default() };
        assert_eq!(plan.sees(4, 20, &echo, false), Verdict::More);
        let echo = Meta { page: Some(6), ..echo };
        assert_eq!(plan.sees(5, 20, &echo, false), Verdict::More);
        assert_eq!(plan.sees(6, 20, &echo, false), Verdict::Loop);
    }

    /// An API of `rows` rows that gives at most `cap` of them a page, and less where `uneven`
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
        fn page(&self, address: &Address) -> (u64, u64, Meta) {
            let given = self.cap.min(self.asked);
            let (first, size) = match *address {
                Address::Page(index) => (index * given, given),
                Address::Offset(row) => {
                    let at = usize::try_from(row).unwrap();
                    let cap = self.uneven.iter().cycle().nth(at % self.uneven.len().max(1));
                    (row, given.min(cap.copied().unwrap_or(given)))
                }
                _ => panic!("{address:?}"),
            };
            let count = self.rows.saturating_sub(first).min(size);
            let has_next = Some(first + count < self.rows);
            let meta = match self.hint {
                0 => meta(Some(self.rows.div_ceil(given))),
                1 => total(self.rows),
                2 => Meta { per_page: Some(self.asked), ..total(self.rows) },
                3 => Meta { has_next, ..Meta::default() },
                4 => Meta { has_next: Some(true), ..Meta::default() },
                _ => Meta::default(),
            };
            (first, count, meta)
        }

        /// Reads the set, with as many pages fetched ahead as `prefetch` says.
        fn read(&self, mut plan: Plan, prefetch: usize) -> Vec<u64> {
            let mut rows = Vec::new();
            let mut ahead = VecDeque::new();
            let (mut index, mut next) = (0, 0);
            // No page is asked for past those that the end is looked for in.
            for _ in 0..=2 * self.rows + 2 {
                while next < plan.horizon() && ahead.len() < prefetch {
                    ahead.push_back(self.page(&plan.address(next).unwrap()));
                    next += 1;
                }
                let (first, count, meta) = ahead.pop_front().unwrap();
                let verdict = plan.sees(index, usize::try_from(count).unwrap(), &meta, false);
                rows.extend(first..first + count);
                index += 1;
                match verdict {
                    Verdict::More => {}
                    Verdict::Elsewhere => {
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

    proptest! {
        /// Whatever an API says of itself, however it caps its pages and however far is
        /// fetched ahead: every row is read once, in order, and the read ends.
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
            // Only a word about the end helps where a short page says nothing.
            let uneven = if is_by_offset && (1..5).contains(&hint) { uneven } else { Vec::new() };
            let api = Api { rows, asked, cap, uneven, hint };
            let plan = if is_by_offset { by_rows(asked) } else { plan() };
            prop_assert_eq!(api.read(plan, prefetch), (0..rows).collect::<Vec<_>>());
        }
    }
}

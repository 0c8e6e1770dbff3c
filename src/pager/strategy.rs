//! [pure] Which page to ask for next, and when the set has ended. Pages are counted
//! here from 0; [`Paging`] knows how the API counts them.

use super::envelope::Meta;

/// So many pages in a row may be empty while the total promises more.
const MAX_EMPTY: u32 = 100;

/// How an API hands its set out page by page.
///
/// The default asks for `?page=1`, `?page=2`, … and leaves the size to the API.
///
/// ```
/// use vantage_api_pool::Paging;
///
/// let paging = Paging::page_number().first_page(0).page_size("per_page", 100);
/// # let _ = paging;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    mode: Mode,
    first_page: u64,
    page_param: String,
    size: Option<(String, u64)>,
    not_found_ends: bool,
    fail_on_change: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    PageNumber,
    None,
}

impl Default for Paging {
    fn default() -> Self {
        Self::page_number()
    }
}

impl Paging {
    /// Pages are numbered: `?page=1`, `?page=2`, ….
    #[must_use]
    pub fn page_number() -> Self {
        Self {
            mode: Mode::PageNumber,
            first_page: 1,
            page_param: "page".into(),
            size: None,
            not_found_ends: false,
            fail_on_change: false,
        }
    }

    /// The API does not page: one request without parameters is the whole set.
    #[must_use]
    pub fn none() -> Self {
        Self { mode: Mode::None, ..Self::page_number() }
    }

    /// The number of the first page: 1 by default, 0 for APIs that count from zero.
    #[must_use]
    pub fn first_page(mut self, number: u64) -> Self {
        self.first_page = number;
        self
    }

    /// The name of the parameter with the page number. The default is `page`.
    #[must_use]
    pub fn page_param(mut self, name: impl Into<String>) -> Self {
        self.page_param = name.into();
        self
    }

    /// Asks for `size` items a page in the parameter `name`. By default no size
    /// is asked for and the API's own applies. A server may cap it.
    #[must_use]
    pub fn page_size(mut self, name: impl Into<String>, size: u64) -> Self {
        self.size = Some((name.into(), size));
        self
    }

    /// Reads a 404 past the first page as the end of the set. By default it is an error.
    #[must_use]
    pub fn not_found_ends(mut self, yes: bool) -> Self {
        self.not_found_ends = yes;
        self
    }

    /// Fails the read with [`ErrorKind::SetChanged`](crate::ErrorKind::SetChanged) when a
    /// page names another total, of items or of pages, than those before it. By default
    /// a set that grows is followed, and one that shrinks ends sooner.
    #[must_use]
    pub fn fail_on_change(mut self, yes: bool) -> Self {
        self.fail_on_change = yes;
        self
    }

    pub(crate) fn is_paged(&self) -> bool {
        self.mode == Mode::PageNumber
    }

    /// The page size that is asked for.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size.as_ref().map(|(_, size)| *size)
    }

    pub(crate) fn is_not_found_the_end(&self) -> bool {
        self.not_found_ends
    }

    /// The names of the query parameters that paging sets.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        self.query(0, None).into_iter().map(|(name, _)| name).collect()
    }

    /// The number by which the API knows the page with this index.
    pub(crate) fn number(&self, index: u64) -> u64 {
        self.first_page.saturating_add(index)
    }

    /// The query parameters that ask for a page, with another size if `size` is given.
    pub(crate) fn query(&self, index: u64, size: Option<u64>) -> Vec<(&str, u64)> {
        if !self.is_paged() {
            return Vec::new();
        }
        let page = (self.page_param.as_str(), self.number(index));
        let own = self.size.as_ref().map(|(name, own)| (name.as_str(), size.unwrap_or(*own)));
        std::iter::once(page).chain(own).collect()
    }
}

/// What a page, seen in its turn, means for the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The set goes on. Deliver the page's items.
    More,
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

/// The progress of one read.
pub(super) struct Plan {
    paging: Paging,
    /// Whether the first page has been seen. Before that, nothing else is asked for.
    has_begun: bool,
    /// How many pages there are, as the latest page said.
    known: Option<u64>,
    /// How many items a full page has.
    full: u64,
    /// What the API calls the first page in its own envelope.
    first_echo: Option<u64>,
    empty_in_a_row: u32,
    /// The totals, of items and of pages, that were named last.
    totals: (Option<u64>, Option<u64>),
}

impl Plan {
    pub(super) fn new(paging: Paging) -> Self {
        Self {
            paging,
            has_begun: false,
            known: None,
            full: 0,
            first_echo: None,
            empty_in_a_row: 0,
            totals: (None, None),
        }
    }

    pub(super) fn paging(&self) -> &Paging {
        &self.paging
    }

    /// How many pages, from the first one on, may be asked for: one before the first has
    /// been seen; then as many as there are, or any number if that is not known.
    pub(super) fn horizon(&self) -> u64 {
        if self.has_begun { self.known.unwrap_or(u64::MAX) } else { 1 }
    }

    /// Whether a page is of the set whatever it says of itself, if it does not repeat the
    /// one before it: the pages before it have told how many there are.
    pub(super) fn is_promised(&self, index: u64) -> bool {
        let is_settled = self.has_begun && !self.paging.fail_on_change;
        is_settled && self.known.is_some_and(|known| index < known)
    }

    /// Whether a 404 on this page is the end of the set.
    pub(super) fn ends_when_missing(&self, index: u64) -> bool {
        index > 0 && self.paging.not_found_ends
    }

    /// Judges a page in its turn. `repeats` says that its items are those of the
    /// page before it.
    pub(super) fn observe(
        &mut self,
        index: u64,
        items: usize,
        meta: &Meta,
        repeats: bool,
    ) -> Verdict {
        let count = items as u64;
        if !self.has_begun {
            self.has_begun = true;
            self.full = count;
            self.first_echo = meta.page;
        }
        if !self.paging.is_paged() {
            return Verdict::Last;
        }
        if self.has_changed(meta) && self.paging.fail_on_change {
            return Verdict::Changed;
        }
        self.known = self.pages(meta).or(self.known);
        let is_promised = |known: u64| index < known;
        // With a total to go by, a page that only misnames itself does no harm.
        let is_another = self.known.is_none() && self.is_echo_of_another(index, meta);
        if index > 0 && count > 0 && (repeats || is_another) {
            return match self.known {
                // Asked for a page past the end, some servers send the last one again.
                Some(known) if !is_promised(known) => Verdict::Past,
                None if *meta == Meta::default() && index == 1 => Verdict::Unpaged,
                _ => Verdict::Loop,
            };
        }
        self.empty_in_a_row = if count == 0 { self.empty_in_a_row + 1 } else { 0 };
        if self.empty_in_a_row > MAX_EMPTY {
            return Verdict::Loop;
        }
        let is_last = match (self.known, meta.has_next) {
            (Some(known), _) => index + 1 >= known,
            _ if count == 0 => true,
            (None, Some(has_next)) => !has_next,
            // Nothing but its length speaks of the end. The first page sets the
            // measure, since a server may give less than it was asked for.
            (None, None) => index > 0 && count < self.full,
        };
        if is_last { Verdict::Last } else { Verdict::More }
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

    /// How many pages the server says there are.
    fn pages(&self, meta: &Meta) -> Option<u64> {
        let by_items = || {
            let size = meta.per_page.filter(|size| *size > 0).unwrap_or(self.full);
            meta.total.filter(|_| size > 0).map(|total| total.div_ceil(size))
        };
        meta.total_pages.or_else(by_items)
    }

    /// Whether the page says of itself that it is another one than was asked for.
    fn is_echo_of_another(&self, index: u64, meta: &Meta) -> bool {
        match (self.first_echo, meta.page) {
            (Some(first), Some(page)) => page < first.saturating_add(index),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan() -> Plan {
        Plan::new(Paging::default())
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
        assert_eq!(plan.observe(0, 10, &meta(Some(4)), false), Verdict::More);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn with_an_unknown_number_of_pages_any_may_be_asked_for_once_the_first_is_seen() {
        let mut plan = plan();
        assert_eq!(plan.observe(0, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.horizon(), u64::MAX);
    }

    #[test]
    fn a_total_of_items_gives_the_number_of_pages_by_the_size_that_the_server_really_uses() {
        let mut plan = plan();
        plan.observe(0, 10, &Meta { total: Some(31), ..Meta::default() }, false);
        assert_eq!(plan.horizon(), 4);
    }

    #[test]
    fn a_number_of_pages_that_grows_is_followed_and_one_that_shrinks_ends_the_set() {
        let mut plan = plan();
        plan.observe(0, 10, &meta(Some(2)), false);
        assert_eq!(plan.observe(1, 10, &meta(Some(3)), false), Verdict::More);
        assert_eq!(plan.observe(2, 10, &meta(Some(2)), false), Verdict::Last);
    }

    #[test]
    fn a_total_that_changes_is_an_error_where_it_was_asked_for() {
        let strict = || Plan::new(Paging::default().fail_on_change(true));
        let items = |total| Meta { total: Some(total), ..Meta::default() };
        for (first, second) in [(meta(Some(4)), meta(Some(5))), (items(40), items(39))] {
            let mut plan = strict();
            assert_eq!(plan.observe(0, 10, &first, false), Verdict::More);
            assert_eq!(plan.observe(1, 10, &Meta::default(), false), Verdict::More);
            let mut plan = strict();
            plan.observe(0, 10, &first, false);
            assert!(!plan.is_promised(1));
            assert_eq!(plan.observe(1, 10, &second, false), Verdict::Changed);
        }
    }

    #[test]
    fn an_empty_page_goes_on_only_if_the_total_says_more() {
        let mut with_total = plan();
        with_total.observe(0, 10, &meta(Some(5)), false);
        assert_eq!(with_total.observe(1, 0, &meta(Some(5)), false), Verdict::More);
        for has_next in [None, Some(true)] {
            let mut without = plan();
            let meta = Meta { has_next, ..Meta::default() };
            without.observe(0, 10, &meta, false);
            assert_eq!(without.observe(1, 0, &meta, false), Verdict::Last);
        }
    }

    #[test]
    fn endless_empty_pages_are_a_loop() {
        let mut plan = plan();
        let verdicts: Vec<_> = (0..=MAX_EMPTY.into())
            .map(|index| plan.observe(index, 0, &meta(Some(u64::MAX)), false))
            .collect();
        assert_eq!(verdicts.last(), Some(&Verdict::Loop));
    }

    #[test]
    fn without_a_total_a_page_shorter_than_the_first_is_the_last() {
        let mut plan = plan();
        assert_eq!(plan.observe(0, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.observe(1, 10, &Meta::default(), false), Verdict::More);
        assert_eq!(plan.observe(2, 9, &Meta::default(), false), Verdict::Last);
    }

    #[test]
    fn a_page_that_repeats_is_a_loop_and_named_for_what_it_is() {
        let seen = |meta: Meta| {
            let mut plan = plan();
            plan.observe(0, 10, &meta, false);
            plan.observe(1, 10, &meta, true)
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
        plan.observe(0, 10, &echo(1), false);
        assert_eq!(plan.observe(1, 10, &echo(2), false), Verdict::More);
        assert_eq!(plan.observe(2, 10, &echo(1), false), Verdict::Loop);
    }

    #[test]
    fn a_page_that_misnames_itself_is_read_when_the_total_says_where_the_end_is() {
        let mut plan = plan();
        let misnamed = Meta { page: Some(1), ..meta(Some(3)) };
        let verdicts = [0, 1, 2].map(|index| plan.observe(index, 10, &misnamed, false));
        assert_eq!(verdicts, [Verdict::More, Verdict::More, Verdict::Last]);
    }

    #[test]
    fn an_api_that_does_not_page_is_asked_once_without_parameters() {
        let mut plan = Plan::new(Paging::none());
        assert!(plan.paging().query(0, None).is_empty());
        assert_eq!(plan.horizon(), 1);
        assert_eq!(plan.observe(0, 10, &meta(Some(9)), false), Verdict::Last);
    }

    #[test]
    fn the_first_page_and_the_size_are_sent_as_configured() {
        let paging = Paging::default().first_page(0).page_param("p").page_size("n", 50);
        assert_eq!(paging.query(2, None), [("p", 2), ("n", 50)]);
        assert_eq!(paging.query(0, Some(1)), [("p", 0), ("n", 1)]);
    }

    proptest! {
        /// Whatever an API of `total` items and a page cap says of itself, the read ends,
        /// and it has delivered every item.
        #[test]
        fn every_item_of_a_stable_set_is_delivered(total in 0_u64..500, cap in 1_u64..40, hint in 0..5) {
            let pages = total.div_ceil(cap).max(1);
            let mut plan = plan();
            let mut delivered = 0;
            for index in 0..=pages + 1 {
                let count = total.saturating_sub(index * cap).min(cap);
                let meta = match hint {
                    0 => meta(Some(total.div_ceil(cap))),
                    1 => Meta { total: Some(total), ..Meta::default() },
                    2 => Meta { has_next: Some((index + 1) * cap < total), ..Meta::default() },
                    3 => Meta { has_next: Some(true), ..Meta::default() },
                    _ => Meta::default(),
                };
                let verdict = plan.observe(index, usize::try_from(count).unwrap(), &meta, false);
                prop_assert!(matches!(verdict, Verdict::More | Verdict::Last));
                delivered += count;
                if verdict == Verdict::Last {
                    prop_assert_eq!(delivered, total);
                    return Ok(());
                }
            }
            prop_assert!(false, "the read went on past the end");
        }
    }
}

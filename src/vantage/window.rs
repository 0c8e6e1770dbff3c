//! [pure] Windows of a set: which rows, which pages hold them, and whether a response is the
//! requested page.

use vantage_table::pagination::Pagination;

use crate::pager::PageInfo;

/// The rows of a set from `start` up to and without `end`, counted from 0. The
/// start advances with the rows that were returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowWindow {
    start: u64,
    end: u64,
}

impl RowWindow {
    pub(super) fn of(pagination: &Pagination) -> Self {
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        Self::new(unsigned(pagination.skip()), unsigned(pagination.limit()))
    }

    pub(super) fn new(start: u64, limit: u64) -> Self {
        Self { start, end: start.saturating_add(limit) }
    }

    pub(super) fn is_served(&self) -> bool {
        self.start >= self.end
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The row after the last.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The most rows it can have.
    pub(super) fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// How many pages of `size` rows there are from the start of the set to the window's end.
    pub(super) fn pages_to_end(&self, size: u64) -> u64 {
        self.end.div_ceil(size.max(1))
    }

    /// The part of the positioned, ascending `rows` that is in the window.
    pub(super) fn cut<T>(&mut self, mut rows: Vec<(u64, T)>) -> Vec<(u64, T)> {
        let beyond = rows.last().map_or(self.start, |(position, _)| position + 1);
        rows.retain(|(position, _)| (self.start..self.end).contains(position));
        self.start = self.start.max(beyond.min(self.end));
        rows
    }
}

/// A page given by its index, counted from 0, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) index: u64,
    pub(super) size: u64,
}

/// Whether a response has exactly the rows of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanEnd {
    /// It has, and more may follow.
    Full,
    /// It has, and the set ends with it.
    Last,
    /// It may have other rows: the API caps or ignores the size.
    Doubtful,
}

impl Span {
    /// The page from which to read `window` if the API is asked for pages of `page_size` rows: one
    /// page for all of it if it is aligned, else the page that holds its first row. `None` if
    /// reading from the start of the set costs no more.
    pub(super) fn holding(window: &RowWindow, page_size: u64) -> Option<Self> {
        let limit = window.len();
        if (1..=page_size).contains(&limit) && window.start.is_multiple_of(limit) {
            return Some(Self { index: window.start / limit, size: limit });
        }
        let index = window.start.checked_div(page_size)?;
        (index > 0).then_some(Self { index, size: page_size })
    }

    pub(super) fn first_row(&self) -> u64 {
        self.index.saturating_mul(self.size)
    }

    /// Whether a page that does not exist according to the API is past the end of the set,
    /// judging by the first page: `meta` and `len` rows, requested with the same size and as the
    /// page with this `number`.
    pub(super) fn is_behind_the_end(&self, number: u64, meta: &PageInfo, len: usize) -> bool {
        let len = len as u64;
        let is_other_page = meta.page.is_some_and(|page| page != number);
        let is_other_size = meta.per_page.is_some_and(|size| size != self.size);
        if is_other_page || is_other_size || len > self.size {
            return false;
        }
        match meta.total {
            Some(total) => total <= self.first_row(),
            None => len == self.size,
        }
    }

    /// Judges a response with `len` rows to the request for page `number`, as the API counts.
    pub(super) fn judge(&self, number: u64, meta: &PageInfo, len: usize) -> SpanEnd {
        let len = len as u64;
        let end = self.first_row().saturating_add(len);
        let is_other_page = meta.page.is_some_and(|page| page != number);
        let is_other_size = meta.per_page.is_some_and(|size| size != self.size);
        let is_start_sure = self.index == 0 || meta.per_page == Some(self.size);
        match meta.total {
            _ if is_other_page || is_other_size || len > self.size => SpanEnd::Doubtful,
            Some(total) if end == total || len == 0 && total <= end => SpanEnd::Last,
            Some(total) if end > total => SpanEnd::Doubtful,
            _ if len == self.size => SpanEnd::Full,
            None if meta.has_next == Some(false) && is_start_sure => SpanEnd::Last,
            _ => SpanEnd::Doubtful,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start: i64, limit: i64) -> RowWindow {
        RowWindow::of(&Pagination::window(start, limit))
    }

    #[test]
    fn a_window_is_cut_from_rows_and_moves_on() {
        let mut window = window(3, 4);
        let rows = |range: std::ops::Range<u64>| range.map(|at| (at, ())).collect::<Vec<_>>();
        assert_eq!(window.cut(rows(0..2)), []);
        assert_eq!(window.cut(rows(2..5)), rows(3..5));
        assert!(!window.is_served());
        assert_eq!((window.pages_to_end(3), window.pages_to_end(10)), (3, 1));
        assert_eq!(window.cut(rows(5..9)), rows(5..7));
        assert!(window.is_served());
    }

    #[test]
    fn a_page_that_is_not_there_is_behind_the_end_if_the_first_one_does_not_contradict() {
        let span = Span { index: 3, size: 5 };
        let said = |total| PageInfo { total, ..PageInfo::default() };
        for (meta, len, is_behind) in [
            (said(Some(15)), 5, true),
            (said(Some(2)), 2, true),
            (said(Some(16)), 5, false),
            (said(None), 5, true),
            // The API may have a smaller size of its own.
            (said(None), 2, false),
            (said(Some(15)), 9, false),
            (PageInfo { per_page: Some(2), ..said(None) }, 5, false),
            (PageInfo { page: Some(2), ..said(None) }, 5, false),
            (PageInfo { page: Some(1), per_page: Some(5), ..said(None) }, 5, true),
        ] {
            assert_eq!(span.is_behind_the_end(1, &meta, len), is_behind, "{meta:?} {len}");
        }
    }

    #[test]
    fn an_aligned_window_is_one_page_and_another_starts_at_the_page_of_its_first_row() {
        let span = |start, limit, size| {
            Span::holding(&window(start, limit), size).map(|span| (span.index, span.size))
        };
        assert_eq!(span(20, 10, 10), Some((2, 10)));
        assert_eq!(span(20, 10, 50), Some((2, 10)));
        assert_eq!(span(0, 10, 50), Some((0, 10)));
        assert_eq!(span(25, 10, 10), Some((2, 10)));
        assert_eq!(span(200, 30, 50), Some((4, 50)));
        assert_eq!(span(5, 10, 10), None);
        assert_eq!(span(0, i64::MAX, 10), None);
        assert_eq!(span(5, 10, 0), None);
    }

    #[test]
    fn only_an_answer_that_must_be_the_page_is_trusted() {
        let span = Span { index: 2, size: 10 };
        let total = |total| PageInfo { total: Some(total), ..PageInfo::default() };
        let cap = |per_page| PageInfo { per_page: Some(per_page), ..PageInfo::default() };
        let last = |per_page| PageInfo { has_next: Some(false), ..per_page };
        for (meta, len, verdict) in [
            (PageInfo::default(), 10, SpanEnd::Full),
            (PageInfo::default(), 7, SpanEnd::Doubtful),
            (PageInfo::default(), 11, SpanEnd::Doubtful),
            (total(95), 10, SpanEnd::Full),
            (total(95), 5, SpanEnd::Doubtful),
            (total(25), 5, SpanEnd::Last),
            (total(30), 10, SpanEnd::Last),
            (total(12), 0, SpanEnd::Last),
            (total(10), 10, SpanEnd::Doubtful),
            (total(31), 11, SpanEnd::Doubtful),
            (PageInfo { total: Some(25), ..cap(5) }, 5, SpanEnd::Doubtful),
            (cap(5), 5, SpanEnd::Doubtful),
            (cap(10), 10, SpanEnd::Full),
            (last(cap(10)), 3, SpanEnd::Last),
            (last(PageInfo::default()), 3, SpanEnd::Doubtful),
            (PageInfo { page: Some(1), ..PageInfo::default() }, 10, SpanEnd::Doubtful),
        ] {
            assert_eq!(span.judge(3, &meta, len), verdict, "{meta:?} with {len} rows");
        }
    }

    proptest! {
        #[test]
        fn pages_from_the_span_on_hold_the_whole_window(
            start in 0..200_i64, limit in 1..50_i64, size in 1..30_u64,
        ) {
            let mut cut = window(start, limit);
            let mut span = Span::holding(&cut, size).unwrap_or(Span { index: 0, size });
            let mut got = Vec::new();
            while !cut.is_served() {
                let first = span.first_row();
                got.extend(cut.cut((first..first + span.size).map(|at| (at, ())).collect()));
                span.index += 1;
            }
            let wanted: Vec<_> = (start as u64..(start + limit) as u64).map(|at| (at, ())).collect();
            prop_assert_eq!(got, wanted);
        }
    }
}

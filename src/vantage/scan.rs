//! Scans the rows of one query page by page: only matching rows, with their position in the set,
//! cut to the window. Knows nothing of tables and keys.

use http::{StatusCode, Uri};

use super::{
    record::{Row, RowDecoder},
    row_filter::Filter,
    window::{RowWindow, Span, SpanEnd},
};
use crate::{
    coop::drop_all,
    error::Error,
    pager::{
        Bounds, DecodedPage, Envelope, Headers, PageAddress, PaginatedStream, Paging, ReadMode,
        fetch_page, page_url,
    },
    pool::AwwPool,
};

/// How many rows are built at a time if they are consumed one by one, so that they are still in the
/// CPU caches. If they are kept, whole pages cost less.
pub(super) const STREAMED_AT_ONCE: usize = 8;

/// What to scan, and how.
#[derive(Clone)]
pub(super) struct Scan {
    pub(super) pool: AwwPool,
    pub(super) endpoint: String,
    pub(super) paging: Paging,
    pub(super) envelope: Envelope,
    pub(super) headers: Headers,
    pub(super) decoder: RowDecoder,
    pub(super) prefetch: usize,
    /// The conditions that are evaluated on the rows.
    pub(super) filter: Filter,
    pub(super) window: Option<RowWindow>,
    /// The most rows that are built at a time.
    pub(super) at_once: usize,
    pub(super) bounds: Bounds,
}

/// The pages of a scan.
pub(super) struct Pages {
    scan: Scan,
    state: ScanState,
    /// How many matching rows came before, since the start of the set.
    position: u64,
    /// How many rows the set has, as last reported by a response.
    total: Option<u64>,
    /// How many pages the rows came from so far.
    number: u64,
    /// The page of the stream that the last rows came from.
    streamed: Option<u64>,
}

/// Where a scan begins.
enum Begin {
    /// With the first row of the window.
    Row(RowWindow),
    /// With the page that holds the first row of the window.
    Page(Span),
    /// With the page that a strategy returns for it, and the number of its first row.
    Place(PageAddress, u64),
    /// With the first page of the set.
    Start,
}

enum ScanState {
    /// Nothing was requested yet.
    New,
    /// Page by page from the one that holds the window's first row. A response that may not be
    /// that page leads to `Streaming`.
    Addressed(Span),
    /// From the start of the set.
    Streaming(Box<PaginatedStream<Row>>),
    /// The end was reached, or an error was returned.
    Done,
}

impl Scan {
    pub(super) fn pages(self) -> Pages {
        let state = ScanState::New;
        Pages { scan: self, state, position: 0, total: None, number: 0, streamed: None }
    }

    /// The URL that the scan requests first; `None` if it requests nothing.
    pub(super) fn first_url(&self) -> Result<Option<Uri>, Error> {
        if self.window.is_some_and(|window| window.is_served()) {
            return Ok(None);
        }
        let (paging, address, size) = match self.begin_at() {
            Begin::Row(window) => {
                (self.paging_of(&window), PageAddress::Offset(window.start()), None)
            }
            Begin::Page(span) => {
                (self.paging.clone(), PageAddress::Page(span.index), Some(span.size))
            }
            Begin::Place(address, _) => (self.paging.clone(), address, None),
            Begin::Start => (self.paging.clone(), self.paging.start(), None),
        };
        page_url(&self.pool.base_url()?, &self.endpoint, &paging, &address, size).map(Some)
    }

    fn begin_at(&self) -> Begin {
        let Some(window) = self.window.filter(|_| self.filter.is_empty()) else {
            return Begin::Start;
        };
        if self.paging.is_sequential() || !self.paging.is_addressable() {
            let start = Some(window.start()).filter(|start| *start > 0);
            let place = start.and_then(|start| self.paging.page_with_row(start));
            return place.map_or(Begin::Start, |(address, first)| Begin::Place(address, first));
        }
        if self.paging.is_by_offset() {
            return Begin::Row(window);
        }
        let span = self.paging.size().and_then(|size| Span::holding(&window, size));
        span.map_or(Begin::Start, Begin::Page)
    }

    /// Where the scan begins, and the position of its first row.
    fn begin(&self) -> (ScanState, u64) {
        match self.begin_at() {
            Begin::Row(window) => (ScanState::Streaming(self.stream_of(&window)), window.start()),
            Begin::Page(span) => (ScanState::Addressed(span), 0),
            Begin::Place(address, first) => {
                let stream = self.read(self.paging.clone(), None).beginning_at(address, first);
                (ScanState::Streaming(Box::new(stream)), first)
            }
            Begin::Start => (ScanState::Streaming(self.stream()), 0),
        }
    }

    /// The row whose offset the scan requests first, unless it is the first row of the set.
    fn begins_at_row(&self) -> Option<u64> {
        let Begin::Row(window) = self.begin_at() else { return None };
        Some(window.start()).filter(|start| *start > 0)
    }

    fn paging_of(&self, window: &RowWindow) -> Paging {
        self.paging.clone().at_most(window.len())
    }

    /// The set from the window's first row on, if rows are requested by their offset.
    fn stream_of(&self, window: &RowWindow) -> Box<PaginatedStream<Row>> {
        let paging = self.paging_of(window);
        let pages = window.len().div_ceil(paging.size().unwrap_or(1).max(1));
        let start = PageAddress::Offset(window.start());
        Box::new(self.read(paging, Some(pages)).beginning_at(start, window.start()))
    }

    /// One page alone.
    async fn fetch(
        &self,
        address: PageAddress,
        size: Option<u64>,
    ) -> Result<DecodedPage<Row>, Error> {
        let decoder = self.decoder.clone();
        let (how, at) = ((&self.paging, &self.envelope, &self.headers), (address, size));
        fetch_page(&self.pool, &self.endpoint, how, decoder, at, self.bounds).await
    }

    fn stream(&self) -> Box<PaginatedStream<Row>> {
        let needed = || Some(self.window?.pages_to_end(self.paging.size()?));
        let pages = needed().filter(|_| self.filter.is_empty());
        Box::new(self.read(self.paging.clone(), pages))
    }

    /// A read for which this many pages may be enough.
    pub(super) fn read(&self, paging: Paging, pages: Option<u64>) -> PaginatedStream<Row> {
        let pages = pages.and_then(|pages| usize::try_from(pages).ok()).unwrap_or(usize::MAX);
        let stream =
            PaginatedStream::decoded_by(&self.pool, self.endpoint.clone(), self.decoder.clone())
                .paging(paging)
                .envelope(self.envelope.clone())
                .headers(&self.headers)
                .within(self.bounds)
                .prefetch(self.prefetch.min(pages));
        // After the only page that is needed nothing is requested while it is read.
        let stream = if pages <= 1 { stream.mode(ReadMode::Sequential) } else { stream };
        match self.window.filter(|_| self.filter.is_empty()) {
            Some(window) => stream.needing(window.end()),
            None => stream,
        }
    }
}

impl Pages {
    /// The next rows of one page, at least one, with their positions. `None` at the end and
    /// after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<(u64, Row)>, Error>> {
        loop {
            if self.scan.window.is_some_and(|window| window.is_served()) {
                self.state = ScanState::Done;
            }
            let is_unread = self.streamed.is_none();
            let rows = match &mut self.state {
                ScanState::New => {
                    (self.state, self.position) = self.scan.begin();
                    continue;
                }
                ScanState::Addressed(span) => {
                    let span = *span;
                    self.number += 1;
                    self.addressed(span).await
                }
                ScanState::Streaming(stream) => {
                    let rows = stream.next_items(self.scan.at_once).await;
                    self.total = stream.told_total().or(self.total);
                    let Some(rows) = rows else {
                        self.state = ScanState::Done;
                        return None;
                    };
                    let page = stream.page_at_hand();
                    if page != self.streamed {
                        self.number += 1;
                    }
                    self.streamed = page;
                    let rows = rows.map(|rows| self.matching(rows));
                    if self.begins_past_the_end() {
                        self.state = ScanState::Done;
                    }
                    rows
                }
                ScanState::Done => return None,
            };
            let rows = match (rows, &mut self.scan.window) {
                (Ok(rows), Some(window)) => window.cut(rows),
                (Ok(rows), None) => rows,
                (Err(error), _) => {
                    self.state = ScanState::Done;
                    if is_unread && self.is_of_the_end(&error).await {
                        return None;
                    }
                    return Some(Err(error));
                }
            };
            if !rows.is_empty() {
                return Some(Ok(rows));
            }
        }
    }

    /// The number of the page that the last rows came from, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many rows the set has under its conditions, if a response reported it.
    pub(super) fn total(&self) -> Option<u64> {
        self.total.filter(|_| self.scan.filter.is_empty())
    }

    /// Whether the window begins after the last row, according to a reported total that the rows
    /// so far do not contradict.
    fn begins_past_the_end(&self) -> bool {
        let (Some(window), Some(total)) = (self.scan.window, self.total()) else { return false };
        window.start() >= total && self.position < total
    }

    async fn addressed(&mut self, span: Span) -> Result<Vec<(u64, Row)>, Error> {
        let mut page = match self.scan.fetch(PageAddress::Page(span.index), Some(span.size)).await {
            Ok(page) => page,
            Err(error) if is_no_page(&error) => {
                self.state = self.after_not_found(span, error).await?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let scan = &self.scan;
        self.total = page.info.total;
        let number = scan.paging.number(span.index);
        self.state = match span.judge(number, &page.info, page.items.len()) {
            SpanEnd::Full => ScanState::Addressed(Span { index: span.index + 1, ..span }),
            SpanEnd::Last => ScanState::Done,
            SpanEnd::Doubtful => {
                self.state = ScanState::Streaming(scan.stream());
                drop_all(|| page.items.pop()).await;
                return Ok(Vec::new());
            }
        };
        Ok((span.first_row()..).zip(page.items).collect())
    }

    /// How to go on if there is no page `span`: it is past the end, or of a size that the API
    /// does not support, or the whole set does not exist.
    async fn after_not_found(&mut self, span: Span, error: Error) -> Result<ScanState, Error> {
        let is_the_end = self.scan.paging.is_not_found_the_end();
        let from_the_start = ScanState::Streaming(self.scan.stream());
        if span.index == 0 {
            return if is_the_end || error.is_ignored() { Ok(from_the_start) } else { Err(error) };
        }
        let first = match self.scan.fetch(PageAddress::Page(0), Some(span.size)).await {
            Ok(first) => first,
            Err(first) if is_no_page(&first) && !is_the_end && !first.is_ignored() => {
                return Err(error);
            }
            // The read from the start gets the same error, and knows what it means.
            Err(_) => return Ok(from_the_start),
        };
        let number = self.scan.paging.number(0);
        if !span.is_behind_the_end(number, &first.info, first.items.len()) {
            return Ok(from_the_start);
        }
        self.total = first.info.total;
        Ok(ScanState::Done)
    }

    /// Whether the error of the first page means that the set ends before the row where the scan
    /// begins, while the set itself exists.
    async fn is_of_the_end(&mut self, error: &Error) -> bool {
        let Some(start) = self.scan.begins_at_row().filter(|_| is_no_page(error)) else {
            return false;
        };
        let Ok(first) = self.scan.fetch(PageAddress::Offset(0), None).await else { return false };
        self.total = first.info.total;
        self.total.is_none_or(|total| total <= start)
    }

    /// The rows that match, with positions that continue those before.
    fn matching(&mut self, rows: Vec<Row>) -> Vec<(u64, Row)> {
        let filter = &self.scan.filter;
        let first = self.position;
        let rows: Vec<_> =
            (first..).zip(rows.into_iter().filter(|row| filter.keeps(&row.record))).collect();
        self.position += rows.len() as u64;
        rows
    }
}

/// Whether the API says that it has no such page, or a rule that there are no rows.
fn is_no_page(error: &Error) -> bool {
    error.is_ignored()
        || matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE))
}

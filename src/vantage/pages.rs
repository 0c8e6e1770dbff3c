//! Walks the rows of one query page by page: matching rows alone, with their
//! position in the set, cut to the window. Knows nothing of tables and keys.

use http::StatusCode;

use super::{
    filter::Filter,
    record::{Row, RowDecoder},
    window::{Span, Verdict, Window},
};
use crate::{
    error::Error,
    pager::{Address, Envelope, PaginatedStream, Paging, fetch_page},
    pool::AwwPool,
};

/// What to walk, and how.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) pool: AwwPool,
    pub(super) endpoint: String,
    pub(super) paging: Paging,
    pub(super) envelope: Envelope,
    pub(super) decoder: RowDecoder,
    pub(super) prefetch: usize,
    /// Evaluated on the rows.
    pub(super) filter: Filter,
    /// The columns that every row must have to be judged by `filter`.
    pub(super) declared: Vec<String>,
    pub(super) window: Option<Window>,
}

/// The pages of a walk.
pub(super) struct Pages {
    walk: Walk,
    state: State,
    /// How many matching rows have gone by since the start of the set.
    position: u64,
}

enum State {
    /// Nothing was asked for yet.
    New,
    /// Page by page from the one that holds the window's first row. An answer
    /// that may not be that page leads to `Streaming`.
    Addressed(Span),
    /// From the start of the set.
    Streaming(Box<PaginatedStream<Row>>),
    /// The end was reached, or an error was handed out.
    Done,
}

impl Walk {
    pub(super) fn pages(self) -> Pages {
        Pages { walk: self, state: State::New, position: 0 }
    }

    /// Where the walk begins, and the position of its first row.
    fn begin(&self) -> (State, u64) {
        let is_addressed = self.filter.is_empty() && self.paging.is_addressable();
        match (self.window, self.paging.size()) {
            (Some(window), _) if is_addressed && self.paging.is_by_offset() => {
                (State::Streaming(self.stream_of(&window)), window.start())
            }
            (Some(window), Some(size)) if is_addressed => match Span::holding(&window, size) {
                Some(span) => (State::Addressed(span), 0),
                None => (State::Streaming(self.stream()), 0),
            },
            _ => (State::Streaming(self.stream()), 0),
        }
    }

    /// The set from the window's first row on, where rows are asked for by their offset.
    fn stream_of(&self, window: &Window) -> Box<PaginatedStream<Row>> {
        let paging = self.paging.clone().at_most(window.len());
        let pages = window.len().div_ceil(paging.size().unwrap_or(1).max(1));
        let pages = usize::try_from(pages).unwrap_or(usize::MAX);
        let stream =
            PaginatedStream::decoded_by(&self.pool, self.endpoint.clone(), self.decoder.clone())
                .paging(paging)
                .envelope(self.envelope.clone())
                .prefetch(self.prefetch.min(pages))
                .beginning_at_row(window.start());
        Box::new(stream)
    }

    fn stream(&self) -> Box<PaginatedStream<Row>> {
        let needed = || Some(self.window?.pages_to_end(self.paging.size()?));
        let prefetch = match needed() {
            Some(pages) if self.filter.is_empty() => {
                self.prefetch.min(usize::try_from(pages).unwrap_or(usize::MAX))
            }
            _ => self.prefetch,
        };
        let stream =
            PaginatedStream::decoded_by(&self.pool, self.endpoint.clone(), self.decoder.clone())
                .paging(self.paging.clone())
                .envelope(self.envelope.clone())
                .prefetch(prefetch);
        Box::new(stream)
    }
}

impl Pages {
    /// The next rows, at least one, with their positions. `None` at the end and
    /// after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<(u64, Row)>, Error>> {
        loop {
            if self.walk.window.is_some_and(|window| window.is_served()) {
                self.state = State::Done;
            }
            let rows = match &mut self.state {
                State::New => {
                    (self.state, self.position) = self.walk.begin();
                    continue;
                }
                State::Addressed(span) => {
                    let span = *span;
                    self.addressed(span).await
                }
                State::Streaming(stream) => match stream.next_page().await {
                    Some(rows) => rows.map(|rows| self.matching(rows)),
                    None => {
                        self.state = State::Done;
                        return None;
                    }
                },
                State::Done => return None,
            };
            let rows = match (rows, &mut self.walk.window) {
                (Ok(rows), Some(window)) => window.cut(rows),
                (Ok(rows), None) => rows,
                (Err(error), _) => {
                    self.state = State::Done;
                    return Some(Err(error));
                }
            };
            if !rows.is_empty() {
                return Some(Ok(rows));
            }
        }
    }

    async fn addressed(&mut self, span: Span) -> Result<Vec<(u64, Row)>, Error> {
        let walk = &self.walk;
        let page = fetch_page(
            &walk.pool,
            &walk.endpoint,
            &walk.paging,
            &walk.envelope,
            walk.decoder.clone(),
            Address::Page(span.index),
            Some(span.size),
        )
        .await;
        let page = match page {
            Ok(page) => page,
            // Past the end, or a size that the API does not know.
            Err(error)
                if error.status() == Some(StatusCode::NOT_FOUND)
                    && walk.paging.is_not_found_the_end() =>
            {
                self.state = State::Streaming(walk.stream());
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let number = walk.paging.number(span.index);
        self.state = match span.judge(number, &page.meta, page.items.len()) {
            Verdict::Full => State::Addressed(Span { index: span.index + 1, ..span }),
            Verdict::Last => State::Done,
            Verdict::Doubtful => {
                self.state = State::Streaming(walk.stream());
                return Ok(Vec::new());
            }
        };
        Ok((span.first_row()..).zip(page.items).collect())
    }

    /// The rows that match, numbered on from those before.
    fn matching(&mut self, rows: Vec<Row>) -> Vec<(u64, Row)> {
        let Walk { filter, declared, .. } = &self.walk;
        let first = self.position;
        let rows: Vec<_> = (first..)
            .zip(rows.into_iter().filter(|row| filter.keeps(&row.record, declared)))
            .collect();
        self.position += rows.len() as u64;
        rows
    }
}

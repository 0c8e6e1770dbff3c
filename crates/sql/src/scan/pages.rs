//! The pages of a scan: of one request and its next pages, or of several requests at a time.

use std::sync::Arc;

use datafusion::error::Result;
use futures::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde_json::value::RawValue;
use vantage_api_pool::{
    PaginatedStream,
    paging::{Page, ReadMode},
    vantage::PoolTableExt,
};

use super::metrics::PageMetrics;
use crate::{error::SqlError, pushdown::Read, table::Source};

/// How many requests are read at a time, each with its next pages.
const READS_AT_ONCE: usize = 4;
/// Up to so many pages a limit is read page by page, so that none is requested that is not needed.
const EXACT_PAGES: u64 = 4;
/// How many rows such pages have if that is not set.
const USUAL_PAGE: u64 = 100;

/// A page, or what is known without its rows.
pub(super) enum Piece {
    /// Its rows, and what they were asked for by.
    Rows(Arc<Read>, Box<Page<Box<RawValue>>>),
    /// How many rows there are.
    Count(u64),
}

/// How a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Rows, at most so many.
    Rows(Option<usize>),
    /// The number of rows, which the first page tells; the rows, if it does not.
    TrustedCount,
}

/// The pages of all requests. Those of each one come in order; they do of all, if there is a limit.
pub(super) fn pages(
    source: Arc<Source>,
    reads: Vec<Read>,
    reading: Reading,
    metrics: PageMetrics,
) -> BoxStream<'static, Result<Piece>> {
    let at_once = match reading {
        Reading::Rows(Some(_)) => 1,
        _ => READS_AT_ONCE,
    };
    let is_whole = reads.len() == 1;
    let each = reads.into_iter().map(move |read| {
        let (source, metrics) = (Arc::clone(&source), metrics.clone());
        let opening = open(source, Arc::new(read), reading, metrics, is_whole);
        stream::once(opening).try_flatten().boxed()
    });
    let each: Vec<_> = each.collect();
    match at_once {
        1 => stream::iter(each).flatten().boxed(),
        at_once => stream::iter(each).flatten_unordered(at_once).boxed(),
    }
}

async fn open(
    source: Arc<Source>,
    read: Arc<Read>,
    reading: Reading,
    metrics: PageMetrics,
    is_whole: bool,
) -> Result<BoxStream<'static, Result<Piece>>> {
    let rows = read.table.stream_json().await;
    let rows = rows.map_err(|error| SqlError::of_vantage(&source.name, &error))?;
    let rows = rows.prefetch(usize::try_from(source.settings.prefetch).unwrap_or(usize::MAX));
    let told = Told { source, read, metrics, is_whole };
    Ok(match reading {
        Reading::Rows(limit) if is_exact(&told.source, limit) => {
            told.of(rows.mode(ReadMode::Sequential)).boxed()
        }
        Reading::Rows(_) => told.of(rows).boxed(),
        Reading::TrustedCount => {
            let mut pages = told.of(rows.mode(ReadMode::Sequential)).boxed();
            let Some(first) = pages.next().await.transpose()? else {
                return Ok(stream::empty().boxed());
            };
            match &first {
                Piece::Rows(_, page) => match page.total() {
                    Some(total) => stream::once(async move { Ok(Piece::Count(total)) }).boxed(),
                    None => stream::once(async move { Ok(first) }).chain(pages).boxed(),
                },
                Piece::Count(_) => pages,
            }
        }
    })
}

/// Whether a limit is met by so few pages that none is requested too many.
fn is_exact(source: &Source, limit: Option<usize>) -> bool {
    let size = source.page_size.unwrap_or(USUAL_PAGE).max(1);
    limit.is_some_and(|limit| (limit as u64).div_ceil(size) <= EXACT_PAGES)
}

/// What is told of each page of a request.
struct Told {
    source: Arc<Source>,
    read: Arc<Read>,
    metrics: PageMetrics,
    /// Whether the pages are all of what is asked for.
    is_whole: bool,
}

impl Told {
    fn of(self, rows: PaginatedStream<Box<RawValue>>) -> impl Stream<Item = Result<Piece>> + Send {
        rows.pages().map(move |page| {
            let failed = |source| SqlError::Page { table: self.source.name.clone(), source };
            let page = page.map_err(failed)?;
            self.metrics.page(page.bytes().len());
            if let Some(total) = page.total().filter(|_| self.is_whole) {
                self.source.tell_total(&self.read.conditions, total);
            }
            Ok(Piece::Rows(Arc::clone(&self.read), Box::new(page)))
        })
    }
}

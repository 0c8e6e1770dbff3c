//! The pages of a scan: of one request and its next pages, or of several requests at a time.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use futures::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde_json::value::RawValue;
use vantage_api_pool::{
    ErrorKind, PaginatedStream,
    paging::{Page, ReadMode},
    vantage::PoolTableExt,
};
use vantage_core::VantageError;

use super::{metrics::PageMetrics, range::PageRange};
use crate::{error::SqlError, pushdown::Read, table::Source};

/// How many requests are read at a time, each with its next pages.
const READS_AT_ONCE: usize = 4;
/// Up to so many pages a limit is read page by page, so that none is requested that is not needed.
const EXACT_PAGES: u64 = 4;
/// How many rows such pages have if that is not set.
const USUAL_PAGE: u64 = 100;

/// What comes of a request.
pub(super) enum Piece {
    /// A page, and what it was asked for by.
    Page(Arc<Read>, Box<Page<Box<RawValue>>>),
    /// The rows of a page by its place, from 1, after which none is requested yet.
    Rows(Arc<Read>, u64, Vec<Box<RawValue>>),
    /// How many rows there are.
    Count(u64),
}

/// How a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Rows, at most so many.
    Rows(Option<usize>),
    /// The number of rows alone, which a page tells.
    Total,
}

/// The pages of all requests. Those of each one come in order; they do of all, if there is a limit.
pub(super) fn pages(
    source: Arc<Source>,
    reads: Vec<Read>,
    reading: Reading,
    range: Option<Arc<PageRange>>,
    metrics: PageMetrics,
) -> BoxStream<'static, Result<Piece>> {
    let at_once = match reading {
        Reading::Rows(Some(_)) => 1,
        _ => READS_AT_ONCE,
    };
    let is_whole = reads.len() == 1;
    let each = reads.into_iter().map(move |read| {
        let (source, range) = (Arc::clone(&source), range.clone());
        let told = Told { source, read: Arc::new(read), metrics: metrics.clone(), is_whole };
        let opening = open(told, reading, range);
        stream::once(opening).try_flatten().boxed()
    });
    let each: Vec<_> = each.collect();
    match at_once {
        1 => stream::iter(each).flatten().boxed(),
        at_once => stream::iter(each).flatten_unordered(at_once).boxed(),
    }
}

async fn open(
    told: Told,
    reading: Reading,
    range: Option<Arc<PageRange>>,
) -> Result<BoxStream<'static, Result<Piece>>> {
    let (source, read, is_whole) = (&told.source, &told.read, told.is_whole);
    let refused = |error: VantageError| SqlError::of_vantage(&source.name, &error);
    if reading == Reading::Total {
        let total = read.table.get_count().await.map_err(refused)?;
        let total = u64::try_from(total).unwrap_or_default();
        if is_whole {
            source.tell_total(&read.conditions, total);
        }
        return Ok(stream::once(async move { Ok(Piece::Count(total)) }).boxed());
    }
    let rows = read.table.stream_json().await.map_err(refused)?;
    let rows = rows.prefetch(usize::try_from(source.settings.prefetch).unwrap_or(usize::MAX));
    if let Some(range) = range {
        return told.range(rows, &range);
    }
    let is_exact = matches!(reading, Reading::Rows(Some(limit)) if is_exact(source, limit));
    Ok(if is_exact { told.one_by_one(rows).boxed() } else { told.ahead(rows.pages()).boxed() })
}

/// Whether a limit is met by so few pages that none is requested too many.
fn is_exact(source: &Source, limit: usize) -> bool {
    let size = source.page_size.unwrap_or(USUAL_PAGE).max(1);
    (limit as u64).div_ceil(size) <= EXACT_PAGES
}

/// The next range begins so many rows on: by a page of another length, rows would be left out or read
/// twice.
fn even(table: &str, each: Option<u64>, piece: Piece) -> Result<Piece> {
    if let (Some(each), Piece::Page(_, page)) = (each, &piece) {
        let rows = page.texts().count() as u64;
        if rows != each {
            let what = format!(
                "page {} has {rows} rows and others have {each}: such pages cannot be divided \
                 between workers",
                page.number()
            );
            return Err(SqlError::table(table, what).into());
        }
    }
    Ok(piece)
}

/// Names why a range ends elsewhere: a page without rows is not handed out, but counts.
fn no_rows(table: Option<&str>, error: DataFusionError) -> DataFusionError {
    let Some(table) = table else { return error };
    let source = match &error {
        DataFusionError::External(own) => match own.downcast_ref::<SqlError>() {
            Some(SqlError::Page { source, .. }) => source,
            _ => return error,
        },
        _ => return error,
    };
    if source.kind() != ErrorKind::SetTooLarge {
        return error;
    }
    let what = format!("pages cannot be divided between workers if one has no rows: {source}");
    SqlError::table(table, what).into()
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
    /// The page that was read before, if there is one, and the pages of a range.
    fn range(
        self,
        rows: PaginatedStream<Box<RawValue>>,
        range: &PageRange,
    ) -> Result<BoxStream<'static, Result<Piece>>> {
        let first = range.first().map_err(|error| {
            let what = format!("its first page, which was read before, has no rows: {error}");
            SqlError::table(&self.source.name, what)
        })?;
        let first = first.map(|(number, rows)| {
            self.metrics.page(rows.iter().map(|row| row.get().len()).sum());
            Ok(Piece::Rows(Arc::clone(&self.read), number, rows))
        });
        let first = stream::iter(first);
        Ok(match &range.rest {
            Some(rest) => {
                let each = rest.pages.map(|_| rest.start.page_size());
                let table = self.source.name.clone();
                let told = rest.pages.is_some().then(|| table.clone());
                let pages = self.ahead(rest.of(rows));
                let pages = pages.map(move |piece| even(&table, each, piece?));
                first.chain(pages.map_err(move |error| no_rows(told.as_deref(), error))).boxed()
            }
            None => first.boxed(),
        })
    }

    /// The pages, which are read ahead.
    fn ahead(
        self,
        pages: impl Stream<Item = Result<Page<Box<RawValue>>, vantage_api_pool::Error>> + Send,
    ) -> impl Stream<Item = Result<Piece>> + Send {
        pages.map(move |page| {
            let page = page.map_err(|error| self.failed(error))?;
            self.metrics.page(page.bytes().len());
            if let Some(total) = page.total().filter(|_| self.is_whole) {
                self.source.tell_total(&self.read.conditions, total);
            }
            Ok(Piece::Page(Arc::clone(&self.read), Box::new(page)))
        })
    }

    /// The pages, each of which is requested when the rows of the one before it were taken.
    fn one_by_one(
        self,
        rows: PaginatedStream<Box<RawValue>>,
    ) -> impl Stream<Item = Result<Piece>> + Send {
        let reading = (rows.mode(ReadMode::Sequential), self, 1);
        stream::try_unfold(reading, |(mut rows, told, place)| async move {
            let Some(page) = rows.next_page().await else { return Ok(None) };
            let page = page.map_err(|error| told.failed(error))?;
            told.metrics.page(page.iter().map(|row| row.get().len()).sum());
            let piece = Piece::Rows(Arc::clone(&told.read), place, page);
            Result::<_, DataFusionError>::Ok(Some((piece, (rows, told, place + 1))))
        })
    }

    fn failed(&self, source: vantage_api_pool::Error) -> SqlError {
        SqlError::Page { table: self.source.name.clone(), source }
    }
}

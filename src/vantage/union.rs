//! Reads several sets as if they were one: in their order, their first pages in parallel, each row
//! with its position in the whole. A set is the result of one request target, such as the children
//! of one parent.

use futures::{StreamExt, stream, stream::BoxStream};
use vantage_core::{Result, VantageError};

use super::{
    branches::Fingerprints,
    error::of_read,
    record::Row,
    scan::{Pages, Scan},
    window::RowWindow,
};
use crate::error::Error;

type FirstPage = Option<std::result::Result<Vec<(u64, Row)>, Error>>;

/// The pages of several sets.
pub(super) struct Union {
    /// The first pages of the sets, with at most as many in parallel as pages may be in flight,
    /// and the rest of each.
    ahead: BoxStream<'static, (FirstPage, Pages, String)>,
    current: Option<(Pages, String)>,
    /// The number of the current set.
    number: u64,
    /// How many rows the whole had so far: a row that is in several sets counts once.
    end: u64,
    /// How many rows were left out since the last call because an earlier set had them.
    duplicates: u64,
    window: Option<RowWindow>,
    fingerprints: Fingerprints,
    table: String,
}

impl Union {
    /// Reads `branches`, of `table`, with at most `prefetch` pages in flight or waiting. Each has a
    /// name for messages, except those that are parts of a list of values.
    pub(super) fn new(
        table: String,
        branches: Vec<(Scan, String)>,
        prefetch: usize,
        window: Option<RowWindow>,
        fingerprints: Fingerprints,
    ) -> Self {
        let at_once = prefetch.min(branches.len()).max(1);
        let prefetch = (prefetch / at_once).max(1);
        let ahead = stream::iter(branches).map(move |(mut scan, name)| async move {
            scan.window = None;
            scan.prefetch = prefetch;
            let mut pages = scan.pages();
            let first = pages.next().await;
            (first, pages, name)
        });
        let ahead = ahead.buffered(at_once).boxed();
        let (current, number, end, duplicates) = (None, 0, 0, 0);
        Self { ahead, current, number, end, duplicates, window, fingerprints, table }
    }

    /// The next rows, at least one, with their positions in the whole. `None`
    /// at the end and after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<(u64, Row)>>> {
        loop {
            if self.window.is_some_and(|window| window.is_served()) {
                self.end_here();
            }
            let page = match &mut self.current {
                Some((pages, _)) => pages.next().await,
                None => {
                    let (first, pages, name) = self.ahead.next().await?;
                    self.current = Some((pages, name));
                    self.number += 1;
                    first
                }
            };
            let Some(page) = page else {
                self.current = None;
                continue;
            };
            let rows = page.map_err(|error| of_read(&self.table, error));
            match rows.and_then(|rows| self.placed(rows)) {
                Ok(rows) if rows.is_empty() => {}
                Ok(rows) => return Some(Ok(rows)),
                Err(error) => {
                    let error = self.named(error);
                    self.end_here();
                    return Some(Err(error));
                }
            }
        }
    }

    /// Drops everything in flight.
    fn end_here(&mut self) {
        self.current = None;
        self.ahead = stream::empty().boxed();
    }

    /// The number of the set and of the page in it that the last rows came from, each from 1.
    pub(super) fn number(&self) -> (u64, u64) {
        (self.number, self.current.as_ref().map_or(0, |(pages, _)| pages.number()))
    }

    /// How many rows were left out since the last call.
    pub(super) fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    /// The rows of a set that are new, with their positions in the whole.
    fn placed(&mut self, rows: Vec<(u64, Row)>) -> Result<Vec<(u64, Row)>> {
        let mut placed = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            if self.fingerprints.is_new(self.number, &row)? {
                placed.push((self.end, row));
                self.end += 1;
            } else {
                self.duplicates += 1;
            }
        }
        Ok(match &mut self.window {
            Some(window) => window.cut(placed),
            None => placed,
        })
    }

    fn named(&self, mut error: VantageError) -> VantageError {
        if let Some((_, name)) = self.current.as_ref().filter(|(_, name)| !name.is_empty()) {
            error.context.insert("parent".to_owned(), name.clone());
        }
        error
    }
}

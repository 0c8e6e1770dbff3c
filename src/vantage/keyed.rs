//! The rows of a read with their keys, page by page, from one or several request targets, in the
//! requested order.

use std::{sync::atomic::Ordering, vec};

use ciborium::Value;
use vantage_core::{Result, VantageError};
use vantage_types::Record;

use super::{
    PoolApi,
    columns::Columns,
    error::of_read,
    keys::Keys,
    order::{SortBy, sort},
    record::Row,
    scan::Pages,
    union::Union,
    window::RowWindow,
};
use crate::{
    coop::{CoopBudget, ITEM_COST, drop_all},
    dispatch::PoolLink,
    error::Error,
    pager::Bounds,
};

pub(super) type KeyedRow = (String, Record<Value>);

/// How many of the rows held in memory are returned at a time.
const HELD_AT_ONCE: usize = 512;

/// The work of sorting one row.
const SORTING_COST: usize = 4 * ITEM_COST;

/// The pages of a read with the keys of their rows.
pub(super) struct KeyedPages {
    api: PoolApi,
    table: String,
    columns: Columns,
    bounds: Bounds,
    /// `None` when no row can match.
    rows: Option<Scans>,
    keys: Keys,
    /// The page that the last rows came from.
    page: (u64, u64),
    /// How many rows were left out because their id was on an earlier page.
    left_out: u64,
    /// How many rows there were.
    count: u64,
    /// The order that must still be made on the rows, and the window of the sorted rows.
    sorting: Option<(Vec<SortBy>, Option<RowWindow>)>,
    /// The sorted rows.
    ordered: vec::IntoIter<KeyedRow>,
    coop: CoopBudget,
}

pub(super) enum Scans {
    One(Box<Pages>),
    Many(Box<Union>),
}

impl KeyedPages {
    /// The rows of `table`, in the order they arrive or in one that is made on them.
    pub(super) fn new(
        (api, table): (PoolApi, String),
        columns: Columns,
        bounds: Bounds,
        rows: Option<Scans>,
        keys: Keys,
        sorting: Option<(Vec<SortBy>, Option<RowWindow>)>,
    ) -> Self {
        let (page, left_out, count) = ((0, 0), 0, 0);
        let (ordered, coop) = (Vec::new().into_iter(), CoopBudget::default());
        Self {
            api,
            table,
            columns,
            bounds,
            rows,
            keys,
            page,
            left_out,
            count,
            sorting,
            ordered,
            coop,
        }
    }

    fn failed(&self, error: Error) -> VantageError {
        of_read(&self.table, error)
    }

    /// The next rows. `None` at the end and after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<KeyedRow>>> {
        let mut rows = self.next_unfinished().await?;
        for (_, row) in rows.iter_mut().flatten() {
            self.columns.finish(row);
        }
        Some(rows)
    }

    /// The same before values are converted to those that types are read from; comparisons use the
    /// unconverted ones.
    pub(super) async fn next_unfinished(&mut self) -> Option<Result<Vec<KeyedRow>>> {
        if let Some((by, window)) = self.sorting.take() {
            match self.ordered(by, window).await {
                Ok(rows) => self.ordered = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
        let rows: Vec<_> = self.ordered.by_ref().take(HELD_AT_ONCE).collect();
        if rows.is_empty() {
            return self.next_in_order().await;
        }
        self.coop.spend(rows.len() * ITEM_COST);
        self.coop.yield_if_spent().await;
        Some(Ok(rows))
    }

    /// All rows.
    pub(super) async fn collect(&mut self) -> Result<Vec<KeyedRow>> {
        let mut rows = Vec::new();
        while let Some(page) = self.next().await {
            add(&mut rows, page).await?;
        }
        Ok(rows)
    }

    /// All rows, sorted here, cut to a window if there is one.
    async fn ordered(
        &mut self,
        by: Vec<SortBy>,
        window: Option<RowWindow>,
    ) -> Result<Vec<KeyedRow>> {
        let mut rows = Vec::new();
        while let Some(page) = self.next_in_order().await {
            add(&mut rows, page).await?;
        }
        let (link, units) = (PoolLink::from(&self.api.pool), rows.len() * SORTING_COST);
        let rows = link.run(units, move || in_order(rows, &by, window)).await;
        rows.map_err(|error| self.failed(error))
    }

    /// The next rows in the order they arrive.
    async fn next_in_order(&mut self) -> Option<Result<Vec<KeyedRow>>> {
        let rows = match self.rows.as_mut()? {
            Scans::One(pages) => pages.next().await?.map_err(|error| of_read(&self.table, error)),
            Scans::Many(pages) => {
                let rows = pages.next().await;
                self.api.duplicates.fetch_add(pages.take_duplicates(), Ordering::Relaxed);
                rows?
            }
        };
        let page = match self.rows.as_ref()? {
            Scans::One(pages) => (1, pages.number()),
            Scans::Many(pages) => pages.number(),
        };
        if self.page != page {
            self.page = page;
            self.keys.begin_page();
        }
        let keyed = rows.and_then(|rows| self.key(rows));
        if keyed.is_err() {
            self.rows = None;
        }
        Some(keyed)
    }

    /// How many rows the set has, as a response reported.
    pub(super) fn total(&self) -> Option<u64> {
        match self.rows.as_ref()? {
            Scans::One(pages) => pages.total(),
            Scans::Many(_) => None,
        }
    }

    /// How many rows were left out so far because their id was on an earlier page.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    fn key(&mut self, rows: Vec<(u64, Row)>) -> Result<Vec<KeyedRow>> {
        let keyed = self.keys.rows(rows)?;
        let duplicates = self.keys.take_duplicates();
        self.left_out += duplicates;
        self.api.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        self.count += keyed.len() as u64;
        self.bounds.check_rows(self.count).map_err(|error| self.failed(error))?;
        Ok(keyed.into_iter().map(|(key, row)| (key, row.record)).collect())
    }
}

/// Adds a page to the rows, or drops them if it is an error.
async fn add(rows: &mut Vec<KeyedRow>, page: Result<Vec<KeyedRow>>) -> Result<()> {
    match page {
        Ok(page) => rows.extend(page),
        Err(error) => {
            drop_all(|| rows.pop()).await;
            return Err(error);
        }
    }
    Ok(())
}

fn in_order(mut rows: Vec<KeyedRow>, by: &[SortBy], window: Option<RowWindow>) -> Vec<KeyedRow> {
    sort(&mut rows, by, |(_, record)| record);
    let Some(mut window) = window else { return rows };
    let rows = window.cut((0..).zip(rows).collect());
    rows.into_iter().map(|(_, row)| row).collect()
}

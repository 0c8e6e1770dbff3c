//! Lists, streams, gets and counts of one table: what each asks for, and what
//! its answer means. Knows the table's shape, not its entity.

use std::{borrow::Cow, sync::atomic::Ordering};

use ciborium::Value;
use http::StatusCode;
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use vantage_core::{Result, error};
use vantage_table::{table::Table, traits::column_like::ColumnLike};
use vantage_types::{Entity, Record};

use super::{
    PoolApi,
    condition::ApiCondition,
    error::of_read,
    filter::Filter,
    keys::{Keys, is_synthetic},
    pages::{Pages, Walk},
    query::{Filtering, Query, lower},
    record::{Row, RowDecoder},
    window::Window,
};
use crate::{
    error::Error,
    pager::{ItemDecoder, Page, Typed, decode_item, fetch_page},
};

type Keyed = (String, Record<Value>);

/// A table as a read sees it.
pub(super) struct Read {
    api: PoolApi,
    path: String,
    conditions: Vec<ApiCondition>,
    id_field: Option<String>,
    declared: Vec<String>,
    decoder: RowDecoder,
    window: Option<Window>,
}

/// What an item endpoint says about a row of the table's set.
enum Item {
    Found(Record<Value>),
    Absent,
    /// The row lacks a field that a condition is about, or its id has no URL.
    Unclear,
}

impl Read {
    /// # Errors
    /// `Unsupported` for a table with an order, which the API cannot be asked for.
    pub(super) fn of<E: Entity<Value>>(api: &PoolApi, table: &Table<PoolApi, E>) -> Result<Self> {
        if table.orders().next().is_some() {
            return Err(error!("the API cannot be asked for an order").mark_unsupported());
        }
        let id_field = table.id_field().map(|column| column.name().to_owned());
        let columns = table.columns().iter();
        let decoder = RowDecoder::new(
            id_field.clone(),
            columns.map(|(name, column)| (name.as_str(), column.get_type())),
        );
        Ok(Self {
            api: api.clone(),
            path: table.table_name().to_owned(),
            conditions: table.conditions().cloned().collect(),
            id_field,
            declared: table.row_fields(),
            decoder,
            window: table.pagination().map(Window::of),
        })
    }

    pub(super) async fn list(self) -> Result<IndexMap<String, Record<Value>>> {
        let mut rows = IndexMap::new();
        let mut pages = self.keyed(Keys::exact())?;
        while let Some(page) = pages.next().await {
            rows.extend(page?);
        }
        Ok(rows)
    }

    /// The rows page by page, for a stream.
    pub(super) fn pages(self) -> Result<KeyedPages> {
        self.keyed(Keys::recent())
    }

    /// The row with `id`, whatever the window. A 404 to a question for that id
    /// means that there is none.
    pub(super) async fn get(mut self, id: &str) -> Result<Option<Record<Value>>> {
        self.window = None;
        // A made-up key, and any key of a table without an id, means nothing to the API.
        if self.api.settings.item_endpoints && !is_synthetic(id) {
            match self.get_item(id).await? {
                Item::Found(row) => return Ok(Some(row)),
                Item::Absent => return Ok(None),
                Item::Unclear => {}
            }
        }
        let by_id = self.id_field.as_deref().filter(|_| !is_synthetic(id));
        let Some(query) = self.query(by_id.map(|field| ApiCondition::eq(field, id)))? else {
            return Ok(None);
        };
        let is_asked_by_id = by_id.is_some();
        let mut walk = self.walk(&query);
        walk.prefetch = 1;
        let mut pages = KeyedPages::new(self, Some(walk), Keys::exact());
        while let Some(page) = pages.next().await {
            let rows = match page {
                Err(error) if is_asked_by_id && error.is_not_found() => return Ok(None),
                page => page?,
            };
            if let Some((_, row)) = rows.into_iter().find(|(key, _)| key == id) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    async fn get_item(&self, id: &str) -> Result<Item> {
        let Some(query) = self.query(None)? else { return Ok(Item::Absent) };
        let Some(target) = query.item(id) else { return Ok(Item::Unclear) };
        let response = match self.api.pool.get(target).await {
            Ok(response) => response,
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(Item::Absent),
            Err(error) => return Err(self.failed(error)),
        };
        let envelope = self.api.settings.envelope_of(&self.path);
        let row =
            decode_item(&self.decoder, &envelope, &response).map_err(|error| self.failed(error))?;
        if row.id.as_ref().is_some_and(|own| own != id) {
            return Err(error!("the item endpoint answered with another id", id = id));
        }
        Ok(match query.remaining().admits(&row.record) {
            Some(true) => Item::Found(row.record),
            Some(false) => Item::Absent,
            None => Item::Unclear,
        })
    }

    /// The first row, from one request for one row where that can tell.
    pub(super) async fn some(self) -> Result<Option<Keyed>> {
        let Some(query) = self.query(None)? else { return Ok(None) };
        if self.window.is_none() && self.filter(&query).is_empty() {
            let page = self.first_page(&query, self.decoder.clone()).await?;
            let has_more = page.meta.total.is_some_and(|total| total > 0);
            if !page.items.is_empty() || !has_more {
                let first = page.items.into_iter().next().map(|row| (0, row));
                let rows = Keys::exact().page(first.into_iter().collect())?;
                return Ok(rows.into_iter().next().map(|(key, row)| (key, row.record)));
            }
        }
        let mut walk = self.walk(&query);
        walk.prefetch = 1;
        let mut pages = KeyedPages::new(self, Some(walk), Keys::exact());
        Ok(pages.next().await.transpose()?.and_then(|rows| rows.into_iter().next()))
    }

    /// How many rows the set has, whatever the window.
    pub(super) async fn count(mut self) -> Result<u64> {
        self.window = None;
        let Some(query) = self.query(None)? else { return Ok(0) };
        if self.filter(&query).is_empty() && self.api.settings.paging.is_paged() {
            let page = self.first_page(&query, Typed::<IgnoredAny>::new()).await?;
            if let Some(total) = page.meta.total {
                return Ok(total);
            }
        }
        let walk = self.walk(&query);
        let mut pages = KeyedPages::new(self, Some(walk), Keys::exact());
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page?.len() as u64;
        }
        Ok(count)
    }

    async fn first_page<D: ItemDecoder>(&self, query: &Query, decoder: D) -> Result<Page<D::Item>> {
        let settings = &self.api.settings;
        fetch_page(
            &self.api.pool,
            &query.list(),
            &settings.paging,
            &settings.envelope_of(&self.path),
            decoder,
            settings.paging.start(),
            Some(1),
        )
        .await
        .map_err(|error| self.failed(error))
    }

    /// The query under the table's conditions and `also`; `None` when no row can match.
    fn query(&self, also: Option<ApiCondition>) -> Result<Option<Query>> {
        let settings = &self.api.settings;
        let conditions = self.conditions.iter().map(Cow::Borrowed).chain(also.map(Cow::Owned));
        lower(&self.path, conditions, settings.filtering, &settings.paging.parameters())
    }

    /// What is evaluated on the rows of a list.
    fn filter(&self, query: &Query) -> Filter {
        match self.api.settings.filtering {
            Filtering::Server => Filter::default(),
            Filtering::Checked | Filtering::Local => query.remaining().clone(),
        }
    }

    fn walk(&self, query: &Query) -> Walk {
        let settings = &self.api.settings;
        Walk {
            pool: self.api.pool.clone(),
            endpoint: query.list(),
            paging: settings.paging.clone(),
            envelope: settings.envelope_of(&self.path),
            decoder: self.decoder.clone(),
            prefetch: settings.prefetch,
            filter: self.filter(query),
            declared: self.declared.clone(),
            window: self.window,
        }
    }

    fn keyed(self, keys: Keys) -> Result<KeyedPages> {
        let walk = self.query(None)?.map(|query| self.walk(&query));
        Ok(KeyedPages::new(self, walk, keys))
    }

    fn failed(&self, error: Error) -> vantage_core::VantageError {
        of_read(&self.path, error)
    }
}

/// The pages of a read with the keys of their rows.
pub(super) struct KeyedPages {
    read: Read,
    /// `None` when no row can match.
    pages: Option<Pages>,
    keys: Keys,
}

impl KeyedPages {
    fn new(read: Read, walk: Option<Walk>, keys: Keys) -> Self {
        Self { read, pages: walk.map(Walk::pages), keys }
    }

    /// The next rows. `None` at the end and after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<Keyed>>> {
        let page = self.pages.as_mut()?.next().await?;
        let keyed = page.map_err(|error| self.read.failed(error)).and_then(|rows| self.key(rows));
        if keyed.is_err() {
            self.pages = None;
        }
        Some(keyed)
    }

    fn key(&mut self, rows: Vec<(u64, Row)>) -> Result<Vec<Keyed>> {
        let keyed = self.keys.page(rows)?;
        self.read.api.repeated.fetch_add(self.keys.take_repeated(), Ordering::Relaxed);
        Ok(keyed.into_iter().map(|(key, row)| (key, row.record)).collect())
    }
}

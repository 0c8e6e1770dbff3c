//! Lists, streams, gets and counts of one table: what each asks for, and what
//! its answer means. Knows the table's shape, not its entity.

use std::{borrow::Cow, sync::atomic::Ordering};

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use vantage_core::{Result, error};
use vantage_table::{table::Table, traits::column_like::ColumnLike};
use vantage_types::{Entity, Record};

use super::{
    PoolApi,
    branches::{Fingerprints, branches},
    columns::Columns,
    condition::ApiCondition,
    error::of_read,
    fan_out::{Branch, FanOut},
    filter::Filter,
    keys::{Keys, is_synthetic},
    pages::{Pages, Walk},
    query::{Filtering, Query, lower, lower_item},
    record::{Row, RowDecoder},
    relations,
    settings::TableSettings,
    window::Window,
};
use crate::{
    error::Error,
    pager::{ItemDecoder, Page, Typed, decode_item, fetch_page},
};

type Keyed = (String, Record<Value>);

/// A table as a read sees it.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) api: PoolApi,
    /// What Vantage calls the table.
    name: String,
    pub(super) settings: TableSettings,
    conditions: Vec<ApiCondition>,
    id_field: Option<String>,
    /// The columns that rows carry.
    pub(super) declared: Vec<String>,
    pub(super) columns: Columns,
    pub(super) decoder: RowDecoder,
    pub(super) window: Option<Window>,
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
        let settings = api.settings.settings_of(table.table_name());
        let id_field = table.id_field().map(|column| column.name().to_owned());
        let declared = table.columns().iter();
        let columns = Columns::new(
            id_field.clone(),
            declared.map(|(name, column)| (name.as_str(), column.get_type())),
            &settings.aliases,
        )?;
        Ok(Self {
            api: api.clone(),
            name: table.table_name().to_owned(),
            settings,
            conditions: table.conditions().cloned().collect(),
            id_field,
            declared: table.row_fields(),
            decoder: RowDecoder::new(columns.clone()),
            columns,
            window: table.pagination().map(Window::of),
        })
    }

    /// Reads the values of other tables that conditions stand for.
    pub(super) async fn resolved(mut self) -> Result<Self> {
        relations::resolve(&mut self.conditions).await?;
        Ok(self)
    }

    pub(super) async fn list(self) -> Result<IndexMap<String, Record<Value>>> {
        let mut rows = IndexMap::new();
        let mut pages = self.keyed(Keys::exact())?;
        while let Some(page) = pages.next().await {
            rows.extend(page?);
        }
        Ok(rows)
    }

    /// The rows of the window, and how many the set has when an answer told.
    pub(super) async fn window(self) -> Result<(Vec<Keyed>, Option<u64>)> {
        let mut rows = Vec::new();
        let mut pages = self.keyed(Keys::exact())?;
        while let Some(page) = pages.next().await {
            rows.extend(page?);
        }
        Ok((rows, pages.total()))
    }

    /// The rows page by page, for a stream.
    pub(super) fn pages(self) -> Result<KeyedPages> {
        self.keyed(Keys::recent())
    }

    /// The row with `id`, whatever the window. A 404 to a question for that id
    /// means that there is none.
    pub(super) async fn get(mut self, id: &str) -> Result<Option<Record<Value>>> {
        self.window = None;
        let has_meaning = self.id_field.is_some() && !is_synthetic(id);
        let Some(branches) = self.branches().filter(|_| has_meaning) else {
            return self.get_one(id).await;
        };
        // The row of the first set that has it.
        let at_once = self.settings.prefetch;
        let gets = branches.into_iter().map(|branch| {
            let mut read = self.clone();
            read.conditions.extend(branch);
            read.get_one(id)
        });
        let mut found = stream::iter(gets).buffered(at_once).boxed();
        while let Some(row) = found.try_next().await? {
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }

    async fn get_one(mut self, id: &str) -> Result<Option<Record<Value>>> {
        // A made-up key, and any key of a table without an id, means nothing to the API.
        if let Some(item_path) = self.settings.item_path.as_ref().filter(|_| !is_synthetic(id)) {
            match self.get_item(item_path, id).await? {
                Item::Found(row) => return Ok(Some(row)),
                Item::Absent => return Ok(None),
                Item::Unclear => {}
            }
        }
        let by_id = self.id_field.as_deref().filter(|_| !is_synthetic(id));
        let is_asked_by_id = by_id.is_some();
        self.conditions.extend(by_id.map(|field| ApiCondition::eq(field, id)));
        self.settings.prefetch = 1;
        let mut pages = self.keyed(Keys::exact())?;
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

    async fn get_item(&self, item_path: &str, id: &str) -> Result<Item> {
        let Some(query) = lower_item(item_path, self.conditions())? else {
            return Ok(Item::Absent);
        };
        let Some(target) = query.path.of(id) else { return Ok(Item::Unclear) };
        let response = match self.api.pool.get(target).await {
            Ok(response) => response,
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(Item::Absent),
            Err(error) => return Err(self.failed(error)),
        };
        let row = decode_item(&self.decoder, &self.settings.envelope, &response)
            .map_err(|error| self.failed(error))?;
        if row.id.as_ref().is_some_and(|own| own != id) {
            return Err(error!("the item endpoint answered with another id", id = id));
        }
        Ok(match query.filter.admits(&row.record) {
            Some(true) => Item::Found(self.finished(row.record)),
            Some(false) => Item::Absent,
            None => Item::Unclear,
        })
    }

    /// The first row, from one request for one row where that can tell.
    pub(super) async fn some(mut self) -> Result<Option<Keyed>> {
        if self.window.is_none()
            && let Some(query) = self.only_query()?
        {
            let page = self.first_page(&query, self.decoder.clone()).await?;
            let has_more = page.meta.total.is_some_and(|total| total > 0);
            if !page.items.is_empty() || !has_more {
                let first = page.items.into_iter().next().map(|row| (0, row));
                let rows = Keys::exact().page(first.into_iter().collect())?;
                return Ok(rows
                    .into_iter()
                    .next()
                    .map(|(key, row)| (key, self.finished(row.record))));
            }
        }
        self.settings.prefetch = 1;
        let mut pages = self.keyed(Keys::exact())?;
        Ok(pages.next().await.transpose()?.and_then(|rows| rows.into_iter().next()))
    }

    /// How many rows the set has, whatever the window.
    pub(super) async fn count(mut self) -> Result<u64> {
        self.window = None;
        if self.settings.paging.is_paged()
            && let Some(query) = self.only_query()?
        {
            let page = self.first_page(&query, Typed::<IgnoredAny>::new()).await?;
            if let Some(total) = page.meta.total {
                return Ok(total);
            }
        }
        let mut pages = self.keyed(Keys::exact())?;
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page?.len() as u64;
        }
        Ok(count)
    }

    async fn first_page<D: ItemDecoder>(&self, query: &Query, decoder: D) -> Result<Page<D::Item>> {
        fetch_page(
            &self.api.pool,
            &query.list(),
            &self.settings.paging,
            &self.settings.envelope,
            decoder,
            0,
            Some(1),
        )
        .await
        .map_err(|error| self.failed(error))
    }

    /// The target of the one request that asks for the whole set, and for nothing but the set.
    pub(super) fn only_target(&self) -> Result<Option<String>> {
        Ok(self.only_query()?.map(|query| query.list()))
    }

    /// The query that asks for the whole set, and for nothing but the set.
    fn only_query(&self) -> Result<Option<Query>> {
        if self.branches().is_some() {
            return Ok(None);
        }
        Ok(self.query(&[])?.filter(|query| self.filter(query).is_empty()))
    }

    /// What narrows the table to each of its sets, if they are several.
    fn branches(&self) -> Option<Vec<Vec<ApiCondition>>> {
        branches(&self.settings.path, &self.conditions)
    }

    /// The query under the table's conditions and `also`; `None` when no row can match.
    fn query(&self, also: &[ApiCondition]) -> Result<Option<Query>> {
        lower(&self.settings, self.conditions().chain(also.iter().map(Cow::Borrowed)))
    }

    /// What is evaluated on the rows of a list.
    fn filter(&self, query: &Query) -> Filter {
        match self.settings.filtering {
            Filtering::Server => Filter::default(),
            Filtering::Checked | Filtering::Local => query.remaining().clone(),
        }
    }

    fn walk(&self, query: &Query) -> Walk {
        let settings = &self.settings;
        Walk {
            pool: self.api.pool.clone(),
            endpoint: query.list(),
            paging: settings.paging.clone(),
            envelope: settings.envelope.clone(),
            decoder: self.decoder.clone(),
            prefetch: settings.prefetch,
            filter: self.filter(query),
            declared: self.declared.clone(),
            window: self.window,
        }
    }

    pub(super) fn keyed(self, keys: Keys) -> Result<KeyedPages> {
        let rows = match self.branches() {
            Some(branches) => Some(Rows::Many(self.fan_out(branches, &keys)?)),
            None => self.query(&[])?.map(|query| Rows::One(self.walk(&query).pages())),
        };
        Ok(KeyedPages { read: self, rows, keys })
    }

    fn fan_out(&self, branches: Vec<Vec<ApiCondition>>, keys: &Keys) -> Result<FanOut> {
        let mut walks = Vec::with_capacity(branches.len());
        for conditions in branches {
            if let Some(query) = self.query(&conditions)? {
                let name = conditions.iter().map(ToString::to_string).collect::<Vec<_>>();
                walks.push(Branch { walk: self.walk(&query), name: name.join(", ") });
            }
        }
        let fingerprints = Fingerprints::new(keys.limit());
        Ok(FanOut::new(self.name.clone(), walks, self.settings.prefetch, self.window, fingerprints))
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = Cow<'_, ApiCondition>> {
        self.conditions.iter().map(Cow::Borrowed)
    }

    /// The row as it is handed out.
    pub(super) fn finished(&self, mut row: Record<Value>) -> Record<Value> {
        self.columns.finish(&mut row);
        row
    }

    pub(super) fn failed(&self, error: Error) -> vantage_core::VantageError {
        of_read(&self.name, error)
    }
}

/// The pages of a read with the keys of their rows.
pub(super) struct KeyedPages {
    read: Read,
    /// `None` when no row can match.
    rows: Option<Rows>,
    keys: Keys,
}

enum Rows {
    One(Pages),
    Many(FanOut),
}

impl KeyedPages {
    /// The next rows. `None` at the end and after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<Keyed>>> {
        let rows = match self.rows.as_mut()? {
            Rows::One(pages) => pages.next().await?.map_err(|error| self.read.failed(error)),
            Rows::Many(pages) => pages.next().await?,
        };
        let keyed = rows.and_then(|rows| self.key(rows));
        if keyed.is_err() {
            self.rows = None;
        }
        Some(keyed)
    }

    /// How many rows the set has, as an answer said.
    fn total(&self) -> Option<u64> {
        match self.rows.as_ref()? {
            Rows::One(pages) => pages.total(),
            Rows::Many(_) => None,
        }
    }

    fn key(&mut self, rows: Vec<(u64, Row)>) -> Result<Vec<Keyed>> {
        let keyed = self.keys.page(rows)?;
        self.read.api.repeated.fetch_add(self.keys.take_repeated(), Ordering::Relaxed);
        Ok(keyed.into_iter().map(|(key, row)| (key, self.read.finished(row.record))).collect())
    }
}

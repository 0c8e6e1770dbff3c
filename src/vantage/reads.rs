//! Lists, streams, gets and counts of one table: what each asks for, and what
//! its answer means. Knows the table's shape, not its entity.

use std::borrow::Cow;

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use vantage_core::{Result, error};
use vantage_table::{table::Table, traits::column_like::ColumnLike};
use vantage_types::{Entity, Record};

use super::{
    PoolApi,
    aggregate::{Aggregate, Total},
    branches::{Branches, branches},
    clauses::Declared,
    columns::Columns,
    condition::ApiCondition,
    error::{of_read, refuse_unready},
    fan_out::Branch,
    filter::Filter,
    keyed::{Keyed, KeyedPages, Sorting},
    keys::{Keys, is_synthetic},
    logic::{check_depth, flattened},
    order::Ordered,
    pages::{STREAMED_AT_ONCE, Walk},
    query::{Query, lower, lower_item},
    record::RowDecoder,
    relations,
    settings::TableSettings,
    window::Window,
};
use crate::{
    error::Error,
    pager::{ItemDecoder, Page, Typed, fetch_page},
};

/// A table as a read sees it.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) api: PoolApi,
    /// What Vantage calls the table.
    pub(super) name: String,
    pub(super) settings: TableSettings,
    conditions: Vec<ApiCondition>,
    order: Ordered,
    id_field: Option<String>,
    pub(super) declared: Declared,
    pub(super) columns: Columns,
    pub(super) decoder: RowDecoder,
    pub(super) window: Option<Window>,
    /// How many rows are built at a time, at most.
    at_once: usize,
}

/// What an item endpoint says about a row of the table's set.
enum Item {
    Found(Record<Value>),
    Absent,
    /// The row lacks a field that a condition is about or has none, or its id has no URL.
    Unclear,
}

impl Read {
    /// # Errors
    /// `Unsupported` for an order that is made neither by the API nor on the rows;
    /// `IncorrectUsage` for a condition that is nested too deeply.
    pub(super) fn of<E: Entity<Value>>(api: &PoolApi, table: &Table<PoolApi, E>) -> Result<Self> {
        table.conditions().try_for_each(check_depth)?;
        let settings = api.settings.settings_of(table.table_name());
        let declared = Declared::of(table);
        let orders = table.orders().map(|(condition, direction)| (condition, *direction));
        let order = settings.ordering.lower(
            orders,
            |column| settings.field_of(column).into_owned(),
            |column| declared.numeric.contains(column),
        )?;
        let id_field = table.id_field().map(|column| column.name().to_owned());
        let types = table.columns().iter();
        let types = types.map(|(name, column)| (name.as_str(), column.get_type()));
        let columns = Columns::new(id_field.clone(), types, &settings.aliases)?;
        Ok(Self {
            api: api.clone(),
            name: table.table_name().to_owned(),
            settings,
            conditions: table.conditions().cloned().collect(),
            order,
            id_field,
            declared,
            decoder: RowDecoder::new(columns.clone()),
            columns,
            window: table.pagination().map(Window::of),
            at_once: usize::MAX,
        })
    }

    /// Reads the values of other tables that conditions stand for.
    pub(super) async fn resolved(mut self) -> Result<Self> {
        if relations::resolve(&mut self.conditions).await? {
            self.settings.filters = self.settings.filters.with_some_lists();
        }
        self.flatten();
        Ok(self)
    }

    /// Looks at each part of a conjunction on its own.
    pub(super) fn flatten(&mut self) {
        self.conditions = flattened(std::mem::take(&mut self.conditions));
    }

    /// The same read of the rows from `offset`, at most `limit` of them.
    pub(super) fn windowed(mut self, offset: u64, limit: u64) -> Self {
        self.window = Some(Window::new(offset, limit));
        self
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

    /// The rows a few at a time, for a stream.
    pub(super) fn pages(mut self) -> Result<KeyedPages> {
        self.at_once = STREAMED_AT_ONCE;
        self.keyed(Keys::recent())
    }

    /// The row with `id`, whatever the window. A 404 or 410 to a question for that id
    /// means that there is none.
    pub(super) async fn get(self, id: &str) -> Result<Option<Record<Value>>> {
        let mut read = self.unordered();
        read.window = None;
        read.get_any(id).await
    }

    async fn get_any(mut self, id: &str) -> Result<Option<Record<Value>>> {
        let has_meaning = self.id_field.is_some() && !is_synthetic(id);
        let Some(Branches { each, common }) = self.branches().filter(|_| has_meaning) else {
            return self.get_one(id).await;
        };
        self.conditions = common;
        // The row of the first set that has it.
        let at_once = self.settings.prefetch;
        let gets = each.into_iter().map(|branch| {
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
        let by_id = by_id.map(|field| ApiCondition::eq(field, self.columns.id_value(id)));
        let by_id = match self.query(by_id.as_slice()) {
            // The set can be read, if not by its ids.
            Err(error) if error.is_unsupported() => None,
            _ => by_id,
        };
        let is_asked_by_id = by_id.is_some();
        self.conditions.extend(by_id);
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
        let query = lower_item(item_path, &self.declared, self.conditions())?;
        let Some(query) = query else { return Ok(Item::Absent) };
        let Some(target) = query.path.of(id) else { return Ok(Item::Unclear) };
        let response = match self.api.pool.get(target).await {
            Ok(response) => response,
            Err(error) => {
                let error = self.failed(error);
                return if error.is_not_found() { Ok(Item::Absent) } else { Err(error) };
            }
        };
        let row = self.decoder.single(&self.settings.envelope, &response, id);
        let row = row.map_err(|error| self.failed(error))?;
        refuse_unready(&response, row.id.is_some()).map_err(|error| self.failed(error))?;
        if row.id.as_ref().is_some_and(|own| own != id) {
            return Err(error!("the item endpoint answered with another id", id = id));
        }
        Ok(match query.filter.admits(&row.record) {
            _ if row.record.is_empty() => Item::Unclear,
            Some(true) => Item::Found(self.finished(row.record)),
            Some(false) => Item::Absent,
            None => Item::Unclear,
        })
    }

    /// The first row, from one request for one row where that can tell.
    pub(super) async fn some(mut self) -> Result<Option<Keyed>> {
        if self.window.is_none()
            && let Some(target) = self.only_target()?
        {
            let page = self.first_page(&target, self.decoder.clone()).await?;
            // Where pages name each other, an empty one may have a next one.
            let is_led = self.settings.paging.is_chained();
            let has_more = page.meta.total.map_or(is_led, |total| total > 0);
            if !page.items.is_empty() || !has_more {
                let first = page.items.into_iter().next();
                let first = first.map(|row| Keys::exact().row(0, row)).transpose()?.flatten();
                return Ok(first.map(|(key, row)| (key, self.finished(row.record))));
            }
        }
        self.settings.prefetch = 1;
        let mut pages = self.keyed(Keys::exact())?;
        Ok(pages.next().await.transpose()?.and_then(|rows| rows.into_iter().next()))
    }

    /// How many rows the set has, whatever the window. Several sets may share rows, so they
    /// are read: their totals do not add up.
    pub(super) async fn count(self) -> Result<u64> {
        let mut read = self.unordered();
        read.window = None;
        read.count_all().await
    }

    async fn count_all(self) -> Result<u64> {
        if self.settings.paging.is_paged()
            && let Some(target) = self.only_target()?
        {
            let page = self.first_page(&target, Typed::<IgnoredAny>::new()).await?;
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

    /// A sum or an extreme of `column` over the whole set.
    pub(super) async fn aggregate(self, of: Aggregate, column: &str) -> Result<Value> {
        let mut read = self.unordered();
        read.window = None;
        let mut total = Total::new(of, column, read.declared.numeric.contains(column));
        let mut pages = read.clone().keyed(Keys::exact())?;
        while let Some(page) = pages.next_unfinished().await {
            for (_, row) in page? {
                total.add(&row)?;
            }
        }
        let result = Record::from_iter([(column.to_owned(), total.finish()?)]);
        Ok(read.finished(result).swap_remove(column).unwrap_or(Value::Null))
    }

    async fn first_page<D: ItemDecoder>(&self, target: &str, decoder: D) -> Result<Page<D::Item>> {
        fetch_page(
            &self.api.pool,
            target,
            &self.settings.paging,
            &self.settings.envelope,
            decoder,
            self.settings.paging.start(),
            Some(1),
        )
        .await
        .map_err(|error| self.failed(error))
    }

    /// The target of the one request that asks for the whole set, in its order, and for
    /// nothing but the set.
    pub(super) fn only_target(&self) -> Result<Option<String>> {
        if self.branches().is_some() {
            return Ok(None);
        }
        let query = self.query(&[])?.filter(|query| query.order.made_on_rows().is_none());
        Ok(query.and_then(|query| query.only_target()))
    }

    /// What narrows the table to each of its sets, if they are several.
    fn branches(&self) -> Option<Branches> {
        branches(&self.settings.path, &self.conditions)
    }

    /// The query under the table's conditions and `also`; `None` when no row can match.
    fn query(&self, also: &[ApiCondition]) -> Result<Option<Query>> {
        let conditions = self.conditions().chain(also.iter().map(Cow::Borrowed));
        lower(&self.settings, &self.declared, conditions, &self.order)
    }

    fn unordered(mut self) -> Self {
        self.order = Ordered::default();
        self
    }

    pub(super) fn walk(&self, endpoint: String, filter: &Filter) -> Walk {
        let settings = &self.settings;
        Walk {
            pool: self.api.pool.clone(),
            endpoint,
            paging: settings.paging.clone(),
            envelope: settings.envelope.clone(),
            decoder: self.decoder.clone(),
            prefetch: settings.prefetch,
            filter: filter.clone(),
            window: self.window,
            at_once: self.at_once,
        }
    }

    /// What is asked for, in order, each with what it is the set of, for people. None when
    /// no row can match.
    pub(super) fn queries(&mut self) -> Result<Vec<(String, Query)>> {
        let mut queries = Vec::new();
        match self.branches() {
            None => queries.extend(self.query(&[])?.map(|query| (String::new(), query))),
            Some(Branches { each, common }) => {
                self.order = std::mem::take(&mut self.order).of_several_requests()?;
                for own in each {
                    let shown = own.iter().map(ToString::to_string).collect::<Vec<_>>();
                    let conditions = common.iter().chain(&own).map(Cow::Borrowed);
                    let query = lower(&self.settings, &self.declared, conditions, &self.order)?;
                    queries.extend(query.map(|query| (shown.join(", "), query)));
                }
            }
        }
        Ok(queries)
    }

    pub(super) fn keyed(mut self, keys: Keys) -> Result<KeyedPages> {
        let queries = self.queries()?;
        let by = queries.first().and_then(|(_, query)| query.order.made_on_rows());
        let sorting = by.map(|by| Sorting { by: by.to_vec(), window: self.window.take() });
        let mut walks = Vec::with_capacity(queries.len());
        for (name, query) in &queries {
            let targets = query.targets().into_iter();
            walks.extend(targets.map(|target| Branch {
                walk: self.walk(target, &query.filter),
                name: name.clone(),
            }));
        }
        Ok(KeyedPages::new(self, walks, keys, sorting))
    }

    /// The conditions whose values are those of another table.
    pub(super) fn related(&self) -> impl Iterator<Item = &ApiCondition> {
        self.conditions.iter().filter(|condition| condition.is_related())
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

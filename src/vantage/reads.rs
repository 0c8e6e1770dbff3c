//! Lists, streams, gets and counts of one table: what each requests, and what the response means.
//! Knows the table's shape, not its entity.

mod one;

use std::{borrow::Cow, time::Instant};

use ciborium::Value;
use futures::future::BoxFuture;
use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use vantage_core::{Result, error};
use vantage_table::{table::Table, traits::column_like::ColumnLike};
use vantage_types::{Entity, Record};

use super::{
    PoolApi,
    aggregate::{Aggregate, Total},
    branches::{Fingerprints, branches},
    columns::Columns,
    condition::ApiCondition,
    error::of_read,
    keyed::{KeyedPages, KeyedRow, Scans},
    keys::Keys,
    logic::{check_depth, flattened, values_in},
    order::OrderPlan,
    query::{Query, to_query},
    record::RowDecoder,
    relations,
    row_filter::Filter,
    scan::{STREAMED_AT_ONCE, Scan},
    settings::TableSettings,
    union::Union,
    where_clause::Declared,
    window::RowWindow,
};
use crate::{
    coop::{CoopBudget, ITEM_COST, drop_all},
    dispatch::PoolLink,
    error::Error,
    pager::{Bounds, DecodedPage, Envelope, ItemDecoder, PaginatedStream, Typed, fetch_page},
    response::Response,
};

/// The work of reading one value of a condition.
const VALUE_COST: usize = 4 * ITEM_COST;

/// A table as a read sees it.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) api: PoolApi,
    /// The table's name in Vantage.
    pub(super) name: String,
    pub(super) settings: TableSettings,
    conditions: Vec<ApiCondition>,
    order: OrderPlan,
    id_field: Option<String>,
    pub(super) declared: Declared,
    pub(super) columns: Columns,
    pub(super) decoder: RowDecoder,
    pub(super) window: Option<RowWindow>,
    /// The most rows that are built at a time.
    at_once: usize,
    /// The limits of a read of the whole set.
    pub(super) bounds: Bounds,
}

impl Read {
    /// # Errors
    /// `Unsupported` for an order that neither the API nor the rows can make;
    /// `IncorrectUsage` for a condition that is nested too deeply.
    pub(super) fn of<E: Entity<Value>>(api: &PoolApi, table: &Table<PoolApi, E>) -> Result<Self> {
        table.conditions().try_for_each(check_depth)?;
        let settings = api.settings.settings_of(table.table_name());
        let declared = Declared::of(table);
        let orders = table.orders().map(|(condition, direction)| (condition, *direction));
        let order = settings.sorting.to_plan(
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
            bounds: settings.bounds.begun(Instant::now()),
            settings,
            conditions: table.conditions().cloned().collect(),
            order,
            id_field,
            declared,
            decoder: RowDecoder::new(columns.clone()),
            columns,
            window: table.pagination().map(RowWindow::of),
            at_once: usize::MAX,
        })
    }

    /// Reads the values of other tables that conditions refer to.
    pub(super) async fn resolved(mut self) -> Result<Self> {
        if relations::resolve(&mut self.conditions).await? {
            self.settings.filters = self.settings.filters.with_some_lists();
        }
        self.flatten();
        Ok(self)
    }

    /// Splits conjunctions into separate conditions.
    pub(super) fn flatten(&mut self) {
        self.conditions = flattened(std::mem::take(&mut self.conditions));
    }

    /// The same read of the rows from `offset`, at most `limit` of them.
    pub(super) fn windowed(mut self, offset: u64, limit: u64) -> Self {
        self.window = Some(RowWindow::new(offset, limit));
        self
    }

    pub(super) async fn list(self) -> Result<IndexMap<String, Record<Value>>> {
        let mut pieces = Vec::new();
        let mut pages = self.keyed(Keys::exact()).await?;
        while let Some(piece) = pages.next().await {
            match piece {
                Ok(piece) => pieces.push(piece),
                Err(error) => {
                    let mut rows = pieces.into_iter().flatten();
                    drop_all(|| rows.next()).await;
                    return Err(error);
                }
            }
        }
        // A large map takes long to grow.
        let mut rows = IndexMap::with_capacity(pieces.iter().map(Vec::len).sum());
        let mut coop = CoopBudget::default();
        for piece in pieces {
            coop.spend(piece.len() * ITEM_COST);
            rows.extend(piece);
            coop.yield_if_spent().await;
        }
        Ok(rows)
    }

    /// The rows of the window, and how many the set has if a response reported it.
    pub(super) async fn window(self) -> Result<(Vec<KeyedRow>, Option<u64>)> {
        let mut pages = self.keyed(Keys::exact()).await?;
        Ok((pages.collect().await?, pages.total()))
    }

    /// The rows a few at a time, for a stream.
    pub(super) async fn pages(self) -> Result<KeyedPages> {
        self.streamed().keyed(Keys::recent()).await
    }

    /// The same read for a consumer that takes row by row: without limits, except if rows are
    /// held in memory to be sorted.
    pub(super) fn streamed(mut self) -> Self {
        self.at_once = STREAMED_AT_ONCE;
        if self.order.made_on_rows().is_none() {
            self.bounds = Bounds::NONE;
        }
        self
    }

    /// How many rows the set has, whatever the window. Several sets may share rows, so they
    /// are read: their totals cannot be added.
    pub(super) async fn count(self) -> Result<u64> {
        let (read, target) = self.whole_set().with_only_target().await?;
        let paging = &read.settings.paging;
        // Another read of an export would make another job.
        let has_total = paging.is_paged() && !paging.is_in_windows() && !paging.is_export();
        if let Some(target) = target.filter(|_| has_total) {
            let page = read.first_page(&target, Typed::<IgnoredAny>::new()).await?;
            let total = page.info.total;
            if let Some(total) = total.filter(|_| read.settings.paging.is_told_below_the_cap(total))
            {
                return Ok(total);
            }
        }
        let mut pages = read.keyed(Keys::exact()).await?;
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += page?.len() as u64;
        }
        Ok(count)
    }

    /// A sum, minimum or maximum of `column` over the whole set.
    pub(super) async fn aggregate(self, of: Aggregate, column: &str) -> Result<Value> {
        let read = self.whole_set();
        let mut total = Total::new(of, column, read.declared.numeric.contains(column));
        let mut pages = read.clone().keyed(Keys::exact()).await?;
        while let Some(page) = pages.next_unfinished().await {
            for (_, row) in page? {
                total.add(&row)?;
            }
        }
        let result = Record::from_iter([(column.to_owned(), total.finish()?)]);
        Ok(read.finished(result).swap_remove(column).unwrap_or(Value::Null))
    }

    async fn first_page<D: ItemDecoder>(
        &self,
        target: &str,
        decoder: D,
    ) -> Result<DecodedPage<D::Item>> {
        fetch_page(
            &self.api.pool,
            target,
            (&self.settings.paging, &self.settings.envelope, &self.settings.headers),
            decoder,
            (self.settings.paging.start(), Some(1)),
            self.bounds,
        )
        .await
        .map_err(|error| self.failed(error))
    }

    /// The items of the whole set as they come.
    ///
    /// # Errors
    /// `Unsupported` if one request and its next pages do not return exactly that set.
    pub(super) async fn json(self) -> Result<PaginatedStream<Box<RawValue>>> {
        let (read, target) = self.with_only_target().await?;
        let target = target.filter(|_| read.window.is_none()).ok_or_else(|| {
            error!("the API does not return this set by itself", table = read.name.as_str())
                .mark_unsupported()
        })?;
        Ok(PaginatedStream::get(&read.api.pool, target)
            .items_as()
            .paging(read.settings.paging)
            .envelope(read.settings.envelope)
            .headers(&read.settings.headers)
            .prefetch(read.settings.prefetch))
    }

    /// The outcome of `plan`, which looks at each value of the conditions: on a thread for long
    /// work if there are many. Boxed, as the futures of reads would have room for several reads
    /// otherwise.
    pub(super) fn planned<R: Send + 'static>(
        self,
        plan: impl FnOnce(Self) -> R + Send + 'static,
    ) -> BoxFuture<'static, Result<R>> {
        let units = self.conditions.iter().map(values_in).sum::<usize>() * VALUE_COST;
        let (link, name) = (PoolLink::from(&self.api.pool), self.name.clone());
        Box::pin(async move {
            link.run(units, move || plan(self)).await.map_err(|error| of_read(&name, error))
        })
    }

    /// The read itself, and the outcome of such a `plan`.
    fn with_planned<R: Send + 'static>(
        self,
        plan: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> BoxFuture<'static, Result<(Self, R)>> {
        self.planned(|read: Self| {
            let planned = plan(&read);
            (read, planned)
        })
    }

    /// The read itself, and the target of the one request that returns exactly the whole set, in
    /// its order.
    pub(super) async fn with_only_target(self) -> Result<(Self, Option<String>)> {
        let (read, target) = self.with_planned(Self::only_target).await?;
        Ok((read, target?))
    }

    fn only_target(&self) -> Result<Option<String>> {
        if branches(&self.settings.path, &self.conditions).is_some() {
            return Ok(None);
        }
        let query = self.query(&[])?.filter(|query| query.order.made_on_rows().is_none());
        Ok(query.and_then(|query| query.only_target()))
    }

    /// The query for the table's conditions and `also`; `None` if no row can match.
    fn query(&self, also: &[ApiCondition]) -> Result<Option<Query>> {
        let conditions = self.conditions().chain(also.iter().map(Cow::Borrowed));
        to_query(&self.settings, &self.declared, conditions, &self.order)
    }

    /// The same read of the set whatever its window, in any order.
    fn whole_set(self) -> Self {
        Self { order: OrderPlan::default(), window: None, ..self }
    }

    /// What `read` finds in a response: on a thread for long work if its body is long.
    pub(super) async fn found_in<R: Send + 'static>(
        &self,
        response: &Response,
        read: impl FnOnce(&RowDecoder, &Envelope, &Response) -> R + Send + 'static,
    ) -> Result<R> {
        let (decoder, envelope) = (self.decoder.clone(), self.settings.envelope.clone());
        let (link, response) = (PoolLink::from(&self.api.pool), response.clone());
        let found =
            link.run(response.body().len(), move || read(&decoder, &envelope, &response)).await;
        found.map_err(|error| self.failed(error))
    }

    pub(super) fn scan(&self, endpoint: String, filter: &Filter) -> Scan {
        let settings = &self.settings;
        Scan {
            pool: self.api.pool.clone(),
            endpoint,
            paging: settings.paging.clone(),
            envelope: settings.envelope.clone(),
            headers: settings.headers.clone(),
            decoder: self.decoder.clone(),
            prefetch: settings.prefetch,
            filter: filter.clone(),
            window: self.window,
            at_once: self.at_once,
            // Kept rows are counted for all scans together.
            bounds: self.bounds.of_any_rows(),
        }
    }

    /// The queries to send, in order, each with the name of its set for messages. Empty if no row
    /// can match.
    pub(super) fn queries(&mut self) -> Result<Vec<(String, Query)>> {
        let mut queries = Vec::new();
        match branches(&self.settings.path, &self.conditions) {
            None => queries.extend(self.query(&[])?.map(|query| (String::new(), query))),
            Some((each, common)) => {
                self.order = std::mem::take(&mut self.order).of_several_requests()?;
                for own in each {
                    let shown = own.iter().map(ToString::to_string).collect::<Vec<_>>();
                    let conditions = common.iter().chain(&own).map(Cow::Borrowed);
                    let query = to_query(&self.settings, &self.declared, conditions, &self.order)?;
                    queries.extend(query.map(|query| (shown.join(", "), query)));
                }
            }
        }
        Ok(queries)
    }

    /// The rows with their keys.
    pub(super) async fn keyed(self, keys: Keys) -> Result<KeyedPages> {
        self.planned(|read| read.keyed_pages(keys)).await?
    }

    fn keyed_pages(mut self, keys: Keys) -> Result<KeyedPages> {
        let queries = self.queries()?;
        let by = queries.first().and_then(|(_, query)| query.order.made_on_rows());
        // Rows sorted here are cut to the window afterwards.
        let sorting = by.map(|by| (by.to_vec(), self.window.take()));
        let mut scans = Vec::with_capacity(queries.len());
        for (name, query) in &queries {
            let targets = query.targets().into_iter();
            scans.extend(targets.map(|target| (self.scan(target, &query.filter), name.clone())));
        }
        let rows = match scans.len() {
            0 | 1 => scans.pop().map(|(scan, _)| Scans::One(Box::new(scan.pages()))),
            _ => {
                let fingerprints = Fingerprints::new(keys.limit());
                let (table, prefetch) = (self.name.clone(), self.settings.prefetch);
                let rows = Union::new(table, scans, prefetch, self.window, fingerprints);
                Some(Scans::Many(Box::new(rows)))
            }
        };
        let of = (self.api, self.name);
        Ok(KeyedPages::new(of, self.columns, self.bounds, rows, keys, sorting))
    }

    /// The conditions that need the values of another table.
    pub(super) fn related(&self) -> impl Iterator<Item = &ApiCondition> {
        self.conditions.iter().filter(|condition| condition.is_related())
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = Cow<'_, ApiCondition>> {
        self.conditions.iter().map(Cow::Borrowed)
    }

    /// The row in its final form.
    pub(super) fn finished(&self, mut row: Record<Value>) -> Record<Value> {
        self.columns.finish(&mut row);
        row
    }

    pub(super) fn failed(&self, error: Error) -> vantage_core::VantageError {
        of_read(&self.name, error)
    }
}

//! [pure] How the API behaves, how single tables of it differ, and what of both
//! holds for a read.

use std::{borrow::Cow, collections::HashMap};

use indexmap::IndexMap;

use super::{
    alias, dialect::Filters, limits::OwnBounds, order::Sorting, path, query::Filtering,
    writes::Writes,
};
use crate::{
    base_url::RequestTarget,
    pager::{Bounds, Envelope, Paging},
};

/// How one table of an API is asked for. What is not set is as for the whole API.
///
/// ```
/// use vantage_api_pool::{ApiTable, AwwPool, Envelope, PoolApi};
///
/// # fn demo(pool: AwwPool) {
/// let api = PoolApi::new(pool).table(
///     "countries",
///     ApiTable::new()
///         .path("/v2/countries")
///         .item_path("/v2/country/{name}")
///         .envelope(Envelope::items_at("result.rows")),
/// );
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ApiTable {
    path: Option<RequestTarget>,
    item: Option<ItemEndpoint>,
    paging: Option<Paging>,
    envelope: Option<Envelope>,
    filtering: Option<Filtering>,
    filters: Option<Filters>,
    sorting: Option<Sorting>,
    aliases: IndexMap<String, String>,
    writes: Option<Writes>,
    pub(super) bounds: OwnBounds,
}

/// Where one row can be asked for.
#[derive(Clone, Debug, PartialEq)]
enum ItemEndpoint {
    /// Nowhere.
    Absent,
    /// Below the table.
    BelowTable,
    At(RequestTarget),
}

impl ApiTable {
    /// A table like every other of its API.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the table is, below the pool's base URL; its name by default.
    /// `{placeholders}` are filled from conditions, and a query is sent as it is.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(RequestTarget(path.into()));
        self
    }

    /// Where one row is, below the pool's base URL. The last placeholder stands
    /// for the id, whatever its name; the others are filled from conditions. The id may have
    /// text around it, as in `items/{id}.json` or `Products({id})`.
    pub fn item_path(mut self, path: impl Into<String>) -> Self {
        self.item = Some(ItemEndpoint::At(RequestTarget(path.into())));
        self
    }

    /// Whether one row can be asked for at `<path>/<id>`, or at `<path>/<id>/` where the path
    /// ends with a slash.
    pub fn item_endpoint(mut self, yes: bool) -> Self {
        self.item = Some(if yes { ItemEndpoint::BelowTable } else { ItemEndpoint::Absent });
        self
    }

    /// How the table is handed out page by page.
    pub fn paging(mut self, paging: Paging) -> Self {
        self.paging = Some(paging);
        self
    }

    /// Where a page of the table holds its items and what it says about the set.
    pub fn envelope(mut self, envelope: Envelope) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// Where conditions on the table are applied.
    pub fn filtering(mut self, filtering: Filtering) -> Self {
        self.filtering = Some(filtering);
        self
    }

    /// How the API takes conditions on the table.
    pub fn filters(mut self, filters: Filters) -> Self {
        self.filters = Some(filters);
        self
    }

    /// How the API takes orders of the table, and which.
    pub fn sorting(mut self, sorting: Sorting) -> Self {
        self.sorting = Some(sorting);
        self
    }

    /// The column is at `path` of an item: keys joined by dots, such as
    /// `stats.population`; `\.` is a dot that is part of a key. The value is read from
    /// there and written there, and parameters that are about the column name that
    /// path. What an item has under the column's own name is not read.
    ///
    /// A column that the table does not declare, a path with an empty key or more than 64, and
    /// two columns at one place are `IncorrectUsage` when the table is used.
    pub fn alias(mut self, column: impl Into<String>, path: impl Into<String>) -> Self {
        self.aliases.insert(column.into(), path.into());
        self
    }

    /// How rows of the table are written.
    pub fn writes(mut self, writes: Writes) -> Self {
        self.writes = Some(writes);
        self
    }
}

/// What holds for the whole API, and the tables that differ.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) paging: Paging,
    pub(super) envelope: Envelope,
    pub(super) wrapped_by_table_name: bool,
    pub(super) prefetch: usize,
    pub(super) item_endpoints: bool,
    pub(super) filtering: Filtering,
    pub(super) writes: Writes,
    pub(super) filters: Filters,
    pub(super) sorting: Sorting,
    pub(super) bounds: Bounds,
    pub(super) tables: HashMap<String, ApiTable>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paging: Paging::default(),
            envelope: Envelope::default(),
            wrapped_by_table_name: false,
            prefetch: 3,
            item_endpoints: false,
            filtering: Filtering::default(),
            writes: Writes::none(),
            filters: Filters::default(),
            sorting: Sorting::default(),
            bounds: Bounds::OF_TABLES,
            tables: HashMap::new(),
        }
    }
}

/// What holds for one table.
#[derive(Clone)]
pub(super) struct TableSettings {
    /// Where the table is, with placeholders and query.
    pub(super) path: String,
    /// Where a row is, if it can be asked for alone; the last placeholder is its id.
    pub(super) item_path: Option<String>,
    pub(super) paging: Paging,
    pub(super) envelope: Envelope,
    pub(super) prefetch: usize,
    pub(super) filtering: Filtering,
    pub(super) filters: Filters,
    pub(super) sorting: Sorting,
    pub(super) aliases: IndexMap<String, String>,
    pub(super) writes: Writes,
    /// Of what reads a whole set.
    pub(super) bounds: Bounds,
}

impl Settings {
    /// The settings of the table that Vantage knows as `table`: a name, or a
    /// path that may have a query, which stays.
    pub(super) fn settings_of(&self, table: &str) -> TableSettings {
        let (name, query) = table.split_once('?').unwrap_or((table, ""));
        let own = self.tables.get(name).cloned().unwrap_or_default();
        let path = match own.path.map(|RequestTarget(path)| path) {
            Some(path) if query.is_empty() => path,
            Some(path) if path.contains('?') => format!("{path}&{query}"),
            Some(path) => format!("{path}?{query}"),
            None => table.to_owned(),
        };
        let envelope = own.envelope.unwrap_or_else(|| {
            let envelope = self.envelope.clone();
            let key = self.wrapped_by_table_name.then(|| path::wrapper_key(table));
            key.map_or(envelope.clone(), |key| envelope.with_items_under(key))
        });
        let item_path = match own.item {
            Some(ItemEndpoint::At(RequestTarget(path))) => Some(path),
            Some(ItemEndpoint::BelowTable) => Some(path::below(&path)),
            None if self.item_endpoints => Some(path::below(&path)),
            None | Some(ItemEndpoint::Absent) => None,
        };
        TableSettings {
            path,
            item_path,
            paging: own.paging.unwrap_or_else(|| self.paging.clone()),
            envelope,
            prefetch: self.prefetch,
            filtering: own.filtering.unwrap_or(self.filtering),
            filters: own.filters.unwrap_or_else(|| self.filters.clone()),
            sorting: own.sorting.unwrap_or_else(|| self.sorting.clone()),
            aliases: own.aliases,
            writes: own.writes.unwrap_or_else(|| self.writes.clone()),
            bounds: own.bounds.or(self.bounds),
        }
    }

    /// Whether any table can be written.
    pub(super) fn has_writes(&self) -> bool {
        let own = self.tables.values().filter_map(|table| table.writes.as_ref());
        own.chain([&self.writes]).any(|writes| !writes.is_none())
    }
}

impl TableSettings {
    /// Where a row is written; the last placeholder is its id.
    pub(super) fn write_path(&self) -> String {
        self.item_path.clone().unwrap_or_else(|| path::below(&self.path))
    }

    /// What the API calls a column.
    pub(super) fn field_of<'a>(&'a self, column: &'a str) -> Cow<'a, str> {
        self.aliases.get(column).map_or(Cow::Borrowed(column), |path| alias::joined(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(table: ApiTable) -> Settings {
        Settings { tables: HashMap::from([("rows".to_owned(), table)]), ..Settings::default() }
    }

    #[test]
    fn a_table_without_settings_is_at_its_name_like_every_other() {
        let all = Settings { item_endpoints: true, prefetch: 7, ..Settings::default() };
        let table = all.settings_of("v1/rows/?lang=en");
        assert_eq!(table.path, "v1/rows/?lang=en");
        assert_eq!(table.item_path.as_deref(), Some("v1/rows/{id}/?lang=en"));
        assert_eq!((table.prefetch, &*table.field_of("n")), (7, "n"));
        assert_eq!(Settings::default().settings_of("rows").item_path, None);
    }

    #[test]
    fn the_settings_of_a_table_are_found_by_its_name_and_its_query_stays() {
        let path = |table: ApiTable, name: &str| settings(table).settings_of(name).path;
        assert_eq!(path(ApiTable::new().path("/v2/r"), "rows"), "/v2/r");
        assert_eq!(path(ApiTable::new().path("/v2/r"), "rows?a=1"), "/v2/r?a=1");
        assert_eq!(path(ApiTable::new().path("/v2/r?b=2"), "rows?a=1"), "/v2/r?b=2&a=1");
        assert_eq!(path(ApiTable::new().path("/v2/r"), "others"), "others");
    }

    #[test]
    fn an_item_path_makes_an_item_endpoint_and_one_table_may_have_none() {
        let item = |table: ApiTable| {
            Settings { item_endpoints: true, ..settings(table) }.settings_of("rows").item_path
        };
        assert_eq!(item(ApiTable::new()).as_deref(), Some("rows/{id}"));
        assert_eq!(item(ApiTable::new().path("/r?x=1")).as_deref(), Some("/r/{id}?x=1"));
        assert_eq!(item(ApiTable::new().item_path("/one/{x}")).as_deref(), Some("/one/{x}"));
        assert_eq!(item(ApiTable::new().item_endpoint(false)), None);
    }

    #[test]
    fn what_a_table_sets_is_its_own() {
        let table = settings(
            ApiTable::new()
                .paging(Paging::none())
                .filtering(Filtering::Local)
                .alias("population", "stats.population")
                .alias("capital", r"cities\.first"),
        )
        .settings_of("rows");
        assert!(!table.paging.is_paged());
        assert_eq!(table.filtering, Filtering::Local);
        assert_eq!(table.field_of("population"), "stats.population");
        assert_eq!(table.field_of("capital"), "cities.first");
    }
}

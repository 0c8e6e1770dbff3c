//! [pure] The settings of a whole API, how single tables differ, and the result of both for a
//! read.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use indexmap::IndexMap;

use super::{
    filtering::Filtering,
    filters::Filters,
    sorting::Sorting,
    table::{ApiTable, ItemEndpoint},
    writes::Writes,
};
use crate::{
    base_url::RequestTarget,
    error::Error,
    pager::{Bounds, DEFAULT_PREFETCH, Envelope, Headers, Paging},
    request::Request,
    vantage::{alias, path},
};

/// The settings of the whole API, and of the tables that differ.
#[derive(Clone)]
pub(in crate::vantage) struct ApiSettings {
    /// The settings of each table without its own.
    pub(in crate::vantage) common: ApiTable,
    pub(in crate::vantage) wrapped_by_table_name: bool,
    pub(in crate::vantage) prefetch: usize,
    pub(in crate::vantage) tables: HashMap<String, ApiTable>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        let (common, tables) = (ApiTable::new(), HashMap::new());
        let prefetch = DEFAULT_PREFETCH;
        Self { common, wrapped_by_table_name: false, prefetch, tables }
    }
}

impl Bounds {
    /// The defaults for tables.
    pub(in crate::vantage) const OF_TABLES: Self = Self {
        max_rows: 1_000_000,
        max_pages: 100_000,
        max_page_items: 500_000,
        deadline: Some(Duration::from_secs(60 * 60)),
        ..Self::NONE
    };
}

/// The settings of one table.
#[derive(Clone)]
pub(in crate::vantage) struct TableSettings {
    /// The path of the table, with placeholders and query.
    pub(in crate::vantage) path: String,
    /// The path of a row, if it can be requested alone; the last placeholder is its id.
    pub(in crate::vantage) item_path: Option<String>,
    pub(in crate::vantage) paging: Paging,
    pub(in crate::vantage) envelope: Envelope,
    pub(in crate::vantage) prefetch: usize,
    /// Sent with each request for the table.
    pub(in crate::vantage) headers: Headers,
    pub(in crate::vantage) filtering: Filtering,
    pub(in crate::vantage) filters: Filters,
    pub(in crate::vantage) sorting: Sorting,
    pub(in crate::vantage) aliases: IndexMap<String, String>,
    pub(in crate::vantage) writes: Writes,
    /// The limits of reads of a whole set.
    pub(in crate::vantage) bounds: Bounds,
}

impl ApiSettings {
    /// The settings of the table that Vantage knows as `table`: a name, or a path, whose query is
    /// kept.
    pub(in crate::vantage) fn settings_of(&self, table: &str) -> TableSettings {
        let (name, query) = table.split_once('?').unwrap_or((table, ""));
        let (own, all) = (self.tables.get(name).cloned().unwrap_or_default(), self.common.clone());
        let path = match own.path.map(|RequestTarget(path)| path) {
            Some(path) if query.is_empty() => path,
            Some(path) if path.contains('?') => format!("{path}&{query}"),
            Some(path) => format!("{path}?{query}"),
            None => table.to_owned(),
        };
        let envelope = own.envelope.unwrap_or_else(|| {
            let envelope = all.envelope.unwrap_or_default();
            match self.wrapped_by_table_name {
                true => envelope.with_items_under(path::wrapper_key(table)),
                false => envelope,
            }
        });
        let item_path = match own.item.or(all.item) {
            Some(ItemEndpoint::At(RequestTarget(path))) => Some(path),
            Some(ItemEndpoint::BelowTable(true)) => Some(path::below(&path)),
            Some(ItemEndpoint::BelowTable(false)) | None => None,
        };
        let usual = Bounds::OF_TABLES;
        TableSettings {
            path,
            item_path,
            paging: own.paging.or(all.paging).unwrap_or_default(),
            envelope,
            prefetch: self.prefetch,
            headers: own.headers.into_iter().collect(),
            filtering: own.filtering.or(all.filtering).unwrap_or_default(),
            filters: own.filters.or(all.filters).unwrap_or_default(),
            sorting: own.sorting.or(all.sorting).unwrap_or_default(),
            aliases: own.aliases,
            writes: own.writes.or(all.writes).unwrap_or_default(),
            bounds: Bounds {
                max_rows: own.max_rows.or(all.max_rows).unwrap_or(usual.max_rows),
                max_pages: own.max_pages.or(all.max_pages).unwrap_or(usual.max_pages),
                max_page_items: own
                    .max_page_items
                    .or(all.max_page_items)
                    .unwrap_or(usual.max_page_items),
                deadline: own.deadline.or(all.deadline).or(usual.deadline),
                ..usual
            },
        }
    }

    /// Whether any table can be written.
    pub(in crate::vantage) fn has_writes(&self) -> bool {
        let mut tables = self.tables.values().chain([&self.common]);
        tables.any(|table| table.writes.as_ref().is_some_and(|writes| !writes.is_none()))
    }
}

impl TableSettings {
    /// A request with the headers of the table.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a header that is not
    /// legal in HTTP.
    pub(in crate::vantage) fn with_headers(&self, request: Request) -> Result<Request, Error> {
        let mut headers = self.headers.iter();
        headers.try_fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The path at which a row is written; the last placeholder is its id.
    pub(in crate::vantage) fn write_path(&self) -> String {
        self.item_path.clone().unwrap_or_else(|| path::below(&self.path))
    }

    /// The API's name for a column.
    pub(in crate::vantage) fn field_of<'a>(&'a self, column: &'a str) -> Cow<'a, str> {
        self.aliases.get(column).map_or(Cow::Borrowed(column), |path| alias::joined(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(table: ApiTable) -> ApiSettings {
        ApiSettings {
            tables: HashMap::from([("rows".to_owned(), table)]),
            ..ApiSettings::default()
        }
    }

    #[test]
    fn a_table_without_settings_is_at_its_name_like_every_other() {
        let common = ApiTable::new().item_endpoint(true);
        let all = ApiSettings { common, prefetch: 7, ..ApiSettings::default() };
        let table = all.settings_of("v1/rows/?lang=en");
        assert_eq!(table.path, "v1/rows/?lang=en");
        assert_eq!(table.item_path.as_deref(), Some("v1/rows/{id}/?lang=en"));
        assert_eq!((table.prefetch, &*table.field_of("n")), (7, "n"));
        assert_eq!(ApiSettings::default().settings_of("rows").item_path, None);
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
            let common = ApiTable::new().item_endpoint(true);
            ApiSettings { common, ..settings(table) }.settings_of("rows").item_path
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

    #[test]
    fn what_a_table_does_not_set_is_as_for_the_api() {
        let common = ApiTable::new().max_pages(7);
        let own = ApiTable::new().max_rows(3).max_page_items(2);
        let bounds = ApiSettings { common, ..settings(own) }.settings_of("rows").bounds;
        assert_eq!((bounds.max_rows, bounds.max_pages, bounds.max_page_items), (3, 7, 2));
        assert_eq!(bounds.deadline, Some(Duration::from_secs(3_600)));
    }
}

//! [pure] The settings of one table of an API.

use std::{num::NonZeroU64, time::Duration};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, de};
use vantage_core::VantageError;
use vantage_vista::Capability;

use super::{filtering::Filtering, filters::Filters, sorting::Sorting, writes::Writes};
use crate::{
    base_url::RequestTarget,
    data::optional_duration,
    error::Error,
    pager::{Envelope, Paging},
};

/// The settings of one table of an API. Anything that is not set is as for the whole API.
///
/// ```
/// use vantage_api_pool::{AwwPool, Envelope, PoolApi, vantage::ApiTable};
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
///
/// # As data
///
/// In YAML and other formats the path is `endpoint`, `item_endpoint` is true, false or a path,
/// `aliases` has the paths of columns by their names, `headers` the values of headers by theirs,
/// and the other settings have the names of their methods. `max_rows`, `max_pages` and `max_page_items` are whole numbers of at least 1,
/// and `deadline` is a number of seconds or text such as `1h 30m`:
///
/// ```yaml
/// endpoint: v2/countries
/// item_endpoint: v2/country/{name}
/// envelope: { items: result.rows }
/// paging: { by: page, size_param: per_page, size: 100 }
/// headers: { Prefer: count=exact }
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use]
pub struct ApiTable {
    #[serde(rename = "endpoint")]
    pub(super) path: Option<RequestTarget>,
    #[serde(rename = "item_endpoint")]
    pub(super) item: Option<ItemEndpoint>,
    pub(super) paging: Option<Paging>,
    pub(super) envelope: Option<Envelope>,
    pub(super) headers: IndexMap<String, String>,
    pub(super) filtering: Option<Filtering>,
    pub(super) filters: Option<Filters>,
    pub(super) sorting: Option<Sorting>,
    pub(super) aliases: IndexMap<String, String>,
    pub(super) writes: Option<Writes>,
    #[serde(deserialize_with = "at_least_one")]
    pub(super) max_rows: Option<u64>,
    #[serde(deserialize_with = "at_least_one")]
    pub(super) max_pages: Option<u64>,
    #[serde(deserialize_with = "at_least_one")]
    pub(super) max_page_items: Option<u64>,
    #[serde(serialize_with = "optional_duration::serialize", deserialize_with = "above_zero")]
    pub(super) deadline: Option<Duration>,
}

/// Where one row can be requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`item_endpoint` is true, false or a path")]
pub(super) enum ItemEndpoint {
    /// Below the table, or nowhere.
    BelowTable(bool),
    At(RequestTarget),
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<NonZeroU64>::deserialize(deserializer)?;
    Ok(number.map(NonZeroU64::get))
}

fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match optional_duration::deserialize(deserializer)? {
        Some(Duration::ZERO) => Err(de::Error::custom("a deadline must be above zero")),
        deadline => Ok(deadline),
    }
}

impl ApiTable {
    /// A table with the settings of its API.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a header with each request for the table, such as a version or a preference, instead of
    /// the pool's [default](crate::PoolBuilder::default_header) of that name. One that is not legal
    /// in HTTP fails the request with
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest). Credentials belong to the
    /// pool: what is here is shown by `Debug`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The column is at `path` of an item: keys joined by dots, such as
    /// `stats.population`; `\.` is a dot inside a key. The value is read and written
    /// there, and parameters name the column by that path. A field of the item with the
    /// column's own name is not read.
    ///
    /// A column that the table does not declare, a path with an empty key or more than 64 keys,
    /// and two columns at the same place are `IncorrectUsage` when the table is used.
    pub fn alias(mut self, column: impl Into<String>, path: impl Into<String>) -> Self {
        self.aliases.insert(column.into(), path.into());
        self
    }

    /// The base URLs that next pages may be at besides the API's own.
    pub(in crate::vantage) fn origins(&self) -> &[String] {
        self.paging.as_ref().map(Paging::origins).unwrap_or_default()
    }

    /// Checks whether the settings of its paging contradict each other, as is done before the table
    /// is used.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), which names the setting first.
    pub fn check_paging(&self) -> Result<(), Error> {
        self.paging.as_ref().map_or(Ok(()), Paging::check)
    }

    /// The names of the [placeholders](Paging::post) in the body of its requests.
    #[must_use]
    pub fn body_placeholders(&self) -> Vec<&str> {
        let names = self.paging.as_ref().and_then(Paging::taken_into_body);
        names.unwrap_or_default()
    }

    /// # Errors
    /// `IncorrectUsage` for settings that contradict each other.
    pub(in crate::vantage) fn check(&self) -> Result<(), VantageError> {
        self.check_paging()?;
        self.filters.as_ref().map_or(Ok(()), Filters::check)?;
        self.sorting.as_ref().map_or(Ok(()), Sorting::check)
    }
}

/// What a table says itself. What it does not say, it has from the settings of the API.
impl ApiTable {
    /// Its path, if that is not its name.
    #[must_use]
    pub fn own_path(&self) -> Option<&str> {
        self.path.as_ref().map(|RequestTarget(path)| path.as_str())
    }

    /// How it is divided into pages.
    #[must_use]
    pub fn own_paging(&self) -> Option<&Paging> {
        self.paging.as_ref()
    }

    /// Where conditions are applied.
    #[must_use]
    pub fn own_filtering(&self) -> Option<Filtering> {
        self.filtering
    }

    /// How conditions are sent.
    #[must_use]
    pub fn own_filters(&self) -> Option<&Filters> {
        self.filters.as_ref()
    }

    /// Whether the table has this capability of a write by its own settings: `Insert`, `Update`,
    /// which needs both replacing and patching, or `Delete`. False for any other.
    #[must_use]
    pub fn can_write(&self, what: Capability) -> bool {
        let Some(writes) = &self.writes else { return false };
        match what {
            Capability::Insert => writes.inserts().is_some(),
            Capability::Update => writes.replaces().is_some() && writes.patches().is_some(),
            Capability::Delete => writes.deletes(),
            _ => false,
        }
    }
}

setters! { ApiTable {
    /// The path of the table below the pool's base URL; its name by default.
    /// `{placeholders}` are filled from conditions, and a query is sent as it is.
    path(path: impl Into<String>): path = Some(RequestTarget(path.into()));
    /// The path of one row below the pool's base URL. The last placeholder stands
    /// for the id, whatever its name; the others are filled from conditions. The id may have
    /// text around it, as in `items/{id}.json` or `Products({id})`.
    item_path(path: impl Into<String>): item = Some(ItemEndpoint::At(RequestTarget(path.into())));
    /// Whether a single row can be requested at `<path>/<id>`, or at `<path>/<id>/` if the path
    /// ends with a slash.
    item_endpoint(yes: bool): item = Some(ItemEndpoint::BelowTable(yes));
    /// How the API pages the table.
    paging(paging: Paging): paging = Some(paging);
    /// Where a page of the table holds its items and its metadata about the set.
    envelope(envelope: Envelope): envelope = Some(envelope);
    /// Where conditions on the table are applied.
    filtering(filtering: Filtering): filtering = Some(filtering);
    /// How the API takes conditions on the table.
    filters(filters: Filters): filters = Some(filters);
    /// How the API takes orders of the table, and which ones.
    sorting(sorting: Sorting): sorting = Some(sorting);
    /// How rows of the table are written.
    writes(writes: Writes): writes = Some(writes);
    /// How many rows a list of the table may have, see
    /// [`PoolApi::max_rows`](crate::PoolApi::max_rows).
    max_rows(rows: u64): max_rows = Some(rows);
    /// How many pages a list of the table may have, see
    /// [`PoolApi::max_pages`](crate::PoolApi::max_pages).
    max_pages(pages: u64): max_pages = Some(pages.max(1));
    /// How many items a page of a list of the table may have, see
    /// [`PoolApi::max_page_items`](crate::PoolApi::max_page_items).
    max_page_items(items: u64): max_page_items = Some(items);
    /// How long a list of the table may take, see [`PoolApi::deadline`](crate::PoolApi::deadline).
    deadline(time: Duration): deadline = Some(time);
} }

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"{
        "endpoint": "v2/rows?lang=en", "item_endpoint": "v2/row/{id}",
        "paging": { "by": "cursor", "param": "after", "next": "paging.next", "size_param": "n",
            "size": 5, "zero_cursor_ends": true, "expired_with": [[422, "cursor"]] },
        "envelope": { "items": "hits.hits[]._source", "total_header": "x-total" },
        "filtering": "mixed",
        "filters": { "style": "brackets", "family": "filter", "separator": "|",
            "operators": { "gt": null, "like": "q={value}" }, "booleans": ["1", "0"],
            "columns": { "n": { "style": "none" } },
            "combined": { "style": "json_list", "param": "q", "keys": ["f", "o", "v"] } },
        "sorting": { "style": "suffixed", "param": "sort", "words": ["up", "down"] },
        "aliases": { "population": "stats.population" },
        "writes": { "style": "rest", "replace": "patch", "members": { "data.type": "rows" } },
        "max_rows": 7, "deadline": "1m"
    }"#;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let table: ApiTable = serde_json::from_str(ALL).unwrap();
        table.check().unwrap();
        let written = serde_json::to_string(&table).unwrap();
        let read: ApiTable = serde_json::from_str(&written).unwrap();
        assert_eq!(format!("{read:?}"), format!("{table:?}"));
        let built = ApiTable::new()
            .paging(Paging::offset_limit("skip", "take", 50).row_cap(7))
            .filters(Filters::suffixes().trims_texts(false))
            .sorting(Sorting::template("sort=[{columns}]", "{column}", ";"))
            .writes(Writes::none().insert_by_put().delete_by_delete())
            .item_endpoint(false)
            .deadline(Duration::from_secs(7));
        let written = serde_json::to_string(&built).unwrap();
        let read: ApiTable = serde_json::from_str(&written).unwrap();
        assert_eq!(format!("{read:?}"), format!("{built:?}"));
    }

    #[test]
    fn a_key_that_means_nothing_is_named_at_every_level() {
        for (json, key) in [
            (r#"{ "pagin": {} }"#, "`pagin`"),
            (r#"{ "paging": { "by": "none", "param": "p" } }"#, "`param`"),
            (r#"{ "paging": { "by": "link", "next": "n" } }"#, "`next`"),
            (r#"{ "paging": { "by": "page", "custom": 1 } }"#, "`custom`"),
            (r#"{ "envelope": { "items": "a", "totl": "b" } }"#, "`totl`"),
            (r#"{ "filters": { "custom": null } }"#, "`custom`"),
            (
                r#"{ "filters": { "combined": { "style": "json", "param": "q", "word": 1 } } }"#,
                "`word`",
            ),
            (r#"{ "sorting": { "style": "none", "param": "p" } }"#, "`param`"),
            (r#"{ "sorting": { "style": "custom" } }"#, "`custom`"),
            (r#"{ "writes": { "upsert": true } }"#, "`upsert`"),
        ] {
            let error = serde_json::from_str::<ApiTable>(json).unwrap_err().to_string();
            assert!(error.contains(key), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_code_is_no_data() {
        let custom = [
            ApiTable::new().filters(Filters::none().custom(|_, _, _| None)),
            ApiTable::new().sorting(Sorting::custom(|_| None)),
            ApiTable::new()
                .filters(Filters::none().combined(crate::vantage::Combined::custom(|_| None))),
        ];
        for table in custom {
            assert!(serde_json::to_string(&table).is_err(), "{table:?}");
        }
    }
}

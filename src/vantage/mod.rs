//! The Vantage data source over a pool.
//!
//! [`PoolApi`] is the source and holds how the API behaves. `source` is its
//! `TableSource`, `reads` runs lists, streams, gets and counts, `pages` walks
//! the rows of one query. What they decide is in pure files: `condition`,
//! `query` and `path` (targets and parameters), `filter` (conditions on rows),
//! `window`, `record`, `keys`. Nothing here names actix or awc.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    pager::{Envelope, Paging},
    pool::AwwPool,
};

#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod condition;
mod count;
mod error;
mod filter;
mod keys;
mod pages;
mod path;
mod query;
mod reads;
mod record;
mod source;
mod window;

pub use condition::{ApiCondition, ColumnConditions};
pub use count::PoolTableExt;
pub use query::Filtering;

/// A REST API as a Vantage data source: each table is a path below the pool's
/// base URL.
///
/// Cheap to clone, `Send` and `Sync`; clones share the pool and the count of
/// repeated rows. Values are `ciborium::Value`, ids are texts.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use vantage_api_pool::{AwwPool, Envelope, Paging, PoolApi};
/// use vantage_dataset::prelude::*;
/// use vantage_table::table::Table;
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Country {
///     name: String,
///     population: i64,
/// }
///
/// # async fn demo(pool: AwwPool) -> vantage_core::Result<()> {
/// let api = PoolApi::new(pool)
///     .paging(Paging::page_number().page_size("per_page", 50))
///     .envelope(Envelope::items_at("data"));
/// let countries = Table::<PoolApi, Country>::new("countries", api)
///     .with_id_column("name")
///     .with_column_of::<i64>("population");
/// let germany: Option<Country> = countries.get("Germany").await?;
/// # Ok(()) }
/// ```
///
/// # Rows
///
/// Each item is an object. A whole number in a column declared as `f64` or
/// `f32` is read as a float, so that a field of that type accepts it. The id of
/// a row is the table's id column, as text; a row without a usable one gets the
/// key `~row:<position>`. Two rows with one id in one answer are an error. An id
/// that was on an earlier page keeps its first row and is counted in
/// [`repeated_rows`](Self::repeated_rows): rows shift while pages are read. A
/// list remembers every id, a stream the last 10,000.
///
/// # Windows, order, search
///
/// A table's pagination is a window of rows. With
/// [offsets](Paging::offset_limit) it is read from its first row. With a
/// [page size](Paging::page_size) it is read from the page that holds its first
/// row, as long as the answers prove that the API numbers pages of that size, and
/// otherwise from the start of the set. A count counts the set, not the window.
/// Orders, searches and other conditions that the API cannot be asked for are
/// `Unsupported` when read.
#[derive(Clone)]
pub struct PoolApi {
    pool: AwwPool,
    settings: Arc<Settings>,
    repeated: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Settings {
    paging: Paging,
    envelope: Envelope,
    wrapped_by_table_name: bool,
    prefetch: usize,
    item_endpoints: bool,
    filtering: Filtering,
}

impl PoolApi {
    /// The API that `pool` (an `AwwPool` or an `Arc<AwwPool>`) calls, with
    /// pages by number, the standard [`Envelope`], three pages of prefetch, no
    /// item endpoints and filters left to the server.
    pub fn new(pool: impl AsRef<AwwPool>) -> Self {
        Self {
            pool: pool.as_ref().clone(),
            settings: Arc::new(Settings {
                paging: Paging::default(),
                envelope: Envelope::default(),
                wrapped_by_table_name: false,
                prefetch: 3,
                item_endpoints: false,
                filtering: Filtering::default(),
            }),
            repeated: Arc::default(),
        }
    }

    /// How the API hands a set out page by page.
    #[must_use]
    pub fn paging(self, paging: Paging) -> Self {
        self.with(|settings| settings.paging = paging)
    }

    /// Where a page holds its items and what it says about the set.
    #[must_use]
    pub fn envelope(self, envelope: Envelope) -> Self {
        self.with(|settings| settings.envelope = envelope)
    }

    /// Items lie under a key named like the table: the last segment of its path
    /// that is no placeholder. Totals are where the envelope says.
    #[must_use]
    pub fn wrapped_by_table_name(self) -> Self {
        self.with(|settings| settings.wrapped_by_table_name = true)
    }

    /// How many pages of a list or stream may be under way or wait to be
    /// consumed; at least 1, by default 3.
    #[must_use]
    pub fn prefetch(self, pages: usize) -> Self {
        self.with(|settings| settings.prefetch = pages.max(1))
    }

    /// Whether one row can be asked for at `<table path>/<id>`. Without it, a
    /// get reads the list with the id as a parameter.
    #[must_use]
    pub fn item_endpoints(self, yes: bool) -> Self {
        self.with(|settings| settings.item_endpoints = yes)
    }

    /// Where conditions are applied. The default is [`Filtering::Server`].
    #[must_use]
    pub fn filtering(self, filtering: Filtering) -> Self {
        self.with(|settings| settings.filtering = filtering)
    }

    /// How many rows were left out because their id was on an earlier page of
    /// the same read. Counts all reads of this source and its clones.
    #[must_use]
    pub fn repeated_rows(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Settings {
    /// The envelope of the table at `path`.
    fn envelope_of(&self, path: &str) -> Envelope {
        if self.wrapped_by_table_name {
            self.envelope.clone().with_items_under(path::wrapper_key(path))
        } else {
            self.envelope.clone()
        }
    }
}

impl fmt::Debug for PoolApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolApi")
            .field("pool", &self.pool)
            .field("paging", &self.settings.paging)
            .field("prefetch", &self.settings.prefetch)
            .field("item_endpoints", &self.settings.item_endpoints)
            .field("filtering", &self.settings.filtering)
            .finish_non_exhaustive()
    }
}

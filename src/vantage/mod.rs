//! The Vantage data source over a pool.
//!
//! [`PoolApi`] is the source and holds how the API behaves. `source` is its
//! `TableSource`, `reads` runs lists, streams, gets and counts, `pages` walks
//! the rows of one query. What they decide is in pure files: `settings` (what holds
//! for a table), `condition`, `expression`, `fluent` and `clauses` (what is asked
//! for), `dialect` and `order` (how an API takes it), `query` and `path` (targets and
//! parameters), `filter` and `value` (conditions on rows), `window`, `record`, `keys`,
//! `columns`, `alias` and `kind` (what a value of an item is in a record). `writes` sends
//! rows, `entities` and `entity` read them without records.
//! `relations`, `branches` and `fan_out` read sets that are related to sets; `vista` is
//! for those who know no types. Nothing here names actix.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{self, AtomicU64},
    },
};

use crate::{
    error::Error,
    pager::{Envelope, Paging},
    pool::AwwPool,
    token_manager::Credentials,
};
use settings::Settings;

mod aggregate;
mod alias;
#[cfg(vantage_bench)]
pub(crate) mod bench_support;
mod branches;
mod clauses;
mod columns;
mod condition;
mod cursor;
mod dialect;
mod entities;
mod entity;
mod error;
mod expression;
mod fan_out;
mod filter;
mod fluent;
mod keyed;
mod keys;
mod kind;
mod logic;
mod order;
mod pages;
mod path;
mod preview;
mod query;
mod reads;
mod record;
mod relations;
mod settings;
mod source;
mod table_ext;
mod value;
mod vista;
mod window;
mod writes;

pub use condition::{ApiCondition, Operator};
pub use dialect::{Filters, Lists};
pub use fluent::ColumnConditions;
pub use order::Ordering;
pub use preview::Preview;
pub use query::Filtering;
pub use relations::Related;
pub use settings::ApiTable;
pub use table_ext::PoolTableExt;
pub use vista::{ApiColumnExtras, ApiTableExtras, ApiVistaSpec, PoolVistaFactory};
pub use writes::Writes;

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
/// Each item is an object. The id of a row is the table's id column, as text; a row
/// without a usable one gets the key `~row:<position>`. Two rows with one id in one
/// answer are an error. An id that was on an earlier page keeps its first row and is
/// counted in [`repeated_rows`](Self::repeated_rows): rows shift while pages are
/// read. A list remembers every id, a stream the last 10,000.
///
/// # Values
///
/// Vantage reads entities from records of CBOR values, which are stricter than JSON.
/// So the declared type of a column (`with_column_of`) says what its values become: in
/// a column of floats whole numbers become floats, in one of integers `7.0` becomes
/// `7`; a `Decimal` is the text of its digits, none of which is lost; a `Uuid` and an
/// `IpAddr` (or one of its versions) are their bytes. All of that also inside `Option`
/// and `Vec`. Written, each is what JSON has for it, a `Decimal` its text.
/// [`list_direct`](PoolTableExt::list_direct) reads entities from JSON itself and
/// needs no declarations.
///
/// # Windows, order, search
///
/// A table's pagination is a window of rows. With
/// [offsets](Paging::offset_limit) it is read from its first row. With a
/// [page size](Paging::page_size) it is read from the page that holds its first
/// row, as long as the answers prove that the API numbers pages of that size, and
/// otherwise from the start of the set. A count counts the set, not the window.
/// Conditions and searches are sent as [`Filters`] says, orders as [`Ordering`]
/// does. What the API cannot be asked for is evaluated on the rows where
/// [`Filtering`] and [`Ordering::on_rows`] allow it, and otherwise `Unsupported`
/// when read. A list of values that takes [several requests](Lists) is asked for
/// with as many in parallel as pages are prefetched; its rows come in the order of
/// the values.
#[derive(Clone)]
pub struct PoolApi {
    pool: AwwPool,
    settings: Arc<Settings>,
    repeated: Arc<AtomicU64>,
}

impl PoolApi {
    /// The API that `pool` (an `AwwPool` or an `Arc<AwwPool>`) calls, with
    /// pages by number, the standard [`Envelope`], three pages of prefetch, no
    /// item endpoints and filters left to the server.
    pub fn new(pool: impl AsRef<AwwPool>) -> Self {
        Self { pool: pool.as_ref().clone(), settings: Arc::default(), repeated: Arc::default() }
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

    /// How many pages of a list or stream may be under way or in memory, as for
    /// [`PaginatedStream::prefetch`](crate::PaginatedStream::prefetch); at least 1, by default 3.
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

    /// How rows are written, in every table that does not say otherwise. The default
    /// is [`Writes::none`].
    #[must_use]
    pub fn writes(self, writes: Writes) -> Self {
        self.with(|settings| settings.writes = writes)
    }

    /// How the API takes conditions: equality alone, as `field=value`, by default.
    #[must_use]
    pub fn filters(self, filters: Filters) -> Self {
        self.with(|settings| settings.filters = filters)
    }

    /// How the API takes orders, and which: none by default.
    #[must_use]
    pub fn order(self, ordering: Ordering) -> Self {
        self.with(|settings| settings.ordering = ordering)
    }

    /// How the table named `name` differs: its name in Vantage, which is its
    /// path without a query. Setting a table again replaces what was set.
    #[must_use]
    pub fn table(self, name: impl Into<String>, table: ApiTable) -> Self {
        self.with(|settings| {
            settings.tables.insert(name.into(), table);
        })
    }

    /// The same API with credentials of its own, as for a tenant, over the same pool: see
    /// [`AwwPool::with_credentials`]. Tables made with it, what they are related to, and all
    /// that is read and written by them use its tokens.
    ///
    /// # Errors
    /// As [`AwwPool::with_credentials`].
    pub fn with_credentials(&self, credentials: Credentials) -> Result<Self, Error> {
        Ok(Self { pool: self.pool.with_credentials(credentials)?, ..self.clone() })
    }

    /// How many rows were left out because their id was on an earlier page of
    /// the same read. Counts all reads of this source and its clones.
    #[must_use]
    pub fn repeated_rows(&self) -> u64 {
        self.repeated.load(atomic::Ordering::Relaxed)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
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

//! The Vantage data source over a pool.
//!
//! [`PoolApi`] is the source and holds how the API behaves. `source` is its
//! `TableSource`, `reads` runs lists, streams, gets and counts, `pages` walks
//! the rows of one query. What they decide is in pure files: `settings` (what holds
//! for a table), `condition`, `expression`, `fluent` and `clauses` (what is asked
//! for), `dialect`, `combined` and `order` (how an API takes it), `query`, `sender` and `path`
//! (targets and parameters), `filter`, `among` and `value` (conditions on rows), `window`,
//! `record`, `number`, `keys`, `columns`, `alias` and `kind` (what a value of an item is in a
//! record), `fit` (what it is for a type). `writes` sends rows, `entities`, `entity` and
//! `lenient` read them without records.
//! `relations`, `branches` and `fan_out` read sets that are related to sets; `vista` is
//! for those who know no types. Nothing here names actix.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{self, AtomicU64},
    },
};

use crate::{
    error::Error,
    pager::{Envelope, Paging},
    pool::AwwPool,
    token_manager::Credentials,
};
use columns::Columns;
use fit::{Fit, Shape};
use settings::Settings;
use vantage_types::Entity;

mod aggregate;
mod alias;
mod among;
mod blank;
mod branches;
mod clauses;
mod columns;
mod combined;
mod condition;
mod cursor;
mod dialect;
mod entities;
mod entity;
mod error;
mod expression;
mod fan_out;
mod filter;
mod fit;
mod fluent;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod json;
mod keyed;
mod keys;
mod kind;
mod lenient;
mod limits;
mod logic;
mod map_key;
mod number;
mod order;
mod pages;
mod path;
mod preview;
mod query;
mod reads;
mod record;
mod relations;
mod sender;
mod settings;
mod source;
mod table_ext;
mod value;
mod vista;
mod window;
mod writes;

pub use combined::{Combined, Comparison};
pub use condition::{ApiCondition, Operator};
pub use dialect::{Filters, Lists};
pub use fluent::ColumnConditions;
pub use order::Sorting;
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
/// `7`, in one of booleans 1 and 0 become true and false; a `Decimal` is the text of its
/// digits, none of which is lost; a `Uuid` and an `IpAddr` (or one of its versions) are
/// their bytes. All of that also inside `Option` and `Vec`. Written, each is what JSON has
/// for it, a `Decimal` its text.
///
/// What no column declares, as inside of objects, becomes what the table's entity reads:
/// that is found out by trying, once for each place in a row. A row that cannot be read is
/// told by Vantage without a reason; `list_direct` gives the row, the place and the reason.
///
/// An integer beyond 64 bits keeps its digits: where its column is declared as an integer
/// (`i128`, `u128`) it is CBOR's integer in bytes (RFC 8949 section 3.4.3), anywhere else the
/// text of its digits. Other numbers with a fraction or an exponent are floats unless they
/// are declared as `Decimal`s. An id that is a number is the same however it is written:
/// `1e0`, `1.0` and `1` are the id `1`, `-0` is `0`, and no digit is lost.
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
/// Conditions and searches are sent as [`Filters`] says, orders as [`Sorting`]
/// does. What the API cannot be asked for is evaluated on the rows where
/// [`Filtering`] and [`Sorting::on_rows`] allow it, and otherwise `Unsupported`
/// when read. A list of values that takes [several requests](Lists) is asked for
/// with as many in parallel as pages are prefetched; its rows come in the order of
/// the values.
#[derive(Clone)]
pub struct PoolApi {
    pool: AwwPool,
    settings: Arc<Settings>,
    repeated: Arc<AtomicU64>,
    /// What types want of the rows of tables, by the names of both.
    shapes: Arc<Mutex<HashMap<(String, &'static str), Shape>>>,
}

impl PoolApi {
    /// The API that `pool` (an `AwwPool` or an `Arc<AwwPool>`) calls, with
    /// pages by number, the standard [`Envelope`], three pages of prefetch, no
    /// item endpoints and filters left to the server.
    pub fn new(pool: impl AsRef<AwwPool>) -> Self {
        Self {
            pool: pool.as_ref().clone(),
            settings: Arc::default(),
            repeated: Arc::default(),
            shapes: Arc::default(),
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

    /// How many pages of a list or stream may be under way or in memory, as for
    /// [`PaginatedStream::prefetch`](crate::PaginatedStream::prefetch); at least 1, by default 3.
    #[must_use]
    pub fn prefetch(self, pages: usize) -> Self {
        self.with(|settings| settings.prefetch = pages.max(1))
    }

    /// Whether one row can be asked for at `<table path>/<id>`, or at `<table path>/<id>/` where
    /// the path ends with a slash. Without it, a get reads the list with the id as a parameter.
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
    pub fn sorting(self, sorting: Sorting) -> Self {
        self.with(|settings| settings.sorting = sorting)
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

    /// What makes records of `columns` such as `E` is read from; `None` where `E` reads any.
    fn fit<E: Entity<ciborium::Value>>(&self, table: &str, columns: &Columns) -> Option<Fit<E>> {
        let key = (table.to_owned(), std::any::type_name::<E>());
        let shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        Fit::new(shapes.get(&key).cloned().unwrap_or_default(), columns)
    }

    /// Keeps what was learned of the rows of a table.
    fn learn<E>(&self, table: &str, shape: &Shape) {
        let key = (table.to_owned(), std::any::type_name::<E>());
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(key, shape.clone());
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

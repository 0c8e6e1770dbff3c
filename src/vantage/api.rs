//! The data source itself: the pool it calls, and the settings of its API.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{self, AtomicU64},
    },
    time::Duration,
};

use super::{
    alias,
    infer::InferredSchemas,
    settings::{ApiSettings, ApiTable, Filtering, Filters, Sorting, Writes},
};
use crate::{
    error::Error,
    pager::{Envelope, Paging},
    pool::AwwPool,
    token_manager::Credentials,
};

/// A REST API as a Vantage data source: each table is a path below the pool's
/// base URL.
///
/// Cheap to clone, `Send` and `Sync`; clones share the pool and the count of
/// duplicate rows. Values are `ciborium::Value`, ids are strings.
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
/// Each item is an object. The id of a row is the table's id column, as a string; a row
/// without a usable id gets the key `~row:<position>`. Two rows with the same id in one
/// response are an error. If an id was already on an earlier page, the first row is kept and
/// it is counted in [`duplicate_rows`](Self::duplicate_rows): rows can shift while
/// pages are read. A list remembers every id, a stream the last 10,000.
///
/// # Values
///
/// Vantage reads entities from records of CBOR values, which are stricter than JSON.
/// So the declared type of a column (`with_column_of`) decides how its values are converted: in
/// a column of floats whole numbers become floats, in one of integers `7.0` becomes
/// `7`, in one of booleans 1 and 0 become true and false; a `Decimal` is the text of its
/// digits, without loss; a `Uuid` and an `IpAddr` (or one of its versions) are
/// their bytes. The same applies inside `Option` and `Vec`. When written, each value has its
/// usual JSON form, a `Decimal` its text.
///
/// A value that no column declares, for example inside an object, is converted to what the
/// table's entity reads, which is found by trying, once for each place in a row. If a row cannot
/// be read, Vantage reports that without a reason; `list_direct` names the row, the place and the
/// reason.
///
/// An integer beyond 64 bits keeps its digits: in a column declared as an integer
/// (`i128`, `u128`) it is CBOR's integer in bytes (RFC 8949 section 3.4.3), anywhere else the
/// text of its digits. Other numbers with a fraction or an exponent are floats unless they
/// are declared as `Decimal`s. An id that is a number has one canonical form: `1e0`, `1.0` and
/// `1` are the id `1`, `-0` is `0`, and no digit is lost.
/// [`list_direct`](crate::vantage::PoolTableExt::list_direct) reads entities from JSON itself and
/// needs no declarations.
///
/// # Windows, order, search
///
/// A table's pagination is a window of rows. With [offsets](Paging::offset_limit) it is read
/// from its first row. With a [page size](Paging::page_size) it is read from the page that
/// holds its first row, as long as the responses prove that the API numbers pages of that
/// size, and otherwise from the start of the set. A count counts the set, not the window.
/// Conditions and searches are sent as [`Filters`] says, orders as [`Sorting`] says. What the
/// API does not support is evaluated on the rows if [`Filtering`] and [`Sorting::on_rows`]
/// allow that, and is otherwise `Unsupported` when the table is read. A list of values that
/// takes [several requests](crate::vantage::Lists) is requested with as many in parallel as
/// pages are prefetched; its rows come in the order of the values.
#[derive(Clone)]
pub struct PoolApi {
    pub(super) pool: AwwPool,
    pub(super) settings: Arc<ApiSettings>,
    /// How many duplicate rows were left out.
    pub(super) duplicates: Arc<AtomicU64>,
    pub(super) schemas: InferredSchemas,
}

impl PoolApi {
    /// The API that `pool` (an `AwwPool` or an `Arc<AwwPool>`) calls. The defaults are numbered
    /// pages, the standard [`Envelope`], a prefetch of three pages, no item endpoints, and filters
    /// applied by the server.
    pub fn new(pool: impl AsRef<AwwPool>) -> Self {
        Self {
            pool: pool.as_ref().clone(),
            settings: Arc::default(),
            duplicates: Arc::default(),
            schemas: Arc::default(),
        }
    }

    /// Items are under a key with the name of the table: the last segment of its path that is
    /// not a placeholder. Totals are where the envelope says.
    #[must_use]
    pub fn wrapped_by_table_name(self) -> Self {
        self.with(|settings| settings.wrapped_by_table_name = true)
    }

    /// How many pages of a list or stream may be in flight or in memory, as for
    /// [`PaginatedStream::prefetch`](crate::PaginatedStream::prefetch); at least 1, by default 3.
    #[must_use]
    pub fn prefetch(self, pages: usize) -> Self {
        self.with(|settings| settings.prefetch = pages.max(1))
    }

    /// Whether a single row can be requested at `<table path>/<id>`, or at `<table path>/<id>/` if
    /// the path ends with a slash. Without it, a get reads the list with the id as a parameter.
    #[must_use]
    pub fn item_endpoints(self, yes: bool) -> Self {
        self.for_all(|table| table.item_endpoint(yes))
    }

    /// Settings of the table named `name` that differ: the name is its name in Vantage, which is
    /// its path without a query. Setting a table again replaces earlier settings.
    #[must_use]
    pub fn table(self, name: impl Into<String>, table: ApiTable) -> Self {
        self.with(|settings| {
            settings.tables.insert(name.into(), table);
        })
    }

    /// The same API with credentials of its own, as for a tenant, over the same pool: see
    /// [`AwwPool::with_credentials`]. Tables made with it, tables related to them, and all
    /// their reads and writes use its tokens.
    ///
    /// # Errors
    /// As [`AwwPool::with_credentials`].
    pub fn with_credentials(&self, credentials: Credentials) -> Result<Self, Error> {
        Ok(Self { pool: self.pool.with_credentials(credentials)?, ..self.clone() })
    }

    /// The pool that it calls.
    #[must_use]
    pub fn pool(&self) -> &AwwPool {
        &self.pool
    }

    /// Where a column of the table named `table` is in an item, key by key: at its own name, unless
    /// it has an [alias](ApiTable::alias).
    #[must_use]
    pub fn path_of(&self, table: &str, column: &str) -> Vec<String> {
        let aliases = self.settings.settings_of(table).aliases;
        let path = aliases.get(column).and_then(|path| alias::parse(path));
        path.unwrap_or_else(|| vec![column.to_owned()])
    }

    /// How many rows were left out because their id was on an earlier page of
    /// the same read. Counts all reads of this source and its clones.
    #[must_use]
    pub fn duplicate_rows(&self) -> u64 {
        self.duplicates.load(atomic::Ordering::Relaxed)
    }

    /// Changes the defaults of all tables.
    fn for_all(self, change: impl FnOnce(ApiTable) -> ApiTable) -> Self {
        self.with(|settings| settings.common = change(std::mem::take(&mut settings.common)))
    }

    fn with(mut self, change: impl FnOnce(&mut ApiSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

/// Settings of all tables without their own, by the same names as those of one table.
macro_rules! for_all {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $type:ty);)*) => {
        impl PoolApi {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self, $arg: $type) -> Self {
                self.for_all(|table| table.$name($arg))
            })*
        }
    };
}

for_all! {
    /// How the API pages.
    paging(paging: Paging);
    /// Where a page holds its items and its metadata about the set.
    envelope(envelope: Envelope);
    /// Where conditions are applied. The default is [`Filtering::Server`].
    filtering(filtering: Filtering);
    /// How rows are written, in every table without settings of its own. The default is
    /// [`Writes::none`].
    writes(writes: Writes);
    /// How the API takes conditions: by default only equality, as `field=value`.
    filters(filters: Filters);
    /// How the API takes orders, and which ones: by default none.
    sorting(sorting: Sorting);
    /// How many rows a list of a table may have. This limit also applies to every other read of a
    /// whole set: counts and aggregates that the API does not compute, orders that are made on
    /// the rows, windows, joins, a delete of all rows. 1,000,000 by default; rows left out by
    /// conditions do not count. One more row is an error of the kind `set_too_large`, which names
    /// this setting. Streams of rows have no such limit.
    max_rows(rows: u64);
    /// How many pages such a read may have of each set that it reads, at least 1: 100,000 by
    /// default. If the set has more, that is an error as for [`max_rows`](Self::max_rows).
    max_pages(pages: u64);
    /// How many items one page of such a read may have: 500,000 by default. A page with more is
    /// an error as for [`max_rows`](Self::max_rows).
    max_page_items(items: u64);
    /// How long such a read may take as a whole: an hour by default. One that takes longer is an
    /// error of the kind `deadline_exceeded`, which names this setting.
    deadline(time: Duration);
}

impl fmt::Debug for PoolApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolApi")
            .field("pool", &self.pool)
            .field("prefetch", &self.settings.prefetch)
            .finish_non_exhaustive()
    }
}

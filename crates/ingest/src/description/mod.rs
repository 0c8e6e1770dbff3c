//! What a user wants, as data: an API, its tables, the jobs that copy them, and what is served.
//!
//! ```
//! use vantage_api_ingest::description::{Reader, WriteMode};
//!
//! let yaml = r#"
//! vars:
//!   host: api.example.com
//! api:
//!   base_url: https://${host}/v1
//!   auth: { bearer: "${TOKEN}" }
//!   rate_limit: 10
//! tables:
//!   - name: countries
//!     id: code
//!     columns:
//!       code: text
//!       name: { type: text, flags: [title] }
//!       population: { type: int, path: stats.population }
//!       updated_at: timestamp
//!     api:
//!       envelope: { items: result.rows, total: result.count }
//!       paging: { by: page, size_param: per_page, size: 100 }
//!   - name: cities_of_country
//!     id: [country, name]
//!     api: { endpoint: "countries/{country}/cities" }
//! jobs:
//!   world:
//!     sink: { sqlite: world.db }
//!     every: 10m
//!     streams:
//!       - table: countries
//!         incremental: { field: updated_at, param: since, start: 2024-01-01T00:00:00Z, lookback: 1h }
//!         windows: { from: since, to: until, step: 1d }
//!       - table: cities_of_country
//!         name: cities
//!         for_each: { table: countries, bind: { country: code } }
//!         write: sync
//!         columns: { mayor: { hash: sha256 }, debug: drop }
//! "#;
//! let description = Reader::new().variable("TOKEN", "abc").read_yaml(yaml)?;
//! let cities = &description.jobs["world"].streams[1];
//! assert_eq!((&*cities.name, cities.write), ("cities", WriteMode::Sync));
//! # Ok::<(), vantage_api_ingest::description::DescriptionError>(())
//! ```
//!
//! # Keys
//!
//! | key | value |
//! |---|---|
//! | `api` | the API: the settings of a pool, [`PoolConfig`] as data |
//! | `tables` | a list of [`TableDescription`]s |
//! | `jobs` | a map of names to [`JobDescription`]s |
//! | `gateway` | what is served over REST: a [`GatewayDescription`] |
//! | `vars` | a map of names to the values of [variables](#variables) |
//!
//! An unknown key is an error, and so is what contradicts itself: a [`DescriptionError`] names the
//! file, the line, the column and the key. A duration is a number of seconds or text such as
//! `250ms`, `1m 30s` or `2h`.
//!
//! # Variables
//!
//! `${NAME}` in a value, in quotes or not, is the variable of that name, and
//! `${NAME:-default}` one that need not have a value. Its value is given by the program, for which
//! there is [`Reader`], or else by the environment, or else by `vars`, in whose values the
//! environment and the variables above may be used. A variable without a value is an error, and an
//! empty one of the environment counts as not set.
//!
//! `$$` is a `$`. A `$` before anything else than a brace or another `$` is one too, so `$top` may
//! be written as it is. Comments and keys have no variables.
//!
//! A value with a variable is a text. Where a number, or true or false, is expected, its text is
//! read as that, but within `paging` for `size` alone. The value of a variable is a secret: it is in
//! no error and in no `Debug` output.

use std::{fmt, path::Path, sync::Arc};

use indexmap::IndexMap;
use serde::{Deserialize, de::IgnoredAny};
use vantage_api_pool::{AwwPool, PoolApi, PoolConfig};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use crate::query::QueryEngine;

mod check;
mod checks;
mod column_type;
mod columns;
mod commit;
mod condition;
mod delta;
mod error;
mod extract;
mod file;
mod for_each;
mod forms;
mod gateway;
mod incremental;
mod job;
mod query;
mod raw;
mod reader;
mod sink;
mod sql;
mod stream;
mod table;
#[cfg(test)]
mod tests;

pub use checks::{Check, ChecksDescription, OnFail, Range};
pub(crate) use column_type::type_by_name;
pub use columns::{ColumnChange, ColumnRule, Hash, Mask};
pub use commit::CommitEvery;
pub use condition::{Condition, ConditionOperator};
pub use delta::Delta;
pub use error::DescriptionError;
pub use for_each::ForEach;
pub(crate) use for_each::{text_of, typed};
pub use gateway::{
    AuthDescription, CorsDescription, DrainDescription, GatewayDescription, GatewayTable,
    KvDescription, Operation, SourceDescription, TokenDescription,
};
pub use incremental::{Incremental, RowOrder};
pub use job::{JobDescription, OnError};
pub use query::QueryFile;
pub use raw::RawSettings;
pub use reader::Reader;
pub use sink::SinkDescription;
pub use sql::{Collation, Nulls, SqlSettings};
pub use stream::{Nested, Reconcile, SchemaPolicy, StreamDescription, WriteMode};
pub use table::{
    ColumnDescription, ColumnFlag, ContainedDescription, ContainedKind, ReferenceDescription,
    ReferenceKind, TableDescription,
};
pub use vantage_api_pool::paging::{MomentFormat, WindowBounds, Windows};
pub(crate) use vantage_api_pool::paging::{day_of, moment_of};

/// What a user wants: an API, its tables, the jobs that copy them, and what is served.
///
/// The [module](self) has an example and the keys.
#[derive(Clone)]
#[non_exhaustive]
pub struct Description {
    /// The API.
    pub api: PoolConfig,
    /// Its tables.
    pub tables: Vec<TableDescription>,
    /// The jobs, by their names.
    pub jobs: IndexMap<String, JobDescription>,
    /// What runs the queries of streams.
    pub(crate) queries: Option<Arc<dyn QueryEngine>>,
    /// What is served over REST.
    pub gateway: Option<GatewayDescription>,
}

/// The keys of a file. `vars` are taken out before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(default, rename = "vars")]
    _vars: IgnoredAny,
    api: PoolConfig,
    #[serde(default)]
    tables: Vec<TableDescription>,
    #[serde(default)]
    jobs: IndexMap<String, JobDescription>,
    #[serde(default)]
    gateway: Option<GatewayDescription>,
}

impl From<Data> for Description {
    fn from(data: Data) -> Self {
        let Data { api, tables, jobs, gateway, .. } = data;
        Self { api, tables, jobs, queries: None, gateway }
    }
}

impl Description {
    /// An API without tables and jobs.
    #[must_use]
    pub fn new(api: PoolConfig) -> Self {
        Self { api, tables: Vec::new(), jobs: IndexMap::new(), queries: None, gateway: None }
    }

    /// Reads a file in YAML or JSON, with the variables of the environment.
    ///
    /// # Errors
    /// If it cannot be read, or is not a description.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DescriptionError> {
        Reader::new().read_file(path)
    }

    /// Reads a text in YAML or JSON, with the variables of the environment.
    ///
    /// # Errors
    /// If it is not a description.
    pub fn from_yaml(text: &str) -> Result<Self, DescriptionError> {
        Reader::new().read_yaml(text)
    }

    /// The same with what runs the queries of streams that have one instead of a table.
    #[must_use]
    pub fn with_queries(self, engine: impl QueryEngine + 'static) -> Self {
        Self { queries: Some(Arc::new(engine)), ..self }
    }

    /// The description of a table.
    #[must_use]
    pub fn table_named(&self, name: &str) -> Option<&TableDescription> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The API in Vantage, with the settings of all tables, over a pool that was made of
    /// [`api`](Self::api).
    #[must_use]
    pub fn source(&self, pool: impl AsRef<AwwPool>) -> PoolApi {
        let tables = self.tables.iter();
        tables.fold(PoolApi::new(pool), |api, table| api.table(&table.name, table.settings()))
    }

    /// A table in Vantage, over the [source](Self::source). `None` if there is none of this name.
    #[must_use]
    pub fn table(&self, name: &str, source: &PoolApi) -> Option<Table<PoolApi, EmptyEntity>> {
        self.table_named(name).map(|table| table.table(source))
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("tables", &self.tables)
            .field("jobs", &self.jobs)
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

//! A session of queries over APIs and the stores of their jobs.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use datafusion::{
    catalog::{SchemaProvider, information_schema::InformationSchemaProvider},
    error::{DataFusionError, Result},
    execution::SessionStateBuilder,
    prelude::{DataFrame, SessionConfig, SessionContext},
};
use futures::future::join_all;
use vantage_api_ingest::description::Description;
use vantage_api_pool::AwwPool;

use crate::{
    catalog::ApiSchemaProvider,
    error::SqlError,
    external::{ApiFunction, ApiTableFactory},
    functions::{FUNCTION, calls_in},
    known::{Apis, KnownCatalogs},
    pools::Pools,
    stores::StoreSchemaProvider,
};

/// The catalog of a session.
const CATALOG: &str = "apipool";
/// The schema in which a session finds what has no schema before its name.
const DEFAULT: &str = "public";
/// How much an operator reads ahead of rows that an API has ordered.
const READ_AHEAD: usize = 4 << 20;
/// The most keys of a join that tables are told.
const MOST_KEYS: usize = 10_000;

/// A session of queries: a [`SessionContext`] with the tables of APIs, and with
/// `CREATE EXTERNAL TABLE … STORED AS API`, the table function `api` and `information_schema`.
///
/// Cheap to clone; clones share everything.
///
/// ```no_run
/// use vantage_api_sql::ApiSession;
///
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let session = ApiSession::open("world.yaml")?;
/// let richest = "SELECT name FROM countries WHERE gdp > 1000 ORDER BY gdp DESC LIMIT 5";
/// session.sql(richest).await?.show().await?;
/// session.shutdown(std::time::Duration::from_secs(5)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ApiSession {
    context: SessionContext,
    pools: Arc<Pools>,
    apis: Arc<Apis>,
    function: Arc<ApiFunction>,
}

impl ApiSession {
    /// A session without APIs. Its catalog is `apipool`, its default schema `public`.
    ///
    /// # Errors
    /// None that depends on the machine or the caller.
    pub fn new() -> Result<Self> {
        Self::with_config(SessionConfig::new())
    }

    /// The same with other settings of DataFusion. The catalog stays `apipool`.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_config(config: SessionConfig) -> Result<Self> {
        Self::built(config, |builder, _| Ok(builder))
    }

    /// The same over workers, between which the pages of its tables are divided: see
    /// [`distributed`](crate::distributed). They are asked for nothing yet.
    ///
    /// # Errors
    /// If `config` cannot be used over workers.
    #[cfg(feature = "distributed")]
    pub fn over_workers(
        config: SessionConfig,
        workers: crate::distributed::Workers,
    ) -> Result<Self> {
        Self::built(config, |builder, apis| {
            crate::distributed::over_workers(builder, apis, workers)
        })
    }

    fn built(
        config: SessionConfig,
        more: impl FnOnce(SessionStateBuilder, &Arc<Apis>) -> Result<SessionStateBuilder>,
    ) -> Result<Self> {
        let mut config = config
            .with_default_catalog_and_schema(CATALOG, DEFAULT)
            .with_create_default_catalog_and_schema(true)
            // It has one of its own, which asks no API.
            .with_information_schema(false);
        config.options_mut().execution.sort_pushdown_buffer_capacity = READ_AHEAD;
        // Tables say themselves how many keys they are asked for.
        config.options_mut().optimizer.hash_join_inlist_pushdown_max_distinct_values = MOST_KEYS;
        let (pools, apis) = (Arc::new(Pools::default()), Arc::new(Apis::default()));
        let factory = ApiTableFactory::new(Arc::clone(&pools));
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_table_factory("API".to_owned(), Arc::new(factory));
        let context = SessionContext::new_with_state(more(state, &apis)?.build());
        let function = Arc::new(ApiFunction::new(Arc::clone(&pools)));
        context.register_udtf(FUNCTION, Arc::clone(&function) as _);
        let session = Self { context, pools, apis, function };
        let known = KnownCatalogs {
            catalogs: Arc::clone(session.context.state().catalog_list()),
            catalog: CATALOG.to_owned(),
            apis: Arc::clone(&session.apis),
        };
        let information = InformationSchemaProvider::new(Arc::new(known));
        session.register_schema("information_schema", Arc::new(information))?;
        Ok(session)
    }

    /// A session with the API of a description in a file, whose tables need no schema before their
    /// names: see [`add`](Self::add).
    ///
    /// # Errors
    /// If there is no such description, or no pool can be made of it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let description = Description::from_file(path).map_err(SqlError::from)?;
        let session = Self::new()?;
        session.add(DEFAULT, &description)?;
        Ok(session)
    }

    /// Adds the tables of a description as the schema `name`, and the stores of its jobs: what a job
    /// has written is a schema with the name of the job, with a table for each of its streams.
    ///
    /// # Errors
    /// If no pool can be made of it, or two schemas would have one name.
    pub fn add(&self, name: &str, description: &Description) -> Result<()> {
        let stores = self.stores_beside(name, description)?;
        let pool = self.pools.get(name, format!("schema {name}"), description)?;
        self.register(name, description, &pool, stores)
    }

    /// The same over a pool of the caller's, whose limits then hold for queries and for whatever else
    /// it is used for. [`shutdown`](Self::shutdown) leaves it as it is.
    ///
    /// ```
    /// use vantage_api_ingest::description::Description;
    /// use vantage_api_pool::AwwPool;
    /// use vantage_api_sql::ApiSession;
    ///
    /// # fn demo(description: Description) -> Result<(), Box<dyn std::error::Error>> {
    /// let pool: AwwPool = description.api.clone().builder()?.build()?;
    /// let session = ApiSession::new()?;
    /// session.add_over("world", &description, &pool)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If two schemas would have one name.
    pub fn add_over(&self, name: &str, description: &Description, pool: &AwwPool) -> Result<()> {
        let stores = self.stores_beside(name, description)?;
        self.register(name, description, pool, stores)
    }

    /// The stores of a description whose API is to be the schema `name`.
    ///
    /// # Errors
    /// If two schemas would have one name.
    fn stores_beside(
        &self,
        name: &str,
        description: &Description,
    ) -> Result<Vec<(String, StoreSchemaProvider)>> {
        let stores = StoreSchemaProvider::of(description);
        let mut names: Vec<&str> = vec![name];
        for (job, _) in &stores {
            let is_taken = names.contains(&job.as_str());
            names.push(job);
            if is_taken {
                return Err(twice(job));
            }
        }
        match names.into_iter().find(|name| self.has_schema(name)) {
            Some(taken) => Err(twice(taken)),
            None => Ok(stores),
        }
    }

    fn register(
        &self,
        name: &str,
        description: &Description,
        pool: &AwwPool,
        stores: Vec<(String, StoreSchemaProvider)>,
    ) -> Result<()> {
        let api = Arc::new(ApiSchemaProvider::new(description, pool));
        self.register_schema(name, Arc::clone(&api) as _)?;
        self.apis.add(name, api);
        for (job, store) in stores {
            self.register_schema(&job, Arc::new(store))?;
        }
        Ok(())
    }

    /// Plans a query or runs a statement. The table function `api` finds its columns here, for which
    /// it may read a page.
    ///
    /// # Errors
    /// Those of DataFusion; those of tables of APIs are [`SqlError`]s within them.
    pub async fn sql(&self, sql: &str) -> Result<DataFrame> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect)?;
        for call in calls_in(&statement) {
            self.function.open(call).await?;
        }
        let plan = state.statement_to_plan(statement).await?;
        self.context.execute_logical_plan(plan).await
    }

    /// The context, to register more tables and functions.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Ends the pools that it has made: calls under way may take this long.
    pub async fn shutdown(&self, drain: Duration) {
        let pools = self.pools.all();
        join_all(pools.iter().map(|pool| pool.shutdown(drain))).await;
    }

    /// The APIs whose tables it has.
    #[cfg(feature = "distributed")]
    pub(crate) fn apis(&self) -> Arc<Apis> {
        Arc::clone(&self.apis)
    }

    fn register_schema(&self, name: &str, schema: Arc<dyn SchemaProvider>) -> Result<()> {
        let catalog = self.context.catalog(CATALOG).ok_or_else(|| {
            DataFusionError::Internal(format!("the session has no catalog `{CATALOG}`"))
        })?;
        catalog.register_schema(name, schema).map(|_| ())
    }

    /// Whether there is a schema of this name that is in use.
    fn has_schema(&self, name: &str) -> bool {
        let schema = self.context.catalog(CATALOG).and_then(|catalog| catalog.schema(name));
        let is_empty = || schema.as_ref().is_some_and(|schema| schema.table_names().is_empty());
        // The default is there from the start.
        schema.is_some() && (name != DEFAULT || self.apis.has(name) || !is_empty())
    }
}

fn twice(schema: &str) -> DataFusionError {
    DataFusionError::Configuration(format!("there would be two schemas `{schema}`"))
}

impl fmt::Debug for ApiSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSession").field("apis", &self.apis).finish_non_exhaustive()
    }
}

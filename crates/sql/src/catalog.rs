//! The tables of an API as a schema, none of which is opened before it is named.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::Schema,
    catalog::{SchemaProvider, TableProvider},
    datasource::{TableType, empty::EmptyTable},
    error::{DataFusionError, Result},
};
use indexmap::IndexMap;
use tokio::sync::OnceCell;
use vantage_api_ingest::description::{Description, TableDescription};
use vantage_api_pool::{AwwPool, PoolApi};

#[cfg(feature = "distributed")]
use crate::table::Source;
use crate::{
    error::SqlError,
    table::{ApiTableProvider, readable},
};

/// The tables of a description as a schema of a catalog.
///
/// A table is opened when a query names it first. One whose columns are not declared reads its first
/// page for that, and keeps what it has found. `information_schema` reads no page: see
/// [`ApiSession`](crate::ApiSession).
pub struct ApiSchemaProvider {
    api: PoolApi,
    tables: IndexMap<String, ApiEntry>,
    /// Those that queries have made.
    made: RwLock<IndexMap<String, Arc<dyn TableProvider>>>,
}

struct ApiEntry {
    description: TableDescription,
    opened: OnceCell<Arc<ApiTableProvider>>,
}

impl ApiSchemaProvider {
    /// The tables of a description, over a pool of its `api`.
    #[must_use]
    pub fn new(description: &Description, pool: &AwwPool) -> Self {
        let api = source_of(&description.tables, pool);
        let entries = description.tables.iter().map(|description| {
            let opened = OnceCell::new();
            (description.name.clone(), ApiEntry { description: description.clone(), opened })
        });
        Self { api, tables: entries.collect(), made: RwLock::default() }
    }

    /// A table whose columns are declared. None if they are not, or there is no such table.
    #[cfg(feature = "distributed")]
    pub(crate) fn declared(&self, name: &str) -> Option<Arc<Source>> {
        let ApiEntry { description, opened } = self.tables.get(name)?;
        if description.columns.is_empty() {
            return None;
        }
        Some(match opened.get() {
            Some(opened) => Arc::clone(opened.source()),
            None => Arc::clone(ApiTableProvider::declared(description, &self.api).source()),
        })
    }

    /// Whether this is one of its tables whose columns are declared.
    #[cfg(feature = "distributed")]
    pub(crate) fn has_opened(&self, source: &Arc<Source>) -> bool {
        let entry = self.tables.get(&source.name);
        let entry = entry.filter(|entry| !entry.description.columns.is_empty());
        entry
            .and_then(|entry| entry.opened.get())
            .is_some_and(|own| Arc::ptr_eq(own.source(), source))
    }

    /// A table, as far as it is known without a request.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.get(name) {
            return Some(Arc::clone(made));
        }
        let ApiEntry { description, opened } = self.tables.get(name)?;
        if let Some(opened) = opened.get() {
            return Some(Arc::clone(opened) as _);
        }
        Some(match description.columns.is_empty() {
            true => Arc::new(EmptyTable::new(Arc::new(Schema::empty()))),
            false => Arc::new(ApiTableProvider::declared(description, &self.api)),
        })
    }
}

/// The API of these tables, with the settings by which queries read them.
pub(crate) fn source_of(tables: &[TableDescription], pool: &AwwPool) -> PoolApi {
    let tables = tables.iter();
    tables.fold(PoolApi::new(pool), |api, table| api.table(&table.name, readable(table)))
}

#[async_trait]
impl SchemaProvider for ApiSchemaProvider {
    fn table_names(&self) -> Vec<String> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        self.tables.keys().chain(made.keys()).cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let is_made = {
            let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
            made.get(name).cloned()
        };
        if is_made.is_some() {
            return Ok(is_made);
        }
        let Some(ApiEntry { description, opened }) = self.tables.get(name) else { return Ok(None) };
        let open = || async {
            Ok::<_, SqlError>(Arc::new(ApiTableProvider::described(description, &self.api).await?))
        };
        Ok(Some(Arc::clone(opened.get_or_try_init(open).await?) as _))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        if self.tables.contains_key(name) {
            return Ok(Some(TableType::Base));
        }
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        Ok(made.get(name).map(|table| table.table_type()))
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.table_exist(&name) {
            return Err(DataFusionError::Execution(format!("there is a table `{name}` already")));
        }
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        Ok(made.insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.tables.contains_key(name) {
            let what = format!("`{name}` is a table of the description, which stays");
            return Err(DataFusionError::Execution(what));
        }
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        Ok(made.shift_remove(name))
    }

    fn table_exist(&self, name: &str) -> bool {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        self.tables.contains_key(name) || made.contains_key(name)
    }
}

impl fmt::Debug for ApiSchemaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSchemaProvider")
            .field("tables", &self.tables.len())
            .finish_non_exhaustive()
    }
}

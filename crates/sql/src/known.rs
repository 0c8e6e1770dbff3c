//! What is known of a session's tables without a request, for `information_schema`.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider},
    datasource::TableType,
    error::Result,
};
use indexmap::IndexMap;

use crate::catalog::ApiSchemaProvider;
#[cfg(feature = "distributed")]
use crate::table::Source;

/// The APIs of a session, by the names of their schemas.
#[derive(Debug, Default)]
pub(crate) struct Apis(RwLock<IndexMap<String, Arc<ApiSchemaProvider>>>);

impl Apis {
    pub(crate) fn add(&self, name: &str, api: Arc<ApiSchemaProvider>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), api);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The API that has this table, whose columns are declared.
    #[cfg(feature = "distributed")]
    pub(crate) fn name_of(&self, source: &Arc<Source>) -> Option<String> {
        let apis = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_of = |api: &ApiSchemaProvider| api.has_opened(source);
        apis.iter().find(|(_, api)| is_of(api)).map(|(name, _)| name.clone())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<ApiSchemaProvider>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// The catalogs of a session, whose APIs are asked for nothing.
pub(crate) struct KnownCatalogs {
    pub(crate) catalogs: Arc<dyn CatalogProviderList>,
    /// The one that has the APIs.
    pub(crate) catalog: String,
    pub(crate) apis: Arc<Apis>,
}

impl CatalogProviderList for KnownCatalogs {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.catalogs.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.catalogs.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let catalog = self.catalogs.catalog(name)?;
        if name != self.catalog {
            return Some(catalog);
        }
        Some(Arc::new(KnownCatalog { catalog, apis: Arc::clone(&self.apis) }))
    }
}

#[derive(Debug)]
struct KnownCatalog {
    catalog: Arc<dyn CatalogProvider>,
    apis: Arc<Apis>,
}

impl CatalogProvider for KnownCatalog {
    fn schema_names(&self) -> Vec<String> {
        // It has a place of its own in what asks for these names.
        let names = self.catalog.schema_names().into_iter();
        names.filter(|name| name != "information_schema").collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match self.apis.get(name) {
            Some(api) => Some(Arc::new(KnownSchema(api))),
            None => self.catalog.schema(name),
        }
    }
}

#[derive(Debug)]
struct KnownSchema(Arc<ApiSchemaProvider>);

#[async_trait]
impl SchemaProvider for KnownSchema {
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.0.known(name))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        self.0.table_type(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.table_exist(name)
    }
}

impl fmt::Debug for KnownCatalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownCatalogs").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

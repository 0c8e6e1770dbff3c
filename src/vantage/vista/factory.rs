//! Vistas over one API: from typed tables, and from YAML by name.

use std::{fmt, sync::Arc};

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::{Result, error};
use vantage_table::table::{Table, spec::spec_references};
use vantage_types::{EmptyEntity, Entity};
use vantage_vista::{NoExtras, Vista, VistaFactory, VistaResolver};

use super::{
    shell::PoolShell,
    yaml::{self, ApiColumnExtras, ApiTableExtras, ApiVistaSpec},
};
use crate::vantage::PoolApi;

impl PoolApi {
    /// Builds [`Vista`]s over this API.
    #[must_use]
    pub fn vista_factory(&self) -> PoolVistaFactory {
        let (specs, origins) = (Arc::default(), Arc::default());
        PoolVistaFactory { api: self.clone(), specs, origins, resolver: None }
    }
}

/// Builds [`Vista`]s over one API: from typed tables with
/// [`from_table`](Self::from_table), and from YAML.
///
/// A Vista advertises exactly what the settings of its table can do. It runs the hooks of the
/// table that it was made from.
///
/// A factory resolves the models in its YAML, so it can be a loader of a
/// [`Catalog`](vantage_vista::Catalog).
///
/// ```
/// use vantage_api_pool::{AwwPool, PoolApi};
///
/// # fn demo(pool: AwwPool) -> vantage_core::Result<()> {
/// let factory = PoolApi::new(pool).vista_factory().with_yaml(
///     "
/// name: countries
/// columns:
///   id: { type: int, flags: [id] }
///   name: { type: string, flags: [title] }
/// references:
///   cities: { table: cities, kind: has_many, foreign_key: country_id }
/// ---
/// name: cities
/// api: { endpoint: 'countries/{country_id}/cities' }
/// columns:
///   id: { type: int, flags: [id] }
///   country_id: { type: int }
/// ",
/// )?;
/// let countries = factory.build("countries")?;
/// assert_eq!(countries.id_column(), Some("id"));
/// assert!(factory.build("continents").is_err_and(|error| error.is_not_found()));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PoolVistaFactory {
    api: PoolApi,
    specs: Arc<IndexMap<String, ApiVistaSpec>>,
    /// The base URLs that YAML may name.
    origins: Arc<Vec<String>>,
    resolver: Option<Arc<dyn VistaResolver>>,
}

impl PoolVistaFactory {
    /// Allows YAML that is added from here on to name `base_url`, such as
    /// `https://cdn.example.com`, or a URL below it, in the `allow_origins` of its paging: pages
    /// there are read without credentials, see
    /// [`Paging::allow_origin`](crate::Paging::allow_origin). By default none may be named, so
    /// whoever supplies YAML cannot make the program send requests to other servers.
    #[must_use]
    pub fn allow_origin(mut self, base_url: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.origins).push(base_url.into());
        self
    }

    /// Adds the models that `yaml` describes: one in each of its documents. Each
    /// has the name in its `name`; a later model replaces an earlier one of the same name.
    ///
    /// # Errors
    /// `IncorrectUsage` that names an unknown key, column type or setting, an origin that is not
    /// [allowed](Self::allow_origin), or a model without its id column.
    pub fn with_yaml(mut self, yaml: &str) -> Result<Self> {
        for spec in yaml::parse(yaml)? {
            self.table_of(&spec)?;
            Arc::make_mut(&mut self.specs).insert(spec.name.clone(), spec);
        }
        Ok(self)
    }

    /// Builds the targets of relations by name through `resolver`, such as a
    /// [`Catalog`](vantage_vista::Catalog) over several data sources, instead of
    /// this factory.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn VistaResolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The names of the models, in the order of their YAML.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.specs.keys().map(String::as_str)
    }

    /// The Vista of a model.
    ///
    /// # Errors
    /// `NotFound` for a name without a model.
    pub fn build(&self, name: &str) -> Result<Vista> {
        let spec = self.specs.get(name).ok_or_else(|| unknown_model(name))?;
        self.build_from_spec(spec.clone())
    }

    /// A typed table as a Vista with its columns, hooks and relations. The table's
    /// conditions and orders always apply to the Vista.
    ///
    /// # Errors
    /// `IncorrectUsage` for a table with a window, because a Vista pages by itself.
    pub fn from_table<E: Entity<Value> + 'static>(
        &self,
        table: Table<PoolApi, E>,
    ) -> Result<Vista> {
        let mut shell = PoolShell::of(table.into_entity())?;
        shell.resolver.clone_from(&self.resolver);
        Ok(shell.into_vista())
    }

    /// The table that `spec` describes, by its name; the settings in the YAML replace those that
    /// the API has for a table of that name.
    fn table_of(&self, spec: &ApiVistaSpec) -> Result<Table<PoolApi, EmptyEntity>> {
        let api = match yaml::settings(spec)? {
            Some(settings) => self.api.clone().table(&spec.name, settings),
            None => self.api.clone(),
        };
        for origin in yaml::origins(spec) {
            let checked = self.api.pool.check_origin(origin, &self.origins);
            checked.map_err(|refusal| yaml::in_api(&refusal))?;
        }
        described(api, spec)
    }
}

impl VistaFactory for PoolVistaFactory {
    type TableExtras = ApiTableExtras;
    type ColumnExtras = ApiColumnExtras;
    type ReferenceExtras = NoExtras;

    fn build_from_spec(&self, spec: ApiVistaSpec) -> Result<Vista> {
        let mut shell = PoolShell::of(self.table_of(&spec)?)?;
        for reference in spec_references(&spec, &spec.resolve_id_column("id"))? {
            shell.metadata = shell.metadata.with_reference(reference);
        }
        shell.resolver = Some(match &self.resolver {
            Some(resolver) => Arc::clone(resolver),
            None => Arc::new(self.clone()),
        });
        Ok(Vista::new(spec.name, shell))
    }

    /// The first model that `yaml` describes. Its relations lead to the others in the same text
    /// and to those of the factory.
    fn from_yaml(&self, yaml: &str) -> Result<Vista> {
        let first = yaml::parse(yaml)?.into_iter().next();
        let first = first.ok_or_else(|| error!("the YAML is empty").mark_incorrect_usage())?;
        self.clone().with_yaml(yaml)?.build(&first.name)
    }
}

impl VistaResolver for PoolVistaFactory {
    fn vista(&self, name: &str) -> Result<Vista> {
        self.build(name)
    }
}

impl fmt::Debug for PoolVistaFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolVistaFactory")
            .field("api", &self.api)
            .field("models", &self.specs.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn unknown_model(name: &str) -> vantage_core::VantageError {
    error!("no YAML describes the model", model = name).mark_not_found()
}

/// The table that `spec` describes over `api`, which has its settings.
fn described(api: PoolApi, spec: &ApiVistaSpec) -> Result<Table<PoolApi, EmptyEntity>> {
    let mut table = Table::new(&spec.name, api);
    table.add_spec_columns(&spec.columns, yaml::column)?;
    let id = spec.resolve_id_column("id");
    table.set_spec_id_field(&id).map_err(vantage_core::VantageError::mark_incorrect_usage)?;
    if spec.columns.get(&id).is_some_and(|column| column.has_flag("auto")) {
        table = table.with_auto_id();
    }
    table.with_contained_specs(&spec.contained, yaml::contained_column)
}

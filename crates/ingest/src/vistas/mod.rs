//! The tables of a gateway as Vistas: those of the API over its pool, and those that jobs have
//! written over their SQLite files.
//!
//! ```no_run
//! use vantage_api_ingest::{description::Description, vistas};
//! use vantage_api_pool::AwwPool;
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let description = Description::from_file("world.yaml")?;
//! let pool: AwwPool = description.api.clone().builder()?.build()?;
//! for (name, vista) in vistas::of_gateway(&description, &description.source(&pool)).await? {
//!     println!("{name}: {} rows", vista.count().await?);
//! }
//! # Ok(()) }
//! ```
//!
//! `related` adds the relations of the description, `sqlite` reads what a job has written.

mod related;
mod sqlite;

use indexmap::IndexMap;
use vantage_api_pool::PoolApi;
use vantage_vista::Vista;

use crate::{
    description::{Description, GatewayDescription, SourceDescription},
    error::Error,
};
use related::Relations;
use sqlite::Files;

/// The tables that the gateway of a description serves, by their names there and in their order;
/// none if it has no gateway. `source` is the [source](Description::source) of the description.
///
/// Those that a job has written are for reading alone. Their columns are those that are there now:
/// one that a later run adds is not seen. Those that the table of the API does not declare are
/// flagged hidden.
///
/// # Errors
/// [`Error::NotWritten`] if the job of a table has not written it yet, [`Error::Sink`] if its file
/// cannot be read, [`Error::NoTable`] and [`Error::NoJob`] for a description that was not read from
/// a file and names what it does not have, [`Error::Table`] and [`Error::Settings`] for a table that
/// cannot be served.
pub async fn of_gateway(
    description: &Description,
    source: &PoolApi,
) -> Result<IndexMap<String, Vista>, Error> {
    let Some(gateway) = &description.gateway else { return Ok(IndexMap::new()) };
    let mut files = Files::default();
    let mut bare = IndexMap::new();
    for (name, table) in &gateway.tables {
        let vista = match &table.source {
            SourceDescription::Api { table } => of_api(description, source, table)?,
            SourceDescription::Job { job, table } => files.table(description, job, table).await?,
        };
        bare.insert(name.clone(), vista.with_name(name));
    }
    let related = |(name, vista): (&String, &Vista)| {
        let relations = relations(description, gateway, &bare, name)?;
        Ok((name.clone(), relations.added_to(vista.clone())))
    };
    bare.iter().map(related).collect()
}

fn of_api(description: &Description, source: &PoolApi, name: &str) -> Result<Vista, Error> {
    let table = description.table(name, source);
    let table = table.ok_or_else(|| Error::NoTable(name.to_owned()))?;
    Ok(source.vista_factory().from_table(table)?)
}

/// The relations of a table that are served, with the tables that they lead to.
fn relations(
    description: &Description,
    gateway: &GatewayDescription,
    bare: &IndexMap<String, Vista>,
    name: &str,
) -> Result<Relations, Error> {
    let mut relations = Relations::default();
    let Some(table) = gateway.tables.get(name) else { return Ok(relations) };
    let behind = description.table_behind(&table.source);
    let behind = behind.ok_or_else(|| Error::NoTable(name.to_owned()))?;
    for relation in &table.relations {
        let unknown = || {
            Error::Settings(format!("the relation `{relation}` of table `{name}` leads nowhere"))
        };
        if let Some(contained) = behind.contained.get(relation) {
            relations.contain(relation, contained);
            continue;
        }
        let reference = behind.references.get(relation).ok_or_else(unknown)?;
        let target = description.served_beside(gateway, &table.source, &reference.table);
        let target = target.and_then(|target| bare.get(target)).ok_or_else(unknown)?;
        let id = behind.id.first().ok_or_else(unknown)?;
        let key = reference.foreign_key.as_ref().ok_or_else(unknown)?;
        relations.refer(relation, reference.kind, (id.as_str(), key.as_str()), target.clone());
    }
    Ok(relations)
}

//! The tables of a job as a schema, which are looked up when a query names them.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    common::runtime::SpawnedTask,
    datasource::{TableType, empty::EmptyTable},
    error::Result,
};
use indexmap::{IndexMap, IndexSet};
use vantage_api_ingest::{
    description::{Description, SinkDescription, StreamDescription},
    schema::Schema,
    sink::{SinkError, Stored},
};

use super::{parquet, table::StoreTable};
use crate::error::SqlError;

/// The tables that a job writes, with the names of its streams, and those of the lists in their rows.
pub(crate) struct StoreSchemaProvider {
    sink: SinkDescription,
    streams: IndexMap<String, Stored>,
    /// The tables of lists that queries have named.
    children: RwLock<IndexSet<String>>,
}

/// What is known of a table once it was looked up.
struct Opened {
    stored: Stored,
    columns: Schema,
    /// The files of one that is in Parquet, and where they are.
    files: Option<(PathBuf, Vec<String>)>,
}

impl StoreSchemaProvider {
    /// Those of all jobs, by the names of the jobs.
    pub(crate) fn of(description: &Description) -> Vec<(String, Self)> {
        let stores = description.jobs.iter().map(|(name, job)| {
            let streams = job.streams.iter().map(|stream| {
                let stored = Stored::new(job.sink.clone(), name, &stream.name);
                let stored = stored.written(key_of(description, stream), stream.write);
                (stream.name.clone(), stored)
            });
            let (streams, sink) = (streams.collect(), job.sink.clone());
            (name.clone(), Self { sink, streams, children: RwLock::default() })
        });
        stores.collect()
    }

    /// What may have the table: its stream, or those whose lists may be called so.
    fn candidates(&self, name: &str) -> Vec<Stored> {
        if let Some(stored) = self.streams.get(name) {
            return vec![stored.clone()];
        }
        let is_above = |stream: &str| {
            name.strip_prefix(stream).is_some_and(|rest| rest.len() > 1 && rest.starts_with('_'))
        };
        let above = self.streams.iter().filter(|(stream, _)| is_above(stream));
        above.map(|(_, stored)| stored.clone()).collect()
    }
}

fn key_of(description: &Description, stream: &StreamDescription) -> Vec<String> {
    match description.table_named(&stream.table) {
        Some(table) if stream.sql.is_none() => table.id.clone(),
        _ => stream.id.clone(),
    }
}

#[async_trait]
impl SchemaProvider for StoreSchemaProvider {
    fn table_names(&self) -> Vec<String> {
        let children = self.children.read().unwrap_or_else(PoisonError::into_inner);
        self.streams.keys().chain(children.iter()).cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let candidates = self.candidates(name);
        let what = format!("the table `{name}` of {}", self.sink.kind());
        let place = match &self.sink {
            SinkDescription::Parquet(place) if !candidates.is_empty() => {
                Some(parquet::folder_of(place, &what)?)
            }
            _ => None,
        };
        let (table, is_child) = (name.to_owned(), !self.streams.contains_key(name));
        let opening = SpawnedTask::spawn_blocking(move || {
            let found = candidates.into_iter().find_map(|stored| match is_child {
                false => Some(Ok(stored)),
                true => match stored.children() {
                    Ok(children) => children.contains(&table).then(|| Ok(stored.child(&table))),
                    Err(error) => Some(Err(error)),
                },
            });
            found.map(|stored| open(stored?, place)).transpose()
        });
        let opened = opening.join().await.map_err(|error| SqlError::store(what.clone(), &error))?;
        let opened = opened.map_err(|error: SinkError| SqlError::store(what.clone(), &error))?;
        let Some(Opened { stored, columns, files }) = opened else { return Ok(None) };
        if is_child {
            let mut children = self.children.write().unwrap_or_else(PoisonError::into_inner);
            children.insert(name.to_owned());
        }
        let schema = columns.arrow();
        let in_files: Option<Arc<dyn TableProvider>> = match files {
            None => None,
            Some((_, files)) if files.is_empty() => Some(Arc::new(EmptyTable::new(schema))),
            Some((place, files)) => Some(Arc::new(parquet::table(&place, &files, schema)?)),
        };
        Ok(Some(Arc::new(StoreTable::new(stored, what, columns, in_files))))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        let children = self.children.read().unwrap_or_else(PoisonError::into_inner);
        self.streams.contains_key(name) || children.contains(name)
    }
}

fn open(stored: Stored, place: Option<PathBuf>) -> Result<Opened, SinkError> {
    let columns = stored.schema()?;
    let files = place.map(|place| Ok((place, stored.files()?))).transpose()?;
    Ok(Opened { stored, columns, files })
}

impl fmt::Debug for StoreSchemaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSchemaProvider").field("sink", &self.sink).finish_non_exhaustive()
    }
}

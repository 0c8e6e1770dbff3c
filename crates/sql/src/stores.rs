//! What jobs have written, as tables beside those of the API.

use std::{
    fmt,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{SchemaProvider, Session, TableProvider},
    common::runtime::SpawnedTask,
    datasource::{
        TableType,
        empty::EmptyTable,
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::Expr,
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchReceiverStream,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use futures::executor::block_on;
use indexmap::IndexMap;
use vantage_api_ingest::{
    description::{Description, SinkDescription},
    rows::{RowBatches, RowColumn},
    schema::Schema,
    sink::Stored,
};

use crate::error::SqlError;

/// How many batches wait for whoever reads them.
const WAITING: usize = 2;

/// The tables that a job writes, with the names of its streams. They are looked up when a query names
/// them.
pub(crate) struct StoreSchemaProvider {
    sink: SinkDescription,
    streams: IndexMap<String, Arc<Stored>>,
}

impl StoreSchemaProvider {
    /// Those of all jobs whose stores can be queried, by the names of the jobs.
    pub(crate) fn of(description: &Description) -> Vec<(String, Self)> {
        let jobs = description.jobs.iter().filter(|(_, job)| {
            !matches!(job.sink, SinkDescription::Csv(_) | SinkDescription::Ndjson(_))
        });
        let stores = jobs.map(|(name, job)| {
            let streams = job.streams.iter().map(|stream| {
                let stored = Stored::new(job.sink.clone(), name, &stream.name);
                (stream.name.clone(), Arc::new(stored))
            });
            (name.clone(), Self { sink: job.sink.clone(), streams: streams.collect() })
        });
        stores.collect()
    }
}

#[async_trait]
impl SchemaProvider for StoreSchemaProvider {
    fn table_names(&self) -> Vec<String> {
        self.streams.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(stored) = self.streams.get(name).cloned() else { return Ok(None) };
        let place = match &self.sink {
            SinkDescription::Parquet(place) => Some(folder_of(place, name)?),
            _ => None,
        };
        let what = format!("the table `{name}` of {}", self.sink.kind());
        let failed = |error| SqlError::store(what.clone(), &error);
        let opening = SpawnedTask::spawn_blocking(move || {
            let schema = stored.schema()?;
            let files = place.map(|place| Ok((stored.files()?, place))).transpose()?;
            Ok::<_, vantage_api_ingest::sink::SinkError>((stored, schema, files))
        });
        let opened = opening.join().await.map_err(|error| SqlError::store(what.clone(), &error))?;
        let (stored, schema, files) = opened.map_err(failed)?;
        Ok(Some(match files {
            None => Arc::new(StoreTable { stored, what, schema: schema.arrow(), columns: schema }),
            Some((files, _)) if files.is_empty() => Arc::new(EmptyTable::new(schema.arrow())),
            Some((files, place)) => Arc::new(parquet(&place, &files, schema.arrow())?),
        }))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.streams.contains_key(name)
    }
}

impl fmt::Debug for StoreSchemaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSchemaProvider").field("sink", &self.sink).finish_non_exhaustive()
    }
}

/// The local folder of files.
fn folder_of(place: &str, table: &str) -> Result<PathBuf, SqlError> {
    let what = || format!("the table `{table}` of parquet");
    let path = match place.strip_prefix("file://") {
        Some(path) => path,
        None if place.contains("://") => {
            let why = "files in object stores are queried where they are, not by this session";
            return Err(SqlError::store(what(), &why));
        }
        None => place,
    };
    absolute(path).map_err(|error| SqlError::store(what(), &error))
}

fn parquet(place: &Path, files: &[String], schema: SchemaRef) -> Result<ListingTable> {
    let urls = files.iter().map(|file| {
        let path = place.join(file);
        let url = url::Url::from_file_path(&path).map_err(|()| {
            DataFusionError::Plan(format!("{} is no path of a file", path.display()))
        })?;
        ListingTableUrl::parse(url.as_str())
    });
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
        .with_listing_options(options)
        .with_schema(schema);
    ListingTable::try_new(config)
}

/// A table in a database.
#[derive(Debug)]
struct StoreTable {
    stored: Arc<Stored>,
    /// What it is called in errors.
    what: String,
    columns: Schema,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.columns.columns.len()).collect();
        let wanted = projection.unwrap_or(&all).iter();
        let columns = wanted.filter_map(|at| self.columns.columns.get(*at).cloned()).collect();
        let columns = Schema { columns };
        let schema = columns.arrow();
        let (stored, what) = (Arc::clone(&self.stored), self.what.clone());
        let rows = StoreRows { stored, what, columns, schema: Arc::clone(&schema) };
        let rows: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(rows)];
        Ok(Arc::new(StreamingTableExec::try_new(schema, rows, None, None, false, limit)?))
    }
}

/// The rows of a table, which are read on a thread of their own.
#[derive(Debug)]
struct StoreRows {
    stored: Arc<Stored>,
    what: String,
    columns: Schema,
    schema: SchemaRef,
}

impl PartitionStream for StoreRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut rows = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), WAITING);
        let batches = rows.tx();
        let (stored, what) = (Arc::clone(&self.stored), self.what.clone());
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        rows.spawn_blocking(move || {
            let decoded = columns.columns.iter();
            let decoded = decoded.map(|column| RowColumn::new(&column.name, column.kind));
            let (mut decoder, mut failure) = (RowBatches::of(decoded), None);
            // A store may read on a runtime of its own, in which those of tokio do not block.
            let mut take = |rows: Vec<Box<serde_json::value::RawValue>>| {
                let found = batches_of(&mut decoder, &rows, &schema, &what);
                let is_failed = found.is_err();
                let found = found.unwrap_or_else(|error| {
                    failure = Some(error);
                    Vec::new()
                });
                // Nobody wants more once the query has ended.
                !is_failed
                    && found.into_iter().all(|batch| block_on(batches.send(Ok(batch))).is_ok())
            };
            let read = stored.rows(&columns, &mut take);
            read.map_err(|error| SqlError::store(&what, &error))?;
            failure.map_or(Ok(()), Err)
        });
        rows.build()
    }
}

fn batches_of(
    decoder: &mut RowBatches,
    rows: &[Box<serde_json::value::RawValue>],
    schema: &SchemaRef,
    what: &str,
) -> Result<Vec<datafusion::arrow::array::RecordBatch>> {
    use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        return Ok(vec![RecordBatch::try_new_with_options(Arc::clone(schema), vec![], &options)?]);
    }
    let rows: Vec<_> = rows.iter().map(|row| row.get()).collect();
    let decoded = decoder.decode(&rows).map_err(|error| SqlError::store(what, &error))?;
    let batches = decoded.into_iter();
    let batches = batches.map(|batch| batch.with_schema(Arc::clone(schema)));
    Ok(batches.collect::<Result<_, _>>()?)
}

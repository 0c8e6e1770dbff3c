//! A database for a test, whichever it is.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rusqlite::{Connection, types::ValueRef};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use vantage_api_ingest::sink::{self, Sink, Target};

use crate::server::Server;

/// A row as texts.
pub(crate) type Row = Vec<Option<String>>;

/// A database of one test.
pub(crate) trait Database {
    /// A sink for it.
    fn sink(&self, target: Target) -> Box<dyn Sink>;

    /// The rows of a query.
    fn query(&self, sql: &str) -> Vec<Row>;

    /// The rows of a query, or what is wrong with it.
    fn try_query(&self, sql: &str) -> Result<Vec<Row>, String>;

    fn is_sqlite(&self) -> bool;

    /// Where it is, for another process.
    fn place(&self) -> String;
}

/// Runs each test with each database.
macro_rules! on_each_database {
    ($($test:ident),* $(,)?) => {
        mod with_sqlite {
            $(#[test]
            fn $test() {
                super::$test(&crate::database::SqliteFile::new());
            })*
        }
        mod with_postgres {
            $(#[test]
            fn $test() {
                super::$test(&crate::database::PostgresSchema::new());
            })*
        }
    };
}
pub(crate) use on_each_database;

/// An SQLite file.
pub(crate) struct SqliteFile {
    _folder: Option<TempDir>,
    path: PathBuf,
}

impl SqliteFile {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.db");
        Self { _folder: Some(folder), path }
    }

    /// The one at a place.
    pub(crate) fn at(place: &str) -> Self {
        Self { _folder: None, path: place.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

impl Database for SqliteFile {
    fn sink(&self, target: Target) -> Box<dyn Sink> {
        Box::new(sink::Sqlite::new(&self.path, target))
    }

    fn query(&self, sql: &str) -> Vec<Row> {
        self.try_query(sql).unwrap()
    }

    fn try_query(&self, sql: &str) -> Result<Vec<Row>, String> {
        sqlite_rows(&self.connect(), sql).map_err(|error| error.to_string())
    }

    fn is_sqlite(&self) -> bool {
        true
    }

    fn place(&self) -> String {
        self.path.to_str().unwrap().to_owned()
    }
}

/// The rows of a query.
pub(crate) fn sqlite_rows(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| text(row.get_ref(column).unwrap()));
        all.push(values.collect());
    }
    Ok(all)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(_) => panic!("no sink writes bytes"),
    }
}

/// A schema in a PostgreSQL server.
pub(crate) struct PostgresSchema {
    config: String,
    schema: String,
}

impl PostgresSchema {
    /// One of its own in the server that all tests share.
    pub(crate) fn new() -> Self {
        Self::in_server(Server::shared())
    }

    pub(crate) fn in_server(server: &Server) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // A name that must be quoted.
        let schema = format!("Test {}.{number}", std::process::id());
        let database = Self::at(&format!("{schema}|{}", server.config("postgres")));
        database.query(&format!("CREATE SCHEMA \"{schema}\""));
        database
    }

    /// The one at a place.
    pub(crate) fn at(place: &str) -> Self {
        let (schema, config) = place.split_once('|').unwrap();
        let config =
            format!("{config} options='-c search_path=\"{}\"'", schema.replace(' ', "\\\\ "));
        Self { config, schema: schema.into() }
    }

    /// How to connect to it.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Session {
        Session::new(&self.config)
    }
}

impl Database for PostgresSchema {
    fn sink(&self, target: Target) -> Box<dyn Sink> {
        Box::new(sink::Postgres::new(self.config.clone().into(), target))
    }

    fn query(&self, sql: &str) -> Vec<Row> {
        self.try_query(sql).unwrap()
    }

    fn try_query(&self, sql: &str) -> Result<Vec<Row>, String> {
        self.connect().try_query(sql)
    }

    fn is_sqlite(&self) -> bool {
        false
    }

    fn place(&self) -> String {
        let (config, _) = self.config.split_once(" options=").unwrap();
        format!("{}|{config}", self.schema)
    }
}

/// A connection to PostgreSQL that waits for its answers.
pub(crate) struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    pub(crate) fn new(config: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(config, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute("SET statement_timeout = '60s'").await.unwrap();
            client
        });
        Self { runtime, client }
    }

    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        self.try_query(sql).unwrap()
    }

    pub(crate) fn try_query(&self, sql: &str) -> Result<Vec<Row>, String> {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.map_err(|error| match error.as_db_error() {
            Some(error) => error.to_string(),
            None => error.to_string(),
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let texts =
            rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
        Ok(texts.collect())
    }
}

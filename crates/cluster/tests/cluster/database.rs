//! A database of one test.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Row};
use vantage_api_cluster::Settings;
use vantage_api_ingest::description::{Description, Reader};

use crate::{api::Api, server::Server};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What a worker may be told to do otherwise: the milliseconds of its heartbeat, the pages of a part, the
/// rows of a commit, and how many requests it has in flight.
pub(crate) const HEARTBEAT: &str = "APIPOOL_HEARTBEAT";
pub(crate) const PAGES: &str = "APIPOOL_PAGES";
pub(crate) const COMMIT: &str = "APIPOOL_COMMIT";
pub(crate) const IN_FLIGHT: &str = "APIPOOL_IN_FLIGHT";

/// A number that the environment sets.
pub(crate) fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

pub(crate) struct Database {
    pub(crate) url: String,
    config: String,
}

impl Database {
    /// One in the server of all tests.
    pub(crate) fn new() -> Self {
        Self::in_server(Server::shared())
    }

    pub(crate) fn in_server(server: &Server) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("cluster_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let config = server.config("postgres");
        query_at(&config, &format!("CREATE DATABASE {name}")).unwrap();
        let folder = config.strip_prefix("host=").unwrap().split(' ').next().unwrap();
        let folder = folder.replace('/', "%2F");
        let config = config.replace("dbname=postgres", &format!("dbname={name}"));
        Self { url: format!("postgres://postgres@{folder}:5432/{name}"), config }
    }

    /// The one at a URL, which is not asked for anything.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), config: String::new() }
    }

    /// Waits until a number is at least this.
    pub(crate) async fn reaches(&self, sql: &str, least: i64) {
        soon(async {
            while self.number(sql) < least {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        query_at(&self.config, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The first number of the first row.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.query(sql)[0].get(0)
    }

    /// How many rows the table `items` has, and how many different ones.
    pub(crate) fn rows(&self) -> (i64, i64) {
        let row = &self.query("SELECT count(*), count(DISTINCT id) FROM items")[0];
        (row.get(0), row.get(1))
    }

    /// Settings with which nobody is missed while a test runs.
    pub(crate) fn patient(&self) -> Settings {
        let mut settings = self.settings();
        settings.heartbeat = Duration::from_secs(1_000);
        settings
    }

    /// Settings with a heartbeat that is quick.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.url.clone());
        settings.heartbeat = Duration::from_millis(setting(HEARTBEAT).unwrap_or(400));
        settings.pages = setting(PAGES).unwrap_or(10);
        settings
    }
}

fn query_at(config: &str, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    // On a thread of its own: tests wait on runtimes.
    std::thread::scope(|scope| {
        let query = || {
            runtime().block_on(async {
                let client = connect(config).await?;
                client.query(sql, &[]).await
            })
        };
        scope.spawn(query).join().unwrap()
    })
}

async fn connect(config: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(config, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Of a stream of items: another one follows, which fails.
pub(crate) const AND_GONE: &str = "write: append }, { table: gone, write: append";

/// The job `copy` of all items, whose stream has these lines as well.
pub(crate) fn description(api: &Api, url: &str, stream: &str) -> Description {
    described(api, &format!("{{ postgres: \"{url}\" }}"), stream, "")
}

pub(crate) fn described(api: &Api, sink: &str, stream: &str, job: &str) -> Description {
    let yaml = format!(
        "api:
  base_url: {}
  workers: 1
  connections_per_worker: {}
  default_headers: {{ x-process: \"{}\" }}
tables:
  - name: items
    id: id
    api: {{ paging: {{ by: page }}, envelope: {{ items: data, total: total }} }}
  # Which the API does not have.
  - name: gone
    api: {{ paging: {{ by: page }}, envelope: {{ items: data, total: total }} }}
jobs:
  copy:
    sink: {sink}
    streams: [{{ table: items, commit: {{ rows: {} }}, {stream} }}]
    {job}
",
        api.base_url(),
        setting(IN_FLIGHT).unwrap_or(8),
        std::process::id(),
        setting(COMMIT).unwrap_or(100)
    );
    Reader::new().read_yaml(&yaml).unwrap()
}

/// What comes of something, unless it takes too long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it ends")
}

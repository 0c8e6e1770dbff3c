//! The files of one test: that of the cluster, and the one that its jobs write.

use std::{env, path::PathBuf, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use vantage_api_cluster::Settings;
use vantage_api_ingest::description::{Description, Reader};

use crate::api::Api;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// How often a unit may be started without getting further, if the environment says it.
pub(crate) const MOST_STARTS: &str = "APIPOOL_MOST_STARTS";

pub(crate) struct Files {
    pub(crate) folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path("cluster.db").display())
    }

    /// Settings with a heartbeat that is quick.
    pub(crate) fn settings(&self) -> Settings {
        settings(&self.url())
    }

    /// Settings with which nobody is missed while a test runs.
    pub(crate) fn patient(&self) -> Settings {
        let mut settings = self.settings();
        settings.heartbeat = Duration::from_secs(1_000);
        settings
    }

    /// The job `copy` of all items, whose stream has these lines as well, and which has these.
    pub(crate) fn description(&self, api: &Api, stream: &str, job: &str) -> Description {
        described(&api.base_url(), &self.path("rows.db").display().to_string(), stream, job)
    }

    /// Asks the file of the cluster.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        number(&self.open("cluster.db"), sql)
    }

    pub(crate) fn change(&self, sql: &str) {
        self.open("cluster.db").execute_batch(sql).unwrap();
    }

    pub(crate) fn open(&self, name: &str) -> Connection {
        let connection = Connection::open(self.path(name)).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// Waits until a number is at least this.
    pub(crate) async fn reaches(&self, sql: &str, least: i64) {
        soon(async {
            while self.number(sql) < least {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Waits until so many rows are committed.
    pub(crate) async fn rows_reach(&self, least: i64) {
        soon(async {
            while self.rows().0 < least {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// How many rows the table `items` has, and how many different ones; none before it is there.
    pub(crate) fn rows(&self) -> (i64, i64) {
        let rows = self.open("rows.db");
        let count = |what: &str| number(&rows, &format!("SELECT count({what}) FROM items"));
        let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'items'";
        match number(&rows, there) {
            0 => (0, 0),
            _ => (count("*"), count("DISTINCT id")),
        }
    }
}

pub(crate) fn settings(url: &str) -> Settings {
    let mut settings = Settings::new(url.to_owned());
    settings.heartbeat = Duration::from_millis(400);
    if let Some(most) = env::var(MOST_STARTS).ok().and_then(|most| most.parse().ok()) {
        settings.max_starts = most;
    }
    settings
}

/// The job `copy` into a file.
pub(crate) fn described(base: &str, file: &str, stream: &str, job: &str) -> Description {
    let yaml = format!(
        "api:
  base_url: {base}
  workers: 1
  connections_per_worker: 8
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
    sink: {{ sqlite: {file} }}
    streams: [{{ table: items, commit: {{ rows: 100 }}, {stream} }}]
    {job}
",
        std::process::id(),
    );
    Reader::new().read_yaml(&yaml).unwrap()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// What comes of something, unless it takes too long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it ends")
}

//! A job `copy` from an API of the test's own into SQLite, the rows that the API has, and those
//! that came of them.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, types::FromSql};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use vantage_api_ingest::{
    Job, Progress,
    description::Reader,
    report::{Outcome, Report, StreamReport},
};

use crate::api::{Api, Gate, Reply, Request};

/// How long any wait may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// How many rows a page has.
const PAGE: usize = 10;

/// The table `rows`, each page of which is a commit.
pub(crate) const ROWS: &str = "
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - { table: rows, commit: { rows: 10 } }
";

pub(crate) struct Setup {
    pub(crate) api: Api,
    folder: TempDir,
    /// The tables and jobs of the description.
    pub(crate) yaml: String,
    /// What follows in the settings of the API, such as `, auth: …`.
    settings: &'static str,
}

impl Setup {
    pub(crate) fn new(
        yaml: &str,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (api, folder) = (Api::start(answer), tempfile::tempdir().unwrap());
        Self { api, folder, yaml: yaml.to_owned(), settings: "" }
    }

    pub(crate) fn with_settings(self, settings: &'static str) -> Self {
        Self { settings, ..self }
    }

    /// Changes the description.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        assert!(self.yaml.contains(from), "{}", self.yaml);
        self.yaml = self.yaml.replace(from, to);
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.folder.path().join("copy.db")
    }

    pub(crate) fn job(&self) -> Job {
        job(&self.api.url(), &self.db(), self.settings, &self.yaml)
    }

    pub(crate) async fn run(&self) -> Report {
        ended(&self.job()).await
    }

    /// Runs the job, which must be complete.
    pub(crate) async fn complete(&self) -> Report {
        let report = self.run().await;
        assert!(report.is_complete(), "{report}");
        report
    }

    /// Runs the job, whose only stream must fail with these words.
    pub(crate) async fn fail(&self, words: &[&str]) -> StreamReport {
        let mut report = self.run().await;
        let stream = report.streams.remove(0);
        check_failure(&stream, words);
        stream
    }

    /// The first column of what a query finds.
    pub(crate) fn query<T: FromSql>(&self, sql: &str) -> Vec<T> {
        query(&self.db(), sql)
    }

    /// The ids in a table, in their order.
    pub(crate) fn ids(&self, table: &str) -> Vec<usize> {
        ids(&self.db(), table)
    }

    /// Who has opened the stream last.
    pub(crate) fn owner(&self) -> String {
        self.query("SELECT owner FROM _apipool_state").remove(0)
    }
}

/// The job `copy`.
pub(crate) fn job(api: &str, db: &Path, settings: &str, yaml: &str) -> Job {
    // Without the pool's own waits for an API that is away, those of the job show.
    let api_settings = format!("api: {{ base_url: '${{BASE}}', reconnect_timeout: 0{settings} }}");
    let reader = Reader::new().variable("BASE", api).variable("DB", db.to_str().unwrap());
    let description = reader.read_yaml(&format!("{api_settings}\n{yaml}")).unwrap();
    Job::new(&description, "copy").unwrap()
}

/// The report of a run.
pub(crate) async fn ended(job: &Job) -> Report {
    timeout(LIMIT, job.run()).await.expect("the job ends")
}

/// That a stream has failed with these words.
pub(crate) fn check_failure(stream: &StreamReport, words: &[&str]) {
    let Outcome::Failed(error) = &stream.outcome else { panic!("{stream}") };
    for word in words {
        assert!(error.contains(word), "`{word}` is missing: {stream}");
    }
}

pub(crate) fn query<T: FromSql>(db: &Path, sql: &str) -> Vec<T> {
    let db = Connection::open(db).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(crate) fn ids(db: &Path, table: &str) -> Vec<usize> {
    let ids: Vec<i64> = query(db, &format!("SELECT id FROM \"{table}\" ORDER BY id"));
    ids.into_iter().map(|id| usize::try_from(id).unwrap()).collect()
}

/// Waits until so many pages are committed.
pub(crate) async fn committed(
    progress: &mut tokio::sync::broadcast::Receiver<Progress>,
    pages: u64,
) {
    let waiting = async { while progress.recv().await.unwrap().counts.pages < pages {} };
    timeout(LIMIT, waiting).await.expect("the pages are committed");
}

/// Waits until this holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let polling = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, polling).await.expect("it holds");
}

/// All of these numbers.
pub(crate) fn all(of: RangeInclusive<usize>) -> Vec<usize> {
    of.collect()
}

/// Rows with these ids.
pub(crate) fn numbered(of: RangeInclusive<usize>) -> Vec<Value> {
    of.map(|id| json!({ "id": id, "name": format!("row {id}") })).collect()
}

/// These rows in pages of ten by their numbers, with the total.
pub(crate) fn pages(rows: Vec<Value>) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| page(&rows, request)
}

/// The page of these rows that is asked for.
pub(crate) fn page(rows: &[Value], request: &Request) -> Reply {
    page_of_total(rows, rows.len(), request)
}

/// The same, with this total.
pub(crate) fn page_of_total(rows: &[Value], total: usize, request: &Request) -> Reply {
    let data: Vec<_> = rows.iter().skip((request.page() - 1) * PAGE).take(PAGE).collect();
    Reply::json(&json!({ "data": data, "pagination": { "total": total } }))
}

/// Rows 1 to 100 in pages of ten; from page `first` on they are held back.
pub(crate) fn held_from(
    first: usize,
    gate: &Gate,
) -> impl Fn(&Request) -> Reply + Send + Sync + use<> {
    let (rows, gate) = (numbered(1..=100), gate.clone());
    move |request| {
        let page = page(&rows, request);
        if request.page() < first { page } else { page.behind(&gate) }
    }
}

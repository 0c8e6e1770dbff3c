//! Jobs that copy the tables of a program, and jobs that write into them.

#![cfg(test)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ciborium::Value;
use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use vantage_api_ingest::{
    Error, Job, JobBuilder,
    description::{Incremental, MomentFormat, SinkDescription, WriteMode},
    report::{Outcome, Report},
    sink::{Commit, Sink, SinkError, Sqlite, VantageTable},
    state::StreamState,
};
use vantage_api_pool::{
    AwwPool, PoolApi,
    tokens::{ClientCredentials, bearer},
    vantage::{ApiCondition, ApiTable, Writes},
};
use vantage_dataset::prelude::{ImDataSource, ImTable, ReadableValueSet};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

/// How many cities each country has.
const CITIES_PER_COUNTRY: u64 = 64;

fn start() -> DemoApi {
    DemoApi::start(DemoOptions::default()).unwrap()
}

fn source(api: &DemoApi) -> PoolApi {
    let tokens = ClientCredentials::new(format!("{}/token", api.origin()), "demo", "demo");
    let pool = AwwPool::builder(api.base_url()).token_source(1, tokens, bearer).build().unwrap();
    PoolApi::new(pool)
}

fn cities(source: PoolApi) -> Table<PoolApi, EmptyEntity> {
    Table::new("cities", source)
        .with_id_column("id")
        .with_column_of::<String>("name")
        .with_column_of::<String>("country")
        .with_column_of::<i64>("population")
        .with_column_of::<bool>("is_capital")
}

fn into_sqlite(table: Table<PoolApi, EmptyEntity>, db: &Path) -> JobBuilder {
    Job::of(table).into_sink(SinkDescription::Sqlite(db.to_owned()))
}

/// A job that copies all cities into a set in memory.
fn into_memory(api: &DemoApi, copy: &ImTable<EmptyEntity, Value>, state: &Path) -> JobBuilder {
    let (copy, state) = (copy.clone(), state.to_owned());
    Job::of(cities(source(api)))
        .into_own_sink(move |target| VantageTable::new(copy.clone(), &state, target))
}

fn in_memory() -> ImTable<EmptyEntity, Value> {
    ImTable::new(&ImDataSource::new(), "cities")
}

async fn run(job: JobBuilder) -> Report {
    run_job(&job.build().unwrap()).await
}

async fn run_job(job: &Job) -> Report {
    tokio::time::timeout(Duration::from_secs(180), job.run()).await.expect("the job ends")
}

/// The columns of a table in SQLite, with their types.
fn columns(db: &Path, table: &str) -> Vec<String> {
    let db = Connection::open(db).unwrap();
    let mut query =
        db.prepare("SELECT name || ' ' || type FROM pragma_table_info(?1) ORDER BY cid").unwrap();
    let columns = query.query_map([table], |row| row.get::<_, String>(0)).unwrap();
    columns.collect::<Result<_, _>>().unwrap()
}

fn number(db: &Path, sql: &str) -> i64 {
    Connection::open(db).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn population(api: &DemoApi) -> i64 {
    api.cities().iter().map(|city| city["population"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn declared_columns_are_the_schema_and_the_id_is_the_key() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let mut table = Table::<PoolApi, EmptyEntity>::new("cities", source(&api))
        .with_column_of::<i64>("id")
        .with_column_of::<Option<String>>("name")
        .with_column_of::<u64>("population")
        .with_column_of::<f64>("country_share")
        .with_column_of::<bool>("is_capital")
        .with_column_of::<String>("country");
    table.set_id_field("id");
    for number_of_run in 1..=2 {
        let report = run(into_sqlite(table.clone(), &db)).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!((&*report.job, report.streams[0].run), ("cities", number_of_run));
        assert_eq!(number(&db, "SELECT count(*) FROM cities"), api.cities().len() as i64);
    }
    assert_eq!(
        columns(&db, "cities"),
        [
            "id INTEGER",
            "name TEXT",
            // A decimal, since 64 bits without a sign hold more than SQLite's integers.
            "population TEXT",
            "country_share REAL",
            "is_capital BOOLEAN",
            "country TEXT",
        ]
    );
}

#[tokio::test]
async fn an_id_has_the_type_of_the_api_and_what_is_not_declared_is_found() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let table = Table::<PoolApi, EmptyEntity>::new("cities", source(&api)).with_id_column("id");
    let report = run(into_sqlite(table, &db).name("places")).await;
    assert!(report.is_complete(), "{report}");
    let mut columns = columns(&db, "places");
    columns.sort_unstable();
    let expected =
        ["country TEXT", "id INTEGER", "is_capital BOOLEAN", "name TEXT", "population INTEGER"];
    assert_eq!(columns, expected);
}

#[tokio::test]
async fn a_column_with_an_alias_is_read_where_that_says() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let aliased = ApiTable::new().alias("inhabitants", "population");
    let table = Table::<PoolApi, EmptyEntity>::new("cities", source(&api).table("cities", aliased))
        .with_id_column("id")
        .with_column_of::<i64>("inhabitants");
    let report = run(into_sqlite(table, &db)).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(number(&db, "SELECT sum(inhabitants) FROM cities"), population(&api));
    assert!(!columns(&db, "cities").iter().any(|column| column.starts_with("population")));
}

#[tokio::test]
async fn conditions_are_those_of_the_table() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let table = cities(source(&api)).with_condition(ApiCondition::eq("country", "Japan"));
    let report = run(into_sqlite(table, &db)).await;
    assert!(report.is_complete(), "{report}");
    // The API itself counts no others.
    assert_eq!(report.streams[0].counts.declared, Some(CITIES_PER_COUNTRY));
    let japanese = "SELECT count(*) FROM cities WHERE country = 'Japan'";
    assert_eq!(number(&db, japanese), CITIES_PER_COUNTRY as i64);
}

#[tokio::test]
async fn the_parameters_of_a_run_go_with_each_request() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    // The demo has no field of changes, and takes every other one as a parameter.
    let mut since = Incremental::new("country");
    (since.format, since.start) = (MomentFormat::Text, Some("Japan".into()));
    for _ in 0..2 {
        let job = into_sqlite(cities(source(&api)), &db).incremental(since.clone());
        let report = run(job).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.streams[0].counts.declared, Some(CITIES_PER_COUNTRY));
    }
    assert_eq!(number(&db, "SELECT count(*) FROM cities"), CITIES_PER_COUNTRY as i64);
}

#[tokio::test]
async fn rows_are_merged_into_a_set_in_memory() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let copy = in_memory();
    for number_of_run in 1..=2 {
        let report = run(into_memory(&api, &copy, folder.path())).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.streams[0].run, number_of_run);
        let rows = copy.list_values().await.unwrap();
        assert_eq!(rows.len(), api.cities().len());
        for city in api.cities() {
            let row = &rows[&city["id"].to_string()];
            assert_eq!(row["name"], Value::from(city["name"].as_str().unwrap()));
            assert_eq!(row["population"], Value::from(city["population"].as_i64().unwrap()));
            assert_eq!(row["is_capital"], Value::Bool(city["is_capital"].as_bool().unwrap()));
        }
    }
}

#[tokio::test]
async fn rows_that_are_written_again_are_there_once() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let copy = in_memory();
    let job = into_memory(&api, &copy, folder.path()).build().unwrap();
    assert!(run_job(&job).await.is_complete());
    let before = copy.list_values().await.unwrap();
    // As after the death of a process that had written rows, and not yet that it has.
    job.reset(None, false).await.unwrap();
    let report = run_job(&job).await;
    assert!(report.is_complete() && report.streams[0].run == 1, "{report}");
    assert_eq!(copy.list_values().await.unwrap(), before);
    let refused = job.reset(None, true).await.unwrap_err();
    assert!(refused.to_string().contains("rows of others"), "{refused}");
    assert_eq!(copy.list_values().await.unwrap(), before);
}

#[tokio::test]
async fn rows_are_merged_into_a_table_of_an_api() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let writable = ApiTable::new().writes(Writes::rest());
    let source = source(&api).item_endpoints(true).table("notes", writable);
    let notes = Table::<PoolApi, EmptyEntity>::new("notes", source.clone()).with_id_column("id");
    let countries = Table::<PoolApi, EmptyEntity>::new("countries", source).with_id_column("name");
    for version in 1..=2 {
        let (notes_of_job, state) = (notes.clone(), folder.path().to_owned());
        let job = Job::of(countries.clone())
            .into_own_sink(move |target| VantageTable::new(notes_of_job.clone(), &state, target));
        let report = run(job).await;
        assert!(report.is_complete(), "{report}");
        let rows = notes.list_values().await.unwrap();
        assert_eq!(rows.len(), api.countries().len());
        for country in api.countries() {
            let row = &rows[country["name"].as_str().unwrap()];
            assert_eq!(row["capital"], Value::from(country["capital"].as_str().unwrap()));
            // Each run has written each row once.
            assert_eq!(row["version"], Value::from(version));
        }
    }
}

#[tokio::test]
async fn a_table_without_transactions_is_only_merged_into() {
    let api = start();
    let folder = tempfile::tempdir().unwrap();
    let copy = in_memory();
    for mode in [WriteMode::Append, WriteMode::Replace, WriteMode::Sync] {
        let report = run(into_memory(&api, &copy, folder.path()).write(mode)).await;
        let Outcome::Failed(why) = &report.streams[0].outcome else { panic!("{report}") };
        assert!(why.contains("`merge`"), "{why}");
    }
    assert!(copy.list_values().await.unwrap().is_empty());
}

#[tokio::test]
async fn settings_that_make_no_job_are_refused() {
    let api = start();
    let table = || cities(source(&api));
    let db = Path::new("never.db");
    let mut without_id = Table::<PoolApi, EmptyEntity>::new("cities", source(&api));
    without_id.add_column_of::<String>("name");
    let since = Incremental::new("country");
    for (job, expected) in [
        (Job::of(table()), "no sink"),
        (into_sqlite(table(), db).write(WriteMode::Replace).incremental(since), "leaves out rows"),
        (into_sqlite(without_id, db).write(WriteMode::Merge), "id column"),
    ] {
        match job.build().unwrap_err() {
            Error::Settings(what) => assert!(what.contains(expected), "{what}"),
            other => panic!("{other}"),
        }
    }
    assert!(!db.exists());
}

/// A database with a connection that breaks once, between the last commit of a run and the answer to
/// it.
struct Broken {
    database: Sqlite,
    /// Whether that has happened.
    is_broken: Arc<AtomicBool>,
    /// Whether it is not there after that, once, when its state is asked for.
    is_away: Arc<AtomicBool>,
}

impl Sink for Broken {
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.database.open()
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        match self.is_broken.load(Relaxed) && self.is_away.swap(false, Relaxed) {
            true => Err(SinkError::passing("nobody is there")),
            false => self.database.state(),
        }
    }

    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError> {
        self.database.reset(drop_rows)
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        self.database.commit(commit)?;
        match commit.is_last && !self.is_broken.swap(true, Relaxed) {
            true => Err(SinkError::passing("the connection is broken")),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_run_whose_last_commit_is_there_unheard_is_complete_and_no_other_one_begins() {
    let api = start();
    let cities_of_api = api.cities().len() as u64;
    for is_away in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("world.db");
        let (of_sinks, is_broken) = (db.clone(), Arc::new(AtomicBool::new(false)));
        let (broken, away) = (Arc::clone(&is_broken), Arc::new(AtomicBool::new(is_away)));
        let job =
            Job::of(cities(source(&api))).write(WriteMode::Append).into_own_sink(move |target| {
                Broken {
                    database: Sqlite::new(&of_sinks, target),
                    is_broken: Arc::clone(&broken),
                    is_away: Arc::clone(&away),
                }
            });
        let job = job.build().unwrap();
        let mut progress = job.progress();
        let report = run_job(&job).await;
        assert!(is_broken.load(Relaxed));
        assert!(report.is_complete(), "{report}");
        let stream = &report.streams[0];
        assert_eq!((stream.run, stream.counts.written), (1, cities_of_api), "{report}");
        assert_eq!(number(&db, "SELECT count(*) FROM cities"), cities_of_api as i64);
        let mut told = None;
        while let Ok(progress) = progress.try_recv() {
            told = Some(progress);
        }
        let told = told.unwrap();
        let numbers = (told.run, told.counts.written, told.before.written);
        assert_eq!(numbers, (1, cities_of_api, 0));
    }
}

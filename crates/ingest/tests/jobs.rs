//! Jobs from the demo API into SQLite, by their descriptions.

#![cfg(test)]

use std::{path::Path, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use vantage_api_ingest::{
    Job,
    description::{Description, Reader},
    report::{Outcome, Report},
};

const WORLD: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
  - name: cities
    id: id
  - name: cities_of_country
    id: id
    api: { endpoint: "countries/{country}/cities" }
jobs:
  world:
    sink: { sqlite: "${DB}" }
    streams:
      - table: countries
      - table: cities
        write: replace
      - table: cities_of_country
        name: by_country
        for_each: { table: countries, bind: { country: name } }
"#;

fn describe(api: &DemoApi, db: &Path, yaml: &str) -> Description {
    Reader::new()
        .variable("BASE", api.base_url())
        .variable("ORIGIN", api.origin())
        .variable("DB", db.to_str().unwrap())
        .read_yaml(yaml)
        .unwrap()
}

async fn run(description: &Description, job: &str) -> Report {
    let job = Job::new(description, job).unwrap();
    tokio::time::timeout(Duration::from_secs(180), job.run()).await.expect("the job ends")
}

fn count(db: &Path, table: &str) -> usize {
    let db = Connection::open(db).unwrap();
    db.query_row(&format!("select count(*) from \"{table}\""), [], |row| row.get::<_, i64>(0))
        .unwrap() as usize
}

#[tokio::test]
async fn tables_are_copied_whole_and_a_second_run_changes_nothing() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let description = describe(&api, &db, WORLD);
    for number in 1..=2 {
        let report = run(&description, "world").await;
        assert!(report.is_complete(), "{report}");
        assert!(report.streams.iter().all(|stream| stream.run == number), "{report}");
        assert_eq!(count(&db, "countries"), api.countries().len());
        assert_eq!(count(&db, "cities"), api.cities().len());
        assert_eq!(count(&db, "by_country"), api.cities().len());
    }
}

#[tokio::test]
async fn a_faulty_api_costs_no_row() {
    let options = DemoOptions { fault_rate: 0.1, ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let report = run(&describe(&api, &db, WORLD), "world").await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(count(&db, "by_country"), api.cities().len());
}

#[tokio::test]
async fn a_job_that_is_stopped_goes_on_where_it_was() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("world.db");
    let yaml = WORLD.replace(
        "      - table: countries\n      - table: cities\n",
        "      - table: cities\n        commit: { rows: 10 }\n",
    );
    let description = describe(&api, &db, &yaml);
    let job = Job::new(&description, "world").unwrap();
    let mut progress = job.progress();
    let stop = async {
        progress.recv().await.unwrap();
        job.stop();
    };
    let (report, ()) = tokio::join!(job.run(), stop);
    assert_eq!(report.streams[0].outcome, Outcome::Stopped, "{report}");
    let before = api.requests();
    let report = run(&description, "world").await;
    assert_eq!(report.streams[0].outcome, Outcome::Complete, "{report}");
    assert_eq!(report.streams[0].run, 1, "it is the same run");
    assert_eq!(count(&db, "cities"), api.cities().len());
    println!(
        "{} requests in all, {} of them after the stop",
        api.requests(),
        api.requests() - before
    );
}

//! Jobs whose process is killed at random moments, again and again: every row is there once.
//!
//! `APIPOOL_KILLS=100 cargo test -p vantage-api-ingest --test kills -- --nocapture` kills more often
//! than the ten times of a usual run; `APIPOOL_SEED=7` repeats a run.

#![cfg(test)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use fastrand::Rng;
use rusqlite::Connection;
use vantage_api_ingest::{Job, description::Reader};

/// How many pages a read has in flight, and how many more a commit has rows of.
const UNCOMMITTED: u64 = 8 + 5;

const DESCRIPTION: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: cities
jobs:
  cities:
    sink: { sqlite: "${DB}" }
    streams:
      - table: cities
        write: append
        commit: { rows: 50 }
"#;

/// The job, in a process that is killed. Does nothing unless it is started as one.
#[tokio::test]
async fn child() {
    let Ok(db) = std::env::var("INGEST_DB") else { return };
    let description = Reader::new().variable("DB", db).read_yaml(DESCRIPTION).unwrap();
    let report = Job::new(&description, "cities").unwrap().run().await;
    assert!(report.is_complete(), "{report}");
}

fn start(api: &DemoApi, db: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env("INGEST_DB", db)
        .env("BASE", api.base_url())
        .env("ORIGIN", api.origin())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn count(db: &Path, what: &str) -> u64 {
    let Ok(db) = Connection::open(db) else { return 0 };
    let count = db.query_row(&format!("select {what} from cities"), [], |row| row.get::<_, i64>(0));
    count.map_or(0, |count| count as u64)
}

#[test]
fn a_job_that_is_killed_again_and_again_writes_every_row_once() {
    let kills = setting("APIPOOL_KILLS").unwrap_or(10);
    let seed = setting("APIPOOL_SEED").unwrap_or_else(|| fastrand::u64(..10_000));
    println!("seed {seed}");
    let mut dice = Rng::with_seed(seed);
    let options = DemoOptions { latency: Duration::from_millis(20), ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
    let rows = api.cities().len() as u64;
    let mut killed = 0;
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("cities.db");
        let (asked, before) = (api.requests(), killed);
        let mut child = start(&api, &db);
        let began = Instant::now();
        loop {
            // Some die before they have begun, most in the middle of a read or a commit.
            std::thread::sleep(Duration::from_millis(dice.u64(0..400)));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break;
            }
            if killed < kills {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
                assert_eq!(count(&db, "count(*)"), count(&db, "count(distinct id)"), "seed {seed}");
                child = start(&api, &db);
            }
            assert!(began.elapsed() < Duration::from_secs(180), "seed {seed}: it never ends");
        }
        assert_eq!(count(&db, "count(*)"), rows, "seed {seed}");
        assert_eq!(count(&db, "count(distinct id)"), rows, "seed {seed}");
        let again = api.requests() - asked - rows.div_ceil(10);
        let most = (killed - before) * UNCOMMITTED;
        println!("{} kills, {again} of {} pages asked for again", killed - before, rows / 10);
        assert!(again <= most, "seed {seed}: {again} pages were asked for again");
    }
}

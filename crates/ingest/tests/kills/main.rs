//! Jobs whose process is killed at random moments, again and again: every row is there once.
//!
//! `APIPOOL_KILLS=100 cargo test -p vantage-api-ingest --test kills -- --nocapture` kills more often
//! than the ten times of a usual run; `APIPOOL_SEED=7` repeats a run. PostgreSQL is killed for in the
//! same way by `APIPOOL_KILLS=100 crates/ingest/tests/databases/run kills -- --nocapture`.

#![cfg(test)]

#[allow(dead_code)]
#[path = "../files/support.rs"]
mod files;
mod killed;
mod newest_first;

use std::path::Path;

use rusqlite::Connection;

use killed::{New, kill_again_and_again};

#[tokio::test]
async fn child() {
    killed::run().await;
}

fn ids_in_sqlite(db: &Path) -> rusqlite::Result<Vec<i64>> {
    let db = Connection::open(db)?;
    let mut ids = db.prepare("SELECT id FROM cities")?;
    ids.query_map([], |row| row.get(0))?.collect()
}

#[test]
fn sqlite_has_every_row_once() {
    kill_again_and_again("child", "sqlite", || {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("cities.db");
        let place = db.to_str().unwrap().to_owned();
        New {
            place,
            // A file without the table yet has no rows.
            ids: Box::new(move || {
                let _folder = &folder;
                ids_in_sqlite(&db).unwrap_or_default()
            }),
        }
    });
}

fn kill_for_files(kind: &str) {
    kill_again_and_again("child", kind, || {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let ids = move || {
            let has_committed = folder.path().join(files::STREAM).join("_state.json").exists();
            if has_committed { files::ids(folder.path(), "parts") } else { Vec::new() }
        };
        New { place, ids: Box::new(ids) }
    });
}

#[test]
fn parquet_files_have_every_row_once() {
    kill_for_files("parquet");
}

#[test]
fn files_of_json_lines_have_every_row_once() {
    kill_for_files("ndjson");
}

#[test]
fn files_of_comma_separated_values_have_every_row_once() {
    kill_for_files("csv");
}

//! A database that is locked, gone, or not ours.

use std::{fs, time::Duration};

use rusqlite::Connection;
use tokio::time::sleep;

use crate::{
    api::Gate,
    setup::{ROWS, Setup, all, committed, ended, held_from, numbered, pages},
};

/// Longer than a lock of someone else is waited for, which is 30 s.
const LOCKED: Duration = Duration::from_secs(35);

fn setup() -> Setup {
    Setup::new(ROWS, pages(numbered(1..=100)))
}

fn execute(setup: &Setup, sql: &str) -> Connection {
    let other = Connection::open(setup.db()).unwrap();
    other.execute_batch(sql).unwrap();
    other
}

#[tokio::test]
async fn a_database_that_others_lock_for_long_costs_no_row() {
    let gate = Gate::default();
    let setup = Setup::new(ROWS, held_from(5, &gate));
    let job = setup.job();
    let mut progress = job.progress();
    let meanwhile = async {
        committed(&mut progress, 4).await;
        let other = execute(&setup, "BEGIN IMMEDIATE");
        gate.open();
        sleep(LOCKED).await;
        other.execute_batch("ROLLBACK").unwrap();
    };
    let (report, ()) = tokio::join!(ended(&job), meanwhile);
    assert!(report.is_complete(), "{report}");
    assert_eq!(setup.ids("rows"), all(1..=100));
    assert_eq!(report.streams[0].counts.read, 100, "{report}");
}

#[tokio::test]
async fn a_database_that_was_deleted_is_written_anew() {
    let setup = setup();
    for _ in 0..2 {
        let report = setup.complete().await;
        assert_eq!(report.streams[0].run, 1, "{report}");
        assert_eq!(setup.ids("rows"), all(1..=100));
        fs::remove_file(setup.db()).unwrap();
    }
}

#[tokio::test]
async fn a_table_that_was_dropped_is_missed_and_written_anew_after_a_reset() {
    let setup = setup();
    setup.complete().await;
    drop(execute(&setup, "DROP TABLE rows"));
    setup.fail(&["table `rows` is gone", "reset"]).await;
    setup.job().reset(Some("rows"), false).await.unwrap();
    setup.complete().await;
    assert_eq!(setup.ids("rows"), all(1..=100));
}

#[tokio::test]
async fn a_table_of_another_program_is_left_alone() {
    let setup = setup();
    drop(execute(&setup, "CREATE TABLE rows (id INTEGER); INSERT INTO rows VALUES (7)"));
    setup.fail(&["a table `rows` already", "another name"]).await;
    assert_eq!(setup.ids("rows"), [7]);
    assert_eq!(setup.api.requests().len(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let (setup, text) =
        (setup(), "a letter of more than a few bytes, and no database\n".repeat(20));
    fs::write(setup.db(), &text).unwrap();
    setup.fail(&["copy.db", "not a database"]).await;
    assert_eq!(fs::read_to_string(setup.db()).unwrap(), text);
}

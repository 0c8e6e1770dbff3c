//! A disk that is full, and has room again.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    api::{Api, Request},
    setup::{self, ROWS, all, check_failure, ended, page},
};

/// How many blocks of 512 bytes a file may have, which is less than the rows need.
const BLOCKS: u32 = 512;

/// The job, in a process of its own. Does nothing unless it is started as one.
#[tokio::test]
async fn child() {
    let Ok(api) = std::env::var("FAULTS_API") else { return };
    let db = std::env::var("FAULTS_DB").unwrap();
    let report = ended(&setup::job(&api, Path::new(&db), "", ROWS)).await;
    match std::env::var("FAULTS_DISK").as_deref() {
        Ok("full") => check_failure(&report.streams[0], &["SQLite", "disk"]),
        _ => assert!(report.is_complete(), "{report}"),
    }
}

/// Runs the job in a process whose files may have so many blocks. The signal that tells of the
/// limit would end the process; without it, to write fails as on a disk without room.
fn run(api: &Api, db: &Path, blocks: &str, disk: &str) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --exact disk::child");
    let ended = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("FAULTS_API", api.url())
        .env("FAULTS_DB", db)
        .env("FAULTS_DISK", disk)
        .stdout(Stdio::null())
        .status();
    assert!(ended.unwrap().success(), "{disk}");
}

#[test]
fn a_disk_without_room_fails_the_run_and_the_next_one_completes_it() {
    let rows: Vec<Value> =
        (1..=600).map(|id| json!({ "id": id, "text": "x".repeat(2000) })).collect();
    let api = Api::start(move |request| page(&rows, request));
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("copy.db");
    run(&api, &db, &BLOCKS.to_string(), "full");
    let there = setup::ids(&db, "rows");
    assert_eq!(there, all(1..=there.len()));
    assert!((1..600).contains(&there.len()), "{}", there.len());
    let before = api.requests().len();
    run(&api, &db, "unlimited", "free");
    assert_eq!(setup::ids(&db, "rows"), all(1..=600));
    let mut again: Vec<_> = api.requests().iter().skip(before).map(Request::page).collect();
    again.sort_unstable();
    assert_eq!(again, all(there.len() / 10 + 1..=60));
}

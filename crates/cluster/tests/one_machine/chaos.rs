//! Processes that are killed and frozen at random, while others go on.
//!
//! `APIPOOL_CHAOS=100 cargo test --package vantage-api-cluster --test one_machine chaos -- --nocapture` injects
//! more faults than the eight of a usual run, and `APIPOOL_SEED=7` repeats a run.

use std::{env, time::Duration};

use fastrand::Rng;
use tokio::time::sleep;
use vantage_api_cluster::{Cluster, RunState};

use crate::{
    api::Api,
    child::Worked,
    file::{Files, soon},
};

const TABLES: [&str; 3] = ["items", "second", "third"];
const STREAMS: &str =
    "write: append }, { table: items, name: second, write: append, commit: { rows: 100 } },
      { table: items, name: third, write: append, commit: { rows: 100 }";

/// The rows that are read for each fault.
const ROWS: u64 = 2_000;

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_there_once_whoever_is_killed_or_frozen() {
    let faults = setting("APIPOOL_CHAOS").unwrap_or(8);
    let seed = setting("APIPOOL_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("APIPOOL_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let rows = faults * ROWS;
    let (api, files) = (Api::start(rows, Duration::from_millis(80)), Files::new());
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    let all = files.description(&api, STREAMS, "");
    let run = cluster.begin(&all, "copy").await.unwrap();
    let start = || Worked::start(&files, &api, STREAMS);
    let mut workers = [start(), start(), start()];
    for _ in 0..faults {
        sleep(Duration::from_millis(random.u64(200..900))).await;
        let worker = random.usize(..workers.len());
        if random.bool() {
            workers[worker] = start();
        } else {
            // It may be in the midst of writing, which the others wait for.
            workers[worker].signal(libc::SIGSTOP);
            sleep(Duration::from_millis(random.u64(100..2_500))).await;
            workers[worker].signal(libc::SIGCONT);
        }
    }
    let state = soon(cluster.ended(run)).await.unwrap();
    assert_eq!(state, Some(RunState::Complete), "{:?}", cluster.overview().await);
    let file = files.open("rows.db");
    for table in TABLES {
        let sql = format!("SELECT count(*), count(DISTINCT id) FROM {table}");
        let counts: (i64, i64) =
            file.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(counts, (rows.cast_signed(), rows.cast_signed()), "{table}");
    }
}

//! Processes that are killed while they write: whatever was acknowledged is there, and nothing that
//! is there is torn.

use std::collections::BTreeMap;

use bytes::Bytes;
use vantage_api_gateway::kv::{Batch, Kv, Put};

use crate::{
    process::{self, Process, tell},
    store::{bytes, key, settings},
};

/// How many acknowledged writes there are at least, over all processes.
const WRITES: usize = 1_000;
/// How many calls are made at a time.
const WRITERS: usize = 8;

/// What is written by a call: short and long values, in turns.
fn value_of(writer: usize, number: usize) -> Bytes {
    let size = if number % 10 == writer { 150_000 } else { 20 };
    bytes(size, (writer * 1_000_000 + number) as u64)
}

/// Writes until it is killed. Each call writes two keys, and says so once it is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(file) = process::file() else { return };
    let kv = Kv::open(file, settings()).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let kv = kv.clone();
        tokio::spawn(async move {
            let last = kv.get(&key(&format!("last/{writer}"))).await.unwrap();
            let last = last.map(|last| String::from_utf8(last.into_bytes().to_vec()).unwrap());
            for number in last.map_or(0, |last| last.parse::<usize>().unwrap() + 1).. {
                let batch = Batch::new()
                    .put(key(&format!("{writer}/{number}")), Put::new(value_of(writer, number)))
                    .put(key(&format!("last/{writer}")), Put::new(number.to_string()));
                kv.batch(batch).await.unwrap();
                tell(&format!("{writer} {number}"));
            }
        })
    });
    futures::future::join_all(writers).await;
}

#[test]
fn whatever_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kv.redb");
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut acknowledged, mut kills) = (BTreeMap::<usize, usize>::new(), 0);
    while acknowledged.values().map(|last| last + 1).sum::<usize>() < WRITES {
        let mut process = Process::start("kills::child", &file, "");
        let (mut writes, most) = (0, dice.usize(1..120));
        while let Some(told) = process.hears() {
            let (writer, number) = told.split_once(' ').unwrap();
            acknowledged.insert(writer.parse().unwrap(), number.parse().unwrap());
            writes += 1;
            if writes == most {
                // What it told before it died is still to be heard.
                process.kill();
                kills += 1;
            }
        }
        drop(process);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&file, &acknowledged));
    }
    assert!(kills >= 5, "{kills} kills");
}

async fn check(file: &std::path::Path, acknowledged: &BTreeMap<usize, usize>) {
    let kv = Kv::open(file, settings()).unwrap();
    let mut values = 0;
    for writer in 0..WRITERS {
        let last = kv.get(&key(&format!("last/{writer}"))).await.unwrap();
        let Some(last) = last else {
            assert!(!acknowledged.contains_key(&writer));
            continue;
        };
        let last: usize = std::str::from_utf8(&last.into_bytes()).unwrap().parse().unwrap();
        assert!(acknowledged.get(&writer).is_none_or(|number| *number <= last));
        // Both keys of a call are there, or none.
        for number in 0..=last {
            let value = kv.get(&key(&format!("{writer}/{number}"))).await.unwrap().unwrap();
            assert!(value.into_bytes() == value_of(writer, number), "{writer}/{number}");
        }
        values += last as u64 + 2;
    }
    assert_eq!(kv.stats().values, values);
}

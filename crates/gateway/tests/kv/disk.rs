//! A disk that is full, and has room again: every call has an answer, what was acknowledged is
//! there, and the same process goes on.

use std::{process::Command, time::Instant};

use vantage_api_gateway::kv::{Error, Kv, Put, Settings};

use crate::{
    clock::PATIENCE,
    process::{self, Process, hear, tell},
    store::{bytes, key},
};

/// How many blocks of 512 bytes a file may have: 4 MiB.
const BLOCKS: u32 = 8_192;
const SIZE: usize = 100_000;

/// Writes until the disk is full, then until it is not.
#[tokio::test]
async fn child() {
    let Some(file) = process::file() else { return };
    let kv = Kv::open(file, Settings::default()).unwrap();
    let mut written = 0;
    let error = loop {
        match kv.put(key(&format!("{written}")), Put::new(bytes(SIZE, written))).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "the disk is never full");
    };
    assert!(matches!(error, Error::NotWritten(_) | Error::Unknown(_)), "{error:?}");
    assert!(written > 0);
    assert_eq!(kv.stats().failed_commits, 1);
    // Each call has an answer, and what is there can be read if the store could be opened again.
    for _ in 0..5 {
        let error = kv.put(key("more"), Put::new(bytes(SIZE, 0))).await.unwrap_err();
        assert!(!matches!(error, Error::Busy(_)), "{error:?}");
    }
    for n in 0..written {
        match kv.get(&key(&format!("{n}"))).await {
            Ok(value) => assert!(value.unwrap().into_bytes() == bytes(SIZE, n)),
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error:?}"),
        }
    }
    tell("full");
    assert_eq!(hear(), "free");
    let begun = Instant::now();
    while let Err(error) = kv.put(key("more"), Put::new(bytes(SIZE, 7))).await {
        assert!(begun.elapsed() < PATIENCE, "{error:?}");
    }
    assert!(kv.is_available());
    assert!(kv.stats().reopened > 0);
    for n in 0..written {
        let value = kv.get(&key(&format!("{n}"))).await.unwrap().unwrap();
        assert!(value.into_bytes() == bytes(SIZE, n));
    }
    assert_eq!(kv.list("", None, 1_000).await.unwrap().keys.len() as u64, written + 1);
    tell(&format!("written {written}"));
    assert_eq!(hear(), "end");
}

#[test]
fn a_full_disk_refuses_writes_until_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kv.redb");
    // The signal that tells of the limit would end the process; without it, to write fails as on a
    // disk without room.
    let before = format!("trap '' XFSZ; ulimit -S -f {BLOCKS};");
    let mut process = Process::start("disk::child", &file, &before);
    process.told("full");
    let raised = Command::new("prlimit")
        .args(["--pid", &process.id().to_string(), "--fsize=unlimited:"])
        .status();
    assert!(raised.unwrap().success());
    process.tells("free");
    let told = process.hears().unwrap();
    let written: u64 = told.strip_prefix("written ").unwrap().parse().unwrap();
    process.tells("end");
    assert_eq!(process.hears(), None);
    drop(process);
    let kv = Kv::open(&file, Settings::default()).unwrap();
    assert_eq!(kv.stats().values, written + 1);
}

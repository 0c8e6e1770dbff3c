//! A disk that is full, and has room again; a file that is cut off; a database that panics. Every
//! call has an answer, what was acknowledged is there, and the same process goes on.

use std::{
    fs::File,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Instant, SystemTime},
};

use vantage_api_gateway::kv::{Error, Kv, Precondition, Put};

use crate::{
    clock::PATIENCE,
    process::{self, Process, hear, tell},
    store::{bytes, key, read, settings, store_with},
};

/// How many blocks of 512 bytes a file may have: 4 MiB.
const BLOCKS: u32 = 8_192;
const SIZE: usize = 100_000;

/// Writes until the disk is full, then until it is not.
#[tokio::test]
async fn child() {
    let Some(file) = process::file() else { return };
    let kv = Kv::open(file, settings()).unwrap();
    let mut written = 0;
    let error = loop {
        match kv.put(key(&format!("{written}")), Put::new(bytes(SIZE, written))).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "the disk is never full");
    };
    assert!(matches!(error, Error::NotWritten(_)), "{error:?}");
    assert!(written > 0);
    assert_eq!(kv.stats().failed_commits, 1);
    // Each call has an answer, and what is there can be read.
    for _ in 0..5 {
        let error = kv.put(key("more"), Put::new(bytes(SIZE, 0))).await.unwrap_err();
        assert!(matches!(error, Error::NotWritten(_)), "{error:?}");
    }
    for n in 0..written {
        let value = kv.get(&key(&format!("{n}"))).await.unwrap().unwrap();
        assert!(value.into_bytes() == bytes(SIZE, n));
    }
    // Room can be made.
    kv.put(key("small"), Put::new("x")).await.unwrap();
    assert!(kv.delete(key("small"), Precondition::default()).await.unwrap());
    for n in [0, 1] {
        assert!(kv.delete(key(&format!("{n}")), Precondition::default()).await.unwrap());
        kv.put(key(&format!("{n}")), Put::new(bytes(SIZE, n))).await.unwrap();
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

/// cberner/redb 620: a file whose disk had been full could not be opened again. freenet/freenet-core
/// 4604: after one error, each later call of the process failed.
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
    let kv = Kv::open(&file, settings()).unwrap();
    assert_eq!(kv.stats().values, written + 1);
}

#[tokio::test]
async fn a_writer_that_panics_fails_the_call_and_goes_on() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let clock = {
        let is_broken = Arc::clone(&is_broken);
        move || {
            let is_writer = thread::current().name() == Some("kv-writer");
            assert!(!is_writer || !is_broken.load(Ordering::SeqCst), "as told");
            SystemTime::now()
        }
    };
    let (kv, _folder) = store_with(settings().with_clock(clock));
    kv.put(key("a"), Put::new("x")).await.unwrap();
    is_broken.store(true, Ordering::SeqCst);
    let error = kv.put(key("a"), Put::new("y")).await.unwrap_err();
    assert!(matches!(error, Error::NotWritten(_)), "{error:?}");
    assert_eq!(read(&kv, "a").await.unwrap(), "x");
    is_broken.store(false, Ordering::SeqCst);
    kv.put(key("a"), Put::new("z")).await.unwrap();
    assert_eq!(read(&kv, "a").await.unwrap(), "z");
    assert!(kv.stats().reopened > 0 && kv.is_available());
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_an_error_of_every_call() {
    let (kv, folder) = store_with(settings().with_cache_bytes(0));
    for n in 0..20 {
        kv.put(key(&format!("{n}")), Put::new(bytes(SIZE, n))).await.unwrap();
    }
    File::options().write(true).open(folder.path().join("kv.redb")).unwrap().set_len(0).unwrap();
    let begun = Instant::now();
    while kv.is_available() {
        for n in 0..20 {
            let name = key(&format!("{n}"));
            if let Ok(value) = kv.get(&name).await {
                // It was still in memory.
                assert!(value.is_none_or(|value| value.into_bytes() == bytes(SIZE, n)));
            }
            // An answer is all that is asked for.
            drop(kv.put(name, Put::new("x")).await);
        }
        assert!(begun.elapsed() < PATIENCE);
    }
    let error = kv.put(key("a"), Put::new("x")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = kv.get(&key("a")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let error = kv.compact().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

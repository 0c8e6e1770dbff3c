//! A store by its handle.

use std::{
    fs::{self, File},
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use tempfile::TempDir;
use vantage_api_gateway::kv::{
    Action, Batch, ContentType, Error, Key, Kv, Outcome, Precondition, Put, Settings, Value,
};

use crate::clock::{Clock, PATIENCE};

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Settings that do not depend on how busy the machine is.
pub(crate) fn settings() -> Settings {
    Settings::default().with_timeout(PATIENCE)
}

/// A store in a folder of its own.
pub(crate) fn new_store() -> (Kv, TempDir) {
    store_with(settings())
}

pub(crate) fn store_with(settings: Settings) -> (Kv, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let kv = Kv::open(folder.path().join("kv.redb"), settings).unwrap();
    (kv, folder)
}

pub(crate) async fn read(kv: &Kv, name: &str) -> Option<Bytes> {
    kv.get(&key(name)).await.unwrap().map(Value::into_bytes)
}

/// Bytes that are not all the same.
pub(crate) fn bytes(length: usize, seed: u64) -> Bytes {
    let mut dice = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| dice.u8(..)).take(length).collect()
}

#[tokio::test]
async fn a_value_is_read_as_it_was_written_and_is_there_after_reopening() {
    let clock = Clock::new();
    let (kv, folder) = store_with(clock.settings());
    let sizes = [0, 1, 1_024, 1_025, 63_999, 64_000, 64_001, 128_000, 1 << 20];
    for size in sizes {
        let put = Put::new(bytes(size, size as u64))
            .with_content_type(ContentType::new("image/png").unwrap());
        let stored = kv.put(key(&format!("of/{size}")), put).await.unwrap();
        assert!(stored.is_new);
        assert_eq!(stored.entry.size, size as u64);
        assert_eq!((stored.entry.created, stored.entry.updated), (clock.now(), clock.now()));
        assert_eq!(stored.entry.expires, None);
    }
    let tags: Vec<_> = {
        let page = kv.list("", None, 100).await.unwrap();
        page.keys.into_iter().map(|(_, entry)| entry.etag).collect()
    };
    drop(kv);
    let kv = Kv::open(folder.path().join("kv.redb"), settings()).unwrap();
    for size in sizes {
        let value = kv.get(&key(&format!("of/{size}"))).await.unwrap().unwrap();
        assert_eq!(value.entry().content_type.as_str(), "image/png");
        assert_eq!(value.into_bytes(), bytes(size, size as u64));
    }
    let page = kv.list("", None, 100).await.unwrap();
    assert!(page.keys.iter().map(|(_, entry)| entry.etag).eq(tags));
    let stats = kv.stats();
    assert_eq!(stats.values, sizes.len() as u64);
    assert_eq!(stats.value_bytes, sizes.iter().sum::<usize>() as u64);
}

#[tokio::test]
async fn a_value_of_8_mib_is_kept_and_a_larger_one_is_refused() {
    let (kv, _folder) = new_store();
    let largest = bytes(8 << 20, 1);
    kv.put(key("largest"), Put::new(largest.clone())).await.unwrap();
    assert!(read(&kv, "largest").await.unwrap() == largest);
    let error = kv.put(key("x"), Put::new(bytes((8 << 20) + 1, 1))).await.unwrap_err();
    assert_eq!(error.kind_name(), "value_too_large");
    assert_eq!(error.to_string(), "the value of x has 8388609 bytes, at most 8388608 are accepted");
    assert_eq!(read(&kv, "x").await, None);
}

#[tokio::test]
async fn to_write_again_changes_the_version_and_keeps_the_time_of_creation() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let first = kv.put(key("a"), Put::new("x")).await.unwrap().entry;
    clock.advance(Duration::from_secs(5));
    let second = kv.put(key("a"), Put::new("x")).await.unwrap();
    assert!(!second.is_new);
    assert_ne!(second.entry.etag, first.etag);
    assert_eq!(second.entry.created, first.created);
    assert_eq!(second.entry.updated, first.updated + Duration::from_secs(5));
    assert!(kv.delete(key("a"), Precondition::default()).await.unwrap());
    assert!(!kv.delete(key("a"), Precondition::default()).await.unwrap());
    clock.advance(Duration::from_secs(5));
    let third = kv.put(key("a"), Put::new("x")).await.unwrap();
    assert!(third.is_new);
    assert_eq!(third.entry.created, clock.now());
    assert_ne!(third.entry.etag, first.etag);
}

#[tokio::test]
async fn a_batch_is_carried_out_as_a_whole_or_not_at_all() {
    let (kv, _folder) = new_store();
    let tag = kv.put(key("a"), Put::new("1")).await.unwrap().entry.etag;
    kv.put(key("b"), Put::new("2")).await.unwrap();
    kv.put(key("d"), Put::new("4")).await.unwrap();
    let commits = kv.stats().commits;
    let batch = Batch::new()
        .get(key("d"))
        .put(key("a"), Put::new("3").when(Precondition::unchanged(tag)))
        .delete(key("none"), Precondition::default())
        .put(key("c"), Put::new(bytes(100_000, 7)))
        .get(key("none either"));
    let outcomes = kv.batch(batch.clone()).await.unwrap();
    let [
        Outcome::Got(Some(d)),
        Outcome::Put(a),
        Outcome::Deleted(false),
        Outcome::Put(c),
        Outcome::Got(None),
    ] = outcomes.as_slice()
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!(d.clone().into_bytes(), "4");
    assert!(!a.is_new && c.is_new);
    assert_eq!(kv.stats().commits, commits + 1);

    // The version has changed, so nothing happens.
    let batch = batch.delete(key("b"), Precondition::default());
    let error = kv.batch(batch).await.unwrap_err();
    assert!(matches!(error, Error::PreconditionFailed { index: 1, .. }), "{error}");
    assert_eq!(error.to_string(), "operation 1: the if_match of a does not hold");
    assert_eq!(read(&kv, "b").await.unwrap(), "2");
    assert_eq!(kv.stats().commits, commits + 1);
    assert_eq!(kv.stats().preconditions_failed, 1);
}

#[tokio::test]
async fn a_batch_that_only_reads_waits_for_no_writer() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    for n in 0..200 {
        let size = if n % 50 == 0 { 100_000 } else { 10 };
        kv.put(key(&format!("{n}")), Put::new(bytes(size, n))).await.unwrap();
    }
    let held_writer = clock.hold();
    let mut held = kv.put(key("0"), Put::new("new")).boxed_local();
    assert!(held.as_mut().now_or_never().is_none());
    clock.wait_for_writer();
    for count in [1, 2, 60, 200] {
        let batch = (0..count)
            .fold(Batch::new().get(key("none")), |batch, n| batch.get(key(&format!("{n}"))));
        let outcomes = kv.batch(batch).await.unwrap();
        assert!(matches!(outcomes[0], Outcome::Got(None)));
        for (n, outcome) in (0..count).zip(&outcomes[1..]) {
            let Outcome::Got(Some(value)) = outcome else { panic!("{outcome:?}") };
            let size = if n % 50 == 0 { 100_000 } else { 10 };
            assert!(value.clone().into_bytes() == bytes(size, n));
        }
    }
    let too_much = Batch::new().get(key("0")).get(key("1")).reading_at_most(100_009);
    assert_eq!(kv.batch(too_much).await.unwrap_err().kind_name(), "batch_too_large");
    drop(held_writer);
    held.await.unwrap();
}

#[tokio::test]
async fn a_batch_that_can_be_read_in_two_ways_or_is_out_of_bounds_is_refused() {
    let (kv, _folder) = store_with(settings().with_max_in_flight_bytes(8 << 20));
    kv.put(key("long"), Put::new(bytes(1 << 20, 1))).await.unwrap();
    let kind = async |batch: Batch| kv.batch(batch).await.unwrap_err().kind_name();
    assert_eq!(kind(Batch::new()).await, "batch_length");
    let twice = Batch::new().put(key("a"), Put::new("")).get(key("a"));
    assert_eq!(kind(twice).await, "key_twice");
    let ttl = Batch::new().put(key("a"), Put::new("").with_ttl(Duration::ZERO));
    assert_eq!(kind(ttl).await, "invalid_ttl");
    let ttl = Batch::new().put(key("a"), Put::new("").with_ttl(Duration::MAX));
    assert_eq!(kind(ttl).await, "invalid_ttl");
    let large = Put::new(bytes(5 << 20, 1));
    let large = Batch::new().put(key("a"), large.clone()).put(key("b"), large);
    assert_eq!(kind(large).await, "batch_too_large");
    let reading = Batch::new().put(key("a"), Put::new("")).get(key("long"));
    assert_eq!(kind(reading.reading_at_most((1 << 20) - 1)).await, "batch_too_large");
    let many = (0..=Batch::MAX_OPERATIONS)
        .fold(Batch::new(), |batch, n| batch.with(key(&n.to_string()), Action::Get));
    assert_eq!(kind(many).await, "batch_length");
    assert_eq!(read(&kv, "a").await, None);
}

#[tokio::test]
async fn settings_and_files_that_make_no_sense_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for (settings, start) in [
        (settings().with_max_value_bytes(0), "max_value_bytes:"),
        (settings().with_max_value_bytes(65 << 20), "max_value_bytes:"),
        (settings().with_max_in_flight_bytes(1), "max_in_flight_bytes:"),
        (settings().with_timeout(Duration::ZERO), "timeout:"),
    ] {
        let error = Kv::open(place("new"), settings).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
    }
    let refused = |name: &str| {
        let error = Kv::open(place(name), settings()).unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(name), "{text}");
        text
    };
    refused("no/such/folder");
    fs::create_dir(place("folder")).unwrap();
    refused("folder");
    fs::write(place("text"), "x".repeat(10_000)).unwrap();
    assert!(refused("text").contains("not a database"), "{}", refused("text"));
    assert_eq!(fs::read(place("text")).unwrap().len(), 10_000);
    let others = redb::Database::create(place("others")).unwrap();
    let transaction = others.begin_write().unwrap();
    transaction.open_table(redb::TableDefinition::<u64, u64>::new("x")).unwrap();
    transaction.commit().unwrap();
    drop(others);
    assert!(refused("others").contains("not one of a key-value store"));

    let open = Kv::open(place("open"), settings()).unwrap();
    assert!(refused("open").contains("has the store open"), "{}", refused("open"));
    drop(open);
    drop(Kv::open(place("open"), settings()).unwrap());
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_kv, folder) = new_store();
    let file = File::open(folder.path().join("kv.redb")).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn compaction_gives_room_back_and_keeps_everything() {
    let (kv, _folder) = new_store();
    for n in 0..64 {
        kv.put(key(&format!("{n}")), Put::new(bytes(1 << 20, n))).await.unwrap();
    }
    for n in (0..64).filter(|n| n % 16 != 0) {
        assert!(kv.delete(key(&format!("{n}")), Precondition::default()).await.unwrap());
    }
    let compacted = kv.compact().await.unwrap();
    assert!(compacted.before > 64 << 20, "{compacted:?}");
    assert!(compacted.after < 12 << 20, "{compacted:?}");
    assert_eq!(kv.stats().file_bytes, compacted.after);
    for n in (0..64).step_by(16) {
        assert!(read(&kv, &format!("{n}")).await.unwrap() == bytes(1 << 20, n));
    }
    kv.put(key("new"), Put::new("x")).await.unwrap();
}

#[test]
fn nothing_that_is_printed_shows_a_value() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (kv, _folder) = new_store();
        let put = Put::new("hunter2");
        let mut printed = format!("{put:?} {:?}", Batch::new().put(key("a"), put.clone()));
        kv.put(key("a"), put).await.unwrap();
        let value = kv.get(&key("a")).await.unwrap();
        printed += &format!("{kv:?} {value:?} {:?}", Outcome::Got(value.clone()));
        assert!(!printed.contains("hunter2"), "{printed}");
        // Nor as a list of numbers.
        assert!(!printed.contains("104, 117"), "{printed}");
    });
}

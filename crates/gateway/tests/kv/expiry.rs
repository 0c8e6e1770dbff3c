//! Values with a time to live, by a clock that is set by hand.

use std::time::{Duration, Instant, UNIX_EPOCH};

use vantage_api_gateway::kv::{Batch, Kv, Outcome, Precondition, Put};

use crate::{
    clock::{Clock, PATIENCE},
    store::{bytes, key, read, store_with},
};

const MINUTE: Duration = Duration::from_secs(60);

fn short(value: &'static str) -> Put {
    Put::new(value).with_ttl(MINUTE)
}

/// Waits until no more than so many values are left in the file.
pub(crate) async fn swept(kv: &Kv, values: u64) {
    let begun = Instant::now();
    while kv.stats().values > values {
        assert!(begun.elapsed() < PATIENCE, "{:?}", kv.stats());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_value_is_gone_at_the_millisecond_at_which_it_expires() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let stored = kv.put(key("a"), short("x")).await.unwrap();
    assert_eq!(stored.entry.expires, Some(clock.now() + MINUTE));
    kv.put(key("b"), Put::new("stays")).await.unwrap();
    clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(read(&kv, "a").await.unwrap(), "x");
    clock.advance(Duration::from_millis(1));
    assert_eq!(read(&kv, "a").await, None);
    assert_eq!(kv.entry(&key("a")).await.unwrap(), None);
    let page = kv.list("", None, 10).await.unwrap();
    assert_eq!(page.keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b"]);
    let got = kv.batch(Batch::new().get(key("a"))).await.unwrap();
    assert!(matches!(got.as_slice(), [Outcome::Got(None)]), "{got:?}");
}

#[tokio::test]
async fn what_has_expired_counts_as_absent_for_writers() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let old = kv.put(key("a"), short("x")).await.unwrap().entry;
    kv.put(key("b"), short("x")).await.unwrap();
    let held_writer = clock.hold();
    clock.advance(MINUTE);
    drop(held_writer);
    let stale = Put::new("y").when(Precondition::unchanged(old.etag));
    assert_eq!(kv.put(key("a"), stale).await.unwrap_err().kind_name(), "precondition_failed");
    let new = kv.put(key("a"), Put::new("y").when(Precondition::absent())).await.unwrap();
    assert!(new.is_new);
    assert_eq!(new.entry.created, clock.now());
    assert!(!kv.delete(key("b"), Precondition::default()).await.unwrap());
    // The new value has no time to live, and outlives the expiry of the old one.
    clock.advance(MINUTE * 2);
    swept(&kv, 1).await;
    assert_eq!(read(&kv, "a").await.unwrap(), "y");
    assert_eq!(kv.stats().expiring, 0);
}

#[tokio::test]
async fn to_write_again_begins_a_new_time_to_live() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    kv.put(key("a"), short("x")).await.unwrap();
    clock.advance(MINUTE / 2);
    kv.put(key("a"), short("y")).await.unwrap();
    assert_eq!(kv.stats().expiring, 1);
    clock.advance(MINUTE * 3 / 4);
    kv.put(key("other"), Put::new("")).await.unwrap();
    assert_eq!(read(&kv, "a").await.unwrap(), "y");
    clock.advance(MINUTE / 4);
    assert_eq!(read(&kv, "a").await, None);
}

#[tokio::test]
async fn what_has_expired_is_removed_in_steps_without_being_asked_for() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let many =
        (0..3_000).fold(Batch::new(), |batch, n| batch.put(key(&format!("{n:04}")), short("x")));
    kv.batch(many).await.unwrap();
    kv.put(key("long"), Put::new(bytes(1 << 20, 1)).with_ttl(MINUTE * 2)).await.unwrap();
    kv.put(key("stays"), Put::new("x")).await.unwrap();
    assert_eq!((kv.stats().values, kv.stats().expiring), (3_002, 3_001));
    let commits = kv.stats().commits;
    clock.advance(MINUTE);
    swept(&kv, 2).await;
    // One commit does not remove all of them: others get their turn.
    assert!(kv.stats().commits >= commits + 2, "{:?}", kv.stats());
    assert_eq!(kv.stats().expired, 3_000);
    clock.advance(MINUTE);
    swept(&kv, 1).await;
    assert_eq!((kv.stats().value_bytes, kv.stats().expiring), (1, 0));
    assert_eq!(read(&kv, "stays").await.unwrap(), "x");
}

#[tokio::test]
async fn a_page_of_expired_keys_leads_on_to_those_behind_them() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let many = (0..2_500)
        .fold(Batch::new(), |batch, n| batch.put(key(&format!("a{n:04}")), short("x")))
        .put(key("b"), Put::new(""));
    kv.batch(many).await.unwrap();
    // The writer does not remove them before they were passed over.
    let held_writer = clock.hold();
    clock.advance(MINUTE);
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = kv.list("", after.as_deref(), 10).await.unwrap();
        pages.push(page.keys.len());
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    drop(held_writer);
    assert_eq!(pages.iter().sum::<usize>(), 1, "{pages:?}");
    assert!(pages.len() <= 4, "{pages:?}");
}

#[tokio::test]
async fn odd_clocks_do_no_harm() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    kv.put(key("a"), short("x")).await.unwrap();
    // Before the epoch, and far beyond any date.
    clock.set(UNIX_EPOCH - MINUTE);
    let early = kv.put(key("b"), short("x")).await.unwrap().entry;
    assert_eq!((early.created, early.expires), (UNIX_EPOCH, Some(UNIX_EPOCH + MINUTE)));
    assert_eq!(read(&kv, "a").await.unwrap(), "x");
    clock.set(UNIX_EPOCH + Duration::from_secs(1 << 40));
    kv.put(key("c"), Put::new("x")).await.unwrap();
    assert_eq!(read(&kv, "c").await.unwrap(), "x");
    assert_eq!(read(&kv, "a").await, None);
}

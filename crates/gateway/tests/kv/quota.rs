//! How much a store takes in all.

use std::time::Duration;

use vantage_api_gateway::{
    Limits,
    kv::{Batch, Error, Kv, Precondition, Put, Settings},
};

use crate::{
    clock::Clock,
    raw::{request, with_body},
    served::Served,
    store::{bytes, key, read, settings, store_with},
};

/// Room for five values of 1 KiB, which count for 2 KiB each.
const QUOTA: u64 = 10 << 10;

fn value(seed: u64) -> Put {
    Put::new(bytes(1 << 10, seed))
}

async fn put(kv: &Kv, name: &str, put: Put) -> Result<(), Error> {
    kv.batch(Batch::new().put(key(name), put)).await.map(drop)
}

async fn filled(settings: Settings) -> (Kv, tempfile::TempDir) {
    let (kv, folder) = store_with(settings.with_quota(QUOTA));
    for nth in 0..5 {
        put(&kv, &nth.to_string(), value(nth)).await.unwrap();
    }
    (kv, folder)
}

fn is_full(outcome: Result<(), Error>) -> bool {
    match outcome {
        Ok(()) => false,
        Err(error) => {
            assert!(matches!(error, Error::Full { most: QUOTA, .. }), "{error}");
            assert!(!error.is_retryable());
            true
        }
    }
}

#[tokio::test]
async fn a_store_takes_no_more_than_its_quota() {
    let (kv, folder) = filled(settings()).await;
    assert!(is_full(put(&kv, "more", Put::new("")).await), "an empty value counts too");
    assert_eq!(read(&kv, "more").await, None);
    // What takes no more room is written all the same.
    put(&kv, "0", value(9)).await.unwrap();
    assert!(is_full(put(&kv, "0", Put::new(bytes(1_025, 1))).await));
    assert_eq!(read(&kv, "0").await, Some(bytes(1 << 10, 9)));
    put(&kv, "0", Put::new(bytes(1_000, 1))).await.unwrap();
    assert!(is_full(put(&kv, "more", Put::new("")).await));
    let swapped = Batch::new()
        .delete(key("1"), Precondition::default())
        .put(key("more"), value(7))
        .put(key("0"), value(8));
    kv.batch(swapped).await.unwrap();
    let too_much = Batch::new()
        .delete(key("2"), Precondition::default())
        .put(key("a"), value(1))
        .put(key("b"), value(2));
    assert!(is_full(kv.batch(too_much).await.map(drop)));
    assert!(read(&kv, "2").await.is_some() && read(&kv, "a").await.is_none());
    kv.delete(key("2"), Precondition::default()).await.unwrap();
    put(&kv, "a", value(1)).await.unwrap();
    // With a smaller quota it can be read, and emptied.
    drop(kv);
    let kv = Kv::open(folder.path().join("kv.redb"), settings().with_quota(2_048)).unwrap();
    assert!(put(&kv, "b", Put::new("")).await.is_err());
    put(&kv, "a", Put::new("")).await.unwrap();
    assert!(kv.delete(key("a"), Precondition::default()).await.unwrap());
    let error = Kv::open(folder.path().join("other.redb"), settings().with_quota(0)).unwrap_err();
    assert!(error.to_string().starts_with("quota:"), "{error}");
}

#[tokio::test]
async fn what_has_expired_makes_room() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings().with_quota(QUOTA));
    for nth in 0..5 {
        let put_now = value(nth).with_ttl(Duration::from_secs(10));
        put(&kv, &nth.to_string(), put_now).await.unwrap();
    }
    assert!(is_full(put(&kv, "more", value(6)).await));
    clock.advance(Duration::from_secs(11));
    for nth in 5..10 {
        put(&kv, &nth.to_string(), value(nth)).await.unwrap();
    }
    assert!(is_full(put(&kv, "more", value(6)).await));
}

#[tokio::test]
async fn a_value_that_takes_the_room_of_many_is_let_in_where_they_have_expired() {
    // More than are removed at a time.
    const VALUES: u64 = 12_000;
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings().with_quota(VALUES << 10));
    for part in 0..VALUES / 1_000 {
        let puts = (0..1_000).fold(Batch::new(), |batch, nth| {
            let put = Put::new("").with_ttl(Duration::from_secs(10));
            batch.put(key(&format!("{part}/{nth}")), put)
        });
        kv.batch(puts).await.unwrap();
    }
    let large = Put::new(bytes(8 << 20, 1));
    assert!(put(&kv, "large", large.clone()).await.is_err());
    clock.advance(Duration::from_secs(11));
    put(&kv, "large", large).await.unwrap();
}

#[test]
fn a_client_is_told_that_it_is_full_and_not_by_what() {
    let served = Served::with(settings().with_quota(3_000), Limits::default());
    let mut client = served.connect();
    assert_eq!(client.ask(with_body("PUT", "/kv/a", &[], "1")).status, 201);
    assert_eq!(client.ask(with_body("PUT", "/kv/b", &[], "1")).status, 201);
    let json = [("Content-Type", "application/json")];
    for refused in [
        client.ask(with_body("PUT", "/kv/c", &[], "1")),
        client.ask(with_body("POST", "/kv", &json, r#"{"operations":[{"put":"c","text":"1"}]}"#)),
    ] {
        assert_eq!((refused.status, refused.problem().as_str()), (507, "store_full"));
        let told = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(!told.contains("3000") && !told.contains("3075"), "{told}");
    }
    assert_eq!(client.ask(request("DELETE", "/kv/a", &[])).status, 204);
    assert_eq!(client.ask(with_body("PUT", "/kv/c", &[], "1")).status, 201);
}

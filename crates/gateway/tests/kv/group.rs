//! Calls that come together.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::join_all};
use vantage_api_gateway::kv::{Error, Precondition, Put};

use crate::{
    clock::{Clock, PATIENCE},
    store::{bytes, key, new_store, read, settings, store_with},
};

/// How many calls are made.
const CALLS: usize = 1_000;

#[tokio::test]
async fn calls_that_wait_are_written_by_one_commit() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let held_writer = clock.hold();
    let mut calls: Vec<_> = (0..CALLS)
        .map(|n| kv.put(key(&format!("{n}")), Put::new(n.to_string())).boxed_local())
        .collect();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    clock.wait_for_writer();
    drop(held_writer);
    for stored in join_all(calls).await {
        assert!(stored.unwrap().is_new);
    }
    let stats = kv.stats();
    assert_eq!(stats.writes, CALLS as u64);
    // The first commit may have begun before the others came.
    assert!(stats.commits <= 2, "{stats:?}");
    assert!(stats.writes >= 20 * stats.commits);
    for n in 0..CALLS {
        assert_eq!(read(&kv, &n.to_string()).await.unwrap(), n.to_string());
    }
}

#[tokio::test]
async fn calls_that_come_one_by_one_have_a_commit_each() {
    let (kv, _folder) = new_store();
    for n in 0..20 {
        kv.put(key("a"), Put::new(n.to_string())).await.unwrap();
    }
    assert_eq!((kv.stats().commits, kv.stats().writes), (20, 20));
}

#[tokio::test]
async fn a_call_that_fails_in_a_group_does_not_concern_the_others() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    kv.put(key("there"), Put::new("x")).await.unwrap();
    let held_writer = clock.hold();
    let mut calls: Vec<_> = ["a", "there", "b"]
        .map(|name| kv.put(key(name), Put::new("y").when(Precondition::absent())).boxed_local())
        .into();
    for call in &mut calls {
        assert!(call.as_mut().now_or_never().is_none());
    }
    clock.wait_for_writer();
    drop(held_writer);
    let outcomes: Vec<_> = join_all(calls).await.into_iter().map(|stored| stored.is_ok()).collect();
    assert_eq!(outcomes, [true, false, true]);
    assert_eq!(read(&kv, "there").await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_conditional_writes_exactly_one_wins() {
    let (kv, _folder) = new_store();
    for round in 0..20 {
        let condition = match kv.entry(&key("lock")).await.unwrap() {
            Some(entry) => Precondition::unchanged(entry.etag),
            None => Precondition::absent(),
        };
        let calls = (0..16).map(|n| {
            let (kv, condition) = (kv.clone(), condition.clone());
            tokio::spawn(async move {
                let put = Put::new(format!("{round}/{n}")).when(condition);
                (n, kv.put(key("lock"), put).await)
            })
        });
        let outcomes: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> =
            outcomes.iter().filter(|(_, put)| put.is_ok()).map(|(n, _)| *n).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        for (_, put) in outcomes {
            assert!(matches!(put, Ok(_) | Err(Error::PreconditionFailed { .. })), "{put:?}");
        }
        assert_eq!(read(&kv, "lock").await.unwrap(), format!("{round}/{}", winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_version_is_given_twice_and_no_increment_is_lost() {
    let (kv, _folder) = new_store();
    kv.put(key("sum"), Put::new("0")).await.unwrap();
    let adders = (0..8).map(|_| {
        let kv = kv.clone();
        tokio::spawn(async move {
            let mut tags = Vec::new();
            while tags.len() < 25 {
                let value = kv.get(&key("sum")).await.unwrap().unwrap();
                let condition = Precondition::unchanged(value.entry().etag);
                let bytes = value.into_bytes();
                let sum: u64 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
                let put = Put::new((sum + 1).to_string()).when(condition);
                match kv.put(key("sum"), put).await {
                    Ok(stored) => tags.push(stored.entry.etag),
                    Err(error) => assert_eq!(error.kind_name(), "precondition_failed"),
                }
            }
            tags
        })
    });
    let tags: Vec<_> = join_all(adders).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(read(&kv, "sum").await.unwrap(), "200");
    assert_eq!(tags.iter().collect::<HashSet<_>>().len(), 200);
}

#[tokio::test]
async fn a_call_that_is_dropped_before_its_turn_is_not_carried_out() {
    let clock = Clock::new();
    let (kv, _folder) = store_with(clock.settings());
    let held_writer = clock.hold();
    let mut first = kv.put(key("first"), Put::new("")).boxed_local();
    assert!(first.as_mut().now_or_never().is_none());
    clock.wait_for_writer();
    let mut left = kv.put(key("left"), Put::new("")).boxed_local();
    assert!(left.as_mut().now_or_never().is_none());
    drop(left);
    drop(held_writer);
    first.await.unwrap();
    kv.put(key("last"), Put::new("")).await.unwrap();
    assert_eq!(read(&kv, "left").await, None);
}

#[tokio::test]
async fn what_waits_is_bounded_and_no_call_waits_for_ever() {
    let clock = Clock::new();
    let settings = clock.settings().with_max_value_bytes(1 << 20).with_max_in_flight_bytes(1 << 20);
    let settings = settings.with_timeout(Duration::from_secs(1));
    let (kv, _folder) = store_with(settings);
    let held_writer = clock.hold();
    let mut held = kv.put(key("held"), Put::new(bytes(1 << 20, 1))).boxed_local();
    assert!(held.as_mut().now_or_never().is_none());
    clock.wait_for_writer();
    // There is no room for another, which was not written.
    let error = kv.put(key("more"), Put::new("")).await.unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error}");
    assert!(error.is_retryable());
    // The first may still be written.
    let error = held.await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error}");
    assert!(!error.is_retryable());
    // What was committed before can be read all the time.
    assert_eq!(kv.entry(&key("more")).await.unwrap(), None);
    drop(held_writer);
    // All the room is free again.
    let begun = Instant::now();
    while kv.put(key("more"), Put::new(bytes(1 << 20, 2))).await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_one_commit_or_another_whatever_is_written_meanwhile() {
    let (kv, _folder) = store_with(settings().with_cache_bytes(1 << 20));
    let versions: Arc<Vec<_>> = Arc::new((0..4).map(|seed| bytes(300_000, seed)).collect());
    kv.put(key("a"), Put::new(versions[0].clone())).await.unwrap();
    let writer = tokio::spawn({
        let (kv, versions) = (kv.clone(), Arc::clone(&versions));
        async move {
            for n in 0..100 {
                kv.put(key("a"), Put::new(versions[n % 4].clone())).await.unwrap();
            }
        }
    });
    let readers = (0..4).map(|_| {
        let (kv, versions) = (kv.clone(), Arc::clone(&versions));
        tokio::spawn(async move {
            for _ in 0..200 {
                let value = read(&kv, "a").await.unwrap();
                assert!(versions.contains(&value));
            }
        })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    writer.await.unwrap();
}

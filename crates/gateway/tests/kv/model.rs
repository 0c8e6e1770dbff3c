//! A store does what a map in memory does, whatever is asked of it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use vantage_api_gateway::kv::{Batch, ETag, Error, Kv, Outcome, Precondition, Put, Value};

use crate::{
    clock::Clock,
    store::{bytes, key},
};

/// Few keys, so that they meet; one is a prefix of others.
const KEYS: [&str; 6] = ["a", "a/", "a/b", "a\u{10ffff}", "b", "é"];

#[derive(Clone, Debug)]
enum When {
    Always,
    Absent,
    /// The version that the key has now, or had.
    Current,
    Stale,
}

#[derive(Clone, Debug)]
enum One {
    Get,
    Put { size: usize, ttl: Option<u64>, when: When },
    Delete(When),
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<(usize, One)>),
    List { prefix: String, after: Option<usize>, limit: usize },
    Pass(u64),
    Reopen,
    Compact,
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        4 => Just(When::Always),
        1 => Just(When::Absent),
        2 => Just(When::Current),
        1 => Just(When::Stale),
    ]
}

fn one() -> impl Strategy<Value = One> {
    let size = prop_oneof![0..3_usize, 1_023..1_026_usize, 63_999..64_002_usize, Just(150_000)];
    prop_oneof![
        2 => Just(One::Get),
        4 => (size, proptest::option::of(1..50_u64), when())
            .prop_map(|(size, ttl, when)| One::Put { size, ttl, when }),
        2 => when().prop_map(One::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let keys = 0..KEYS.len();
    prop_oneof![
        8 => vec((keys.clone(), one()), 1..4).prop_map(|mut batch| {
            batch.sort_by_key(|(key, _)| *key);
            batch.dedup_by_key(|(key, _)| *key);
            Step::Batch(batch)
        }),
        2 => ("a?/?b?", proptest::option::of(keys), 1..4_usize)
            .prop_map(|(prefix, after, limit)| Step::List { prefix, after, limit }),
        2 => (1..30_u64).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
        1 => Just(Step::Compact),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    value: Bytes,
    etag: ETag,
    created: SystemTime,
    expires: Option<SystemTime>,
}

/// The map, and each key's last version, gone or not.
#[derive(Default)]
struct Model {
    values: BTreeMap<&'static str, Known>,
    stale: BTreeMap<&'static str, ETag>,
    written: u64,
}

impl Model {
    fn expire(&mut self, now: SystemTime) {
        self.values.retain(|_, known| known.expires.is_none_or(|expires| expires > now));
    }

    fn condition(&self, key: &str, when: &When) -> Precondition {
        let current = self.values.get(key).map(|known| known.etag);
        match when {
            When::Always => Precondition::default(),
            When::Absent => Precondition::absent(),
            When::Current => current
                .or(self.stale.get(key).copied())
                .map_or_else(Precondition::default, Precondition::unchanged),
            When::Stale => match self.stale.get(key) {
                Some(tag) if Some(*tag) != current => Precondition::unchanged(*tag),
                _ => Precondition::default(),
            },
        }
    }

    fn holds(&self, key: &str, when: &When) -> bool {
        let is_there = self.values.contains_key(key);
        match when {
            When::Always => true,
            When::Absent => !is_there,
            When::Current => is_there || !self.stale.contains_key(key),
            When::Stale => {
                let current = self.values.get(key).map(|known| known.etag);
                self.stale.get(key).copied().is_none_or(|tag| Some(tag) == current)
            }
        }
    }

    async fn batch(&mut self, kv: &Kv, clock: &Clock, operations: &[(usize, One)]) {
        let mut batch = Batch::new();
        let mut refused = None;
        for (index, (place, one)) in operations.iter().enumerate() {
            let name = KEYS[*place];
            let is_refused = match one {
                One::Get => false,
                One::Put { when, .. } => !self.holds(name, when),
                // A condition for deleting nothing is ignored.
                One::Delete(when) => self.values.contains_key(name) && !self.holds(name, when),
            };
            if is_refused && refused.is_none() {
                refused = Some(index);
            }
            batch = match one {
                One::Get => batch.get(key(name)),
                One::Put { size, ttl, when } => {
                    let value = bytes(*size, self.written + index as u64);
                    let mut put = Put::new(value).when(self.condition(name, when));
                    if let Some(ttl) = ttl {
                        put = put.with_ttl(Duration::from_millis(*ttl));
                    }
                    batch.put(key(name), put)
                }
                One::Delete(when) => batch.delete(key(name), self.condition(name, when)),
            };
        }
        let outcomes = match (kv.batch(batch).await, refused) {
            (Ok(outcomes), None) => outcomes,
            (Err(Error::PreconditionFailed { index, .. }), Some(refused)) => {
                return assert_eq!(index, refused);
            }
            (outcome, refused) => panic!("{outcome:?}, where the model has {refused:?}"),
        };
        for (index, ((place, one), outcome)) in operations.iter().zip(outcomes).enumerate() {
            let name = KEYS[*place];
            match (one, outcome) {
                (One::Get, Outcome::Got(value)) => {
                    let expected = self.values.get(name).map(|known| known.value.clone());
                    assert!(value.map(Value::into_bytes) == expected);
                }
                (One::Put { size, ttl, .. }, Outcome::Put(stored)) => {
                    let before = self.values.get(name);
                    assert_eq!(stored.is_new, before.is_none());
                    let created = before.map_or(clock.now(), |known| known.created);
                    let expires = ttl.map(|ttl| clock.now() + Duration::from_millis(ttl));
                    assert_eq!((stored.entry.created, stored.entry.expires), (created, expires));
                    let value = bytes(*size, self.written + index as u64);
                    let etag = stored.entry.etag;
                    let old = self.values.insert(name, Known { value, etag, created, expires });
                    let stale = old.map_or(etag, |old| old.etag);
                    self.stale.insert(name, stale);
                }
                (One::Delete(_), Outcome::Deleted(was_there)) => {
                    assert_eq!(was_there, self.values.remove(name).is_some());
                }
                (one, outcome) => panic!("{outcome:?} of {one:?}"),
            }
        }
        self.written += operations.len() as u64;
    }

    async fn list(&self, kv: &Kv, prefix: &str, after: Option<&str>, limit: usize) {
        let mut expected = self.values.iter().filter(|(name, _)| {
            name.starts_with(prefix) && after.is_none_or(|after| **name > after)
        });
        let page = kv.list(prefix, after, limit).await.unwrap();
        for (name, entry) in &page.keys {
            let (expected, known) = expected.next().unwrap();
            assert_eq!((name.as_str(), entry.etag), (*expected, known.etag));
            assert_eq!(entry.size, known.value.len() as u64);
        }
        let is_more = expected.next().is_some();
        assert_eq!(page.next.is_some(), is_more, "{page:?}");
        assert!(!is_more || page.keys.len() == limit);
    }
}

async fn run(steps: Vec<Step>) {
    let clock = Clock::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let open = || Kv::open(&path, clock.settings().with_cache_bytes(1 << 20)).unwrap();
    let mut kv = Some(open());
    let mut model = Model::default();
    for step in steps {
        let store = kv.clone().unwrap();
        match step {
            Step::Batch(operations) => model.batch(&store, &clock, &operations).await,
            Step::List { prefix, after, limit } => {
                model.list(&store, &prefix, after.map(|place| KEYS[place]), limit).await;
            }
            Step::Pass(millis) => {
                clock.advance(Duration::from_millis(millis));
                model.expire(clock.now());
            }
            Step::Reopen => {
                drop(store);
                drop(kv.take());
                kv = Some(open());
            }
            Step::Compact => drop(store.compact().await.unwrap()),
        }
    }
    // Once all that expires has gone, nothing is left over.
    let kv = kv.unwrap();
    clock.advance(Duration::from_secs(1));
    model.expire(clock.now());
    crate::expiry::swept(&kv, model.values.len() as u64).await;
    let stats = kv.stats();
    assert_eq!(stats.values, model.values.len() as u64);
    assert_eq!(stats.expiring, 0);
    let bytes: usize = model.values.values().map(|known| known.value.len()).sum();
    assert_eq!(stats.value_bytes, bytes as u64);
    model.list(&kv, "", None, Kv::MAX_PAGE).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_a_map_does(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}

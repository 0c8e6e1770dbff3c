//! One rate limit for each key, in bounded memory. This file decides which keys are tracked,
//! `limiter` how a limit works, and `keys` what is forgotten.

use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    marker::PhantomData,
    sync::{Arc, Mutex},
    time::Duration,
};

use rust_decimal::Decimal;

use super::{
    keys::KeyTable,
    limiter::{RateLimiter, now},
};
use crate::{error::Error, lock::lock};

/// How many keys are tracked at a time by default.
const MAX_KEYS: usize = 65_536;

/// The same rate limit for each key separately, such as a tenant or a host.
///
/// A key that has been unused until its burst is full again takes memory only for a short time:
/// such keys are swept, some with each new key. A key in use takes about 300 bytes, however long
/// it is (measured by `cargo test --test process keys::`): it is identified by a keyed hash of 128
/// bits of what its [`Hash`] feeds, and is not stored. At most 65,536 keys are tracked at a time,
/// or [`max_keys`](Self::max_keys). Beyond that, further keys share one limit until there is room
/// and nobody waits for that limit. So no key ever gets more than its rate; one that comes when
/// there is no room may get less.
///
/// ```
/// use vantage_api_pool::limits::KeyedRateLimiter;
///
/// # async fn demo() -> Result<(), vantage_api_pool::Error> {
/// let limiter = KeyedRateLimiter::<String>::new("10".parse().unwrap(), 2)?;
/// limiter.acquire("tenant-7").await?;
/// assert!(limiter.try_acquire("tenant-8").is_ok());
/// # Ok(()) }
/// ```
pub struct KeyedRateLimiter<K> {
    limiters: Mutex<KeyTable<u128, Arc<RateLimiter>>>,
    /// For keys for which there is no room. New limiters are copied from it, so what a key used
    /// while sharing still counts when it gets its own limiter.
    common: Arc<RateLimiter>,
    /// Two halves of the hash that identifies a key.
    hashers: [RandomState; 2],
    _key: PhantomData<fn(&K)>,
}

impl<K: Hash + Eq> KeyedRateLimiter<K> {
    /// A limit of `rate` requests per second for each key, with a burst of at most `burst` requests
    /// after a pause.
    ///
    /// # Errors
    /// As [`RateLimiter::new`].
    pub fn new(rate: Decimal, burst: u32) -> Result<Self, Error> {
        Ok(Self {
            limiters: Mutex::new(KeyTable::new(MAX_KEYS)),
            common: Arc::new(RateLimiter::new(rate, burst)?),
            hashers: Default::default(),
            _key: PhantomData,
        })
    }

    /// How many keys are tracked at a time: 65,536 by default. With zero all keys share one limit.
    #[must_use]
    pub fn max_keys(self, keys: usize) -> Self {
        lock(&self.limiters).most = keys;
        self
    }

    /// As [`RateLimiter::acquire`], for `key`.
    ///
    /// # Errors
    /// As [`RateLimiter::acquire`].
    pub async fn acquire<Q>(&self, key: &Q) -> Result<(), Error>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let limiter = self.limiter(key);
        limiter.acquire().await
    }

    /// As [`RateLimiter::try_acquire`], for `key`.
    ///
    /// # Errors
    /// As [`RateLimiter::try_acquire`].
    pub fn try_acquire<Q>(&self, key: &Q) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.limiter(key).try_acquire()
    }

    /// As [`RateLimiter::set_rate`], for every key. Takes time proportional to the number of keys.
    ///
    /// # Errors
    /// As [`RateLimiter::set_rate`].
    pub fn set_rate(&self, rate: Decimal) -> Result<(), Error> {
        let limiters = lock(&self.limiters);
        self.common.set_rate(rate)?;
        limiters.entries.values().try_for_each(|limiter| limiter.set_rate(rate))
    }

    /// How many keys are tracked at the moment, including those that could be swept.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.limiters).entries.len()
    }

    /// Whether no key is tracked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limiter of `key`. It stays the same as long as anyone holds it.
    pub(crate) fn limiter<Q>(&self, key: &Q) -> Arc<RateLimiter>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let [high, low] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        let key = u128::from(high) << u64::BITS | u128::from(low);
        let (mut limiters, common) = (lock(&self.limiters), &self.common);
        if let Some(limiter) = limiters.entries.get(&key) {
            return Arc::clone(limiter);
        }
        let now = now();
        // Limiters are cloned under the lock only, so one that nobody else has stays so.
        let is_free = |limiter: &Arc<RateLimiter>| Arc::strong_count(limiter) == 1;
        let has_room = limiters.make_room(|limiter| is_free(limiter) && limiter.is_spent(now));
        if !has_room || !is_free(common) {
            return Arc::clone(common);
        }
        let limiter = Arc::new(common.fork());
        limiters.entries.insert(key, Arc::clone(&limiter));
        limiter
    }
}

impl<K: Hash + Eq> fmt::Debug for KeyedRateLimiter<K> {
    /// Prints no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimiter").field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::FutureExt;
    use proptest::prelude::*;
    use tokio::time::{advance, timeout};

    use super::*;

    fn limiter(rate: &str, burst: u32) -> KeyedRateLimiter<u32> {
        KeyedRateLimiter::new(rate.parse().unwrap(), burst).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_has_the_rate_for_itself() {
        let limiter = limiter("10", 1);
        let started = now();
        let call = async |key: u32| {
            for _ in 0..=20 {
                limiter.acquire(&key).await.unwrap();
            }
            now() - started
        };
        for took in [tokio::join!(call(1), call(2))].map(|(one, two)| [one, two]).concat() {
            let due = Duration::from_secs(2);
            assert!(took >= due && took < due + Duration::from_millis(50), "{took:?}");
        }
        assert_eq!(limiter.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_forgotten_when_their_buckets_are_full_again() {
        let limiter = limiter("10", 2);
        let mut most = 0;
        for key in 0..100_000 {
            limiter.try_acquire(&key).unwrap();
            most = most.max(limiter.len());
            if key % 100 == 0 {
                advance(Duration::from_millis(1)).await;
            }
        }
        // A key is in use for 100 ms, in which 10,000 arrive.
        assert!((10_000..14_000).contains(&most), "{most} keys at a time");
        advance(Duration::from_secs(1)).await;
        (0..1_000).for_each(|key| limiter.try_acquire(&key).unwrap());
        (0..1_000).for_each(|key| assert_eq!(limiter.try_acquire(&key), Ok(()), "{key}"));
        (0..1_000).for_each(|key| assert!(limiter.try_acquire(&key).is_err(), "{key}"));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_for_which_there_is_no_room_have_one_limit_in_common() {
        let limiter = limiter("1", 2).max_keys(100);
        (0..100).for_each(|key| limiter.try_acquire(&key).unwrap());
        limiter.try_acquire(&100).unwrap();
        limiter.try_acquire(&101).unwrap();
        assert_eq!(limiter.try_acquire(&102), Err(Duration::from_secs(1)));
        // Keys with their own limit are not affected.
        (0..100).for_each(|key| limiter.try_acquire(&key).unwrap());
        assert_eq!(limiter.len(), 100);
        // What was used while sharing counts when a key gets its own limit.
        advance(Duration::from_millis(1_500)).await;
        limiter.try_acquire(&100).unwrap();
        advance(Duration::from_millis(500)).await;
        limiter.try_acquire(&100).unwrap();
        assert_eq!(limiter.try_acquire(&100), Err(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_keeps_the_limit_of_the_key_and_a_new_rate_reaches_all() {
        let limiter = limiter("0.01", 1);
        limiter.try_acquire(&7).unwrap();
        let mut waiting = Box::pin(limiter.acquire(&7));
        assert!(waiting.as_mut().now_or_never().is_none());
        (100..200).for_each(|key| limiter.try_acquire(&key).unwrap());
        assert!(limiter.try_acquire(&7).is_err());
        limiter.set_rate(Decimal::TEN).unwrap();
        timeout(Duration::from_millis(102), waiting).await.unwrap().unwrap();
        assert_eq!(limiter.try_acquire(&100), Ok(()));
        assert_eq!(limiter.try_acquire(&201), Ok(()));
        assert_eq!(limiter.try_acquire(&201), Err(Duration::from_millis(100)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_key_gets_more_than_its_rate_however_little_room_there_is(
            max_keys in 0..4usize,
            burst in 1..4u32,
            steps in prop::collection::vec((0..8u32, 0..120u64), 1..300),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let grants = runtime.block_on(async {
                let limiter = limiter("10", burst).max_keys(max_keys);
                let mut grants: Vec<(u32, Instant)> = Vec::new();
                for (key, millis) in steps {
                    advance(Duration::from_millis(millis)).await;
                    if limiter.try_acquire(&key).is_ok() {
                        grants.push((key, now()));
                    }
                    assert!(limiter.len() <= max_keys);
                }
                grants
            });
            for key in 0..8 {
                let own: Vec<Instant> =
                    grants.iter().filter(|grant| grant.0 == key).map(|grant| grant.1).collect();
                for first in 0..own.len() {
                    for last in first..own.len() {
                        let nanos = (own[last] - own[first]).as_nanos();
                        let most = u128::from(burst) * 1_000_000_000 + nanos * 10;
                        prop_assert!((last - first + 1) as u128 * 1_000_000_000 <= most);
                    }
                }
            }
        }
    }
}

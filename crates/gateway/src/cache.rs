//! Answers that are kept for a while, and requests that are equal and simultaneous made one.
//!
//! A key names the table, the writes it has seen, what is asked and by whom, so that nothing has to
//! be thrown away: after a write nobody asks by the old key.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use moka::{Expiry, future};

use crate::{Problem, cached_response::CachedResponse};

type Kept = future::Cache<String, Arc<CachedResponse>>;
type Outcome = Result<Arc<CachedResponse>, Problem>;

/// What is being made, by its key. Whoever asks for it meanwhile waits for the same.
#[derive(Clone, Default)]
struct Loads(Arc<Mutex<HashMap<String, Shared<BoxFuture<'static, Outcome>>>>>);

impl Loads {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Shared<BoxFuture<'static, Outcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a load off the list, however it ends.
struct Loading {
    loads: Loads,
    key: String,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.loads.all().remove(&self.key);
    }
}

/// The answers that are kept.
pub(crate) struct Cache {
    fresh: Kept,
    /// Answers whose time may be over, for when there is no other.
    stale: Kept,
    loads: Loads,
    hits: AtomicU64,
    misses: AtomicU64,
    stale_hits: AtomicU64,
}

/// What the cache has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheCounts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) stale_hits: u64,
    pub(crate) answers: u64,
    pub(crate) bytes: u64,
}

/// How long an answer is kept beyond its own time.
struct Beyond(Duration);

impl Expiry<String, Arc<CachedResponse>> for Beyond {
    fn expire_after_create(
        &self,
        _: &String,
        answer: &Arc<CachedResponse>,
        _: Instant,
    ) -> Option<Duration> {
        Some(answer.fresh_for.saturating_add(self.0))
    }

    fn expire_after_update(
        &self,
        key: &String,
        answer: &Arc<CachedResponse>,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, answer, now)
    }
}

impl Cache {
    /// Keeps answers of at most `bytes`, and those whose time is over for `stale_if_error` more.
    pub(crate) fn new(bytes: u64, stale_if_error: Duration) -> Self {
        let kept = |beyond: Duration| {
            future::Cache::builder()
                .max_capacity(bytes / 2)
                .weigher(|key: &String, answer: &Arc<CachedResponse>| {
                    u32::try_from(key.len() + answer.weight()).unwrap_or(u32::MAX)
                })
                .expire_after(Beyond(beyond))
                .build()
        };
        Self {
            fresh: kept(Duration::ZERO),
            stale: kept(stale_if_error),
            loads: Loads::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale_hits: AtomicU64::new(0),
        }
    }

    /// The answer that is kept for this key, and its age in seconds.
    pub(crate) async fn kept(&self, key: &str) -> Option<(Arc<CachedResponse>, u64)> {
        let answer = self.fresh.get(key).await?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        let age = answer.made.elapsed().as_secs();
        Some((answer, age))
    }

    /// The answer of this key, which is not kept, made by `load`, which runs once for all that wait
    /// for it and goes on if they leave. With it comes its age in seconds, if it is an older one.
    ///
    /// # Errors
    /// Those of `load`, unless the source failed and an older answer may be given.
    pub(crate) async fn load<F>(
        &self,
        key: String,
        load: F,
    ) -> Result<(Arc<CachedResponse>, Option<u64>), Problem>
    where
        F: Future<Output = Result<CachedResponse, Problem>> + 'static,
    {
        let loading = self.join(&key, load);
        self.misses.fetch_add(1, Ordering::Relaxed);
        let problem = match loading.await {
            Ok(answer) => return Ok((answer, None)),
            Err(problem) => problem,
        };
        if matches!(problem.status().as_u16(), 502..=504)
            && let Some(answer) = self.stale.get(&key).await
        {
            self.stale_hits.fetch_add(1, Ordering::Relaxed);
            let age = answer.made.elapsed().as_secs();
            return Ok((answer, Some(age)));
        }
        Err(problem)
    }

    /// What waits for the answer of this key, which `load` makes unless it is being made.
    fn join<F>(&self, key: &str, load: F) -> Shared<BoxFuture<'static, Outcome>>
    where
        F: Future<Output = Result<CachedResponse, Problem>> + 'static,
    {
        let mut all = self.loads.all();
        let entry = match all.entry(key.to_owned()) {
            Entry::Occupied(entry) => return entry.get().clone(),
            Entry::Vacant(entry) => entry,
        };
        let (fresh, stale) = (self.fresh.clone(), self.stale.clone());
        let loading = Loading { loads: self.loads.clone(), key: key.to_owned() };
        let task = actix_web::rt::spawn(async move {
            let answer = Arc::new(load.await?);
            if !answer.fresh_for.is_zero() {
                fresh.insert(loading.key.clone(), Arc::clone(&answer)).await;
                stale.insert(loading.key.clone(), Arc::clone(&answer)).await;
            }
            Ok(answer)
        });
        // What makes it has panicked, or its thread is ending.
        let failed = |_| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Problem::new(status, "internal", "the gateway failed"))
        };
        entry.insert(task.map(move |ended| ended.unwrap_or_else(failed)).boxed().shared()).clone()
    }

    pub(crate) fn counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            stale_hits: self.stale_hits.load(Ordering::Relaxed),
            answers: self.fresh.entry_count(),
            bytes: self.fresh.weighted_size(),
        }
    }
}

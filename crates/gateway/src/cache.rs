//! Answers that are kept for a while, and requests that are equal and simultaneous made one.
//!
//! A key names the table, the writes it has seen, what is asked and by whom, so that nothing has to
//! be thrown away: after a write nobody asks by the old key.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{Expiry, future};

use crate::{Problem, answer::Answer};

type Kept = future::Cache<String, Arc<Answer>>;

/// The answers that are kept.
pub(crate) struct Cache {
    fresh: Kept,
    /// Answers whose time may be over, for when there is no other.
    stale: Kept,
    hits: AtomicU64,
    loads: AtomicU64,
    stale_hits: AtomicU64,
}

/// What the cache has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheCounts {
    pub(crate) hits: u64,
    pub(crate) loads: u64,
    pub(crate) stale_hits: u64,
    pub(crate) answers: u64,
    pub(crate) bytes: u64,
}

/// How long an answer is kept beyond its own time.
struct Beyond(Duration);

impl Expiry<String, Arc<Answer>> for Beyond {
    fn expire_after_create(
        &self,
        _: &String,
        answer: &Arc<Answer>,
        _: Instant,
    ) -> Option<Duration> {
        Some(answer.fresh_for.saturating_add(self.0))
    }

    fn expire_after_update(
        &self,
        key: &String,
        answer: &Arc<Answer>,
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
                .weigher(|key: &String, answer: &Arc<Answer>| {
                    u32::try_from(key.len() + answer.weight()).unwrap_or(u32::MAX)
                })
                .expire_after(Beyond(beyond))
                .build()
        };
        Self {
            fresh: kept(Duration::ZERO),
            stale: kept(stale_if_error),
            hits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            stale_hits: AtomicU64::new(0),
        }
    }

    /// The answer of this key: kept, or made by `load`, which runs once for all that wait for it
    /// and goes on if they leave. With it comes its age in seconds, if it was kept.
    ///
    /// # Errors
    /// Those of `load`, unless the source failed and an older answer may be given.
    pub(crate) async fn get<F>(
        &self,
        key: String,
        load: F,
    ) -> Result<(Arc<Answer>, Option<u64>), Problem>
    where
        F: Future<Output = Result<Answer, Problem>> + 'static,
    {
        if let Some(answer) = self.fresh.get(&key).await {
            self.hits.fetch_add(1, Ordering::Relaxed);
            let age = answer.made.elapsed().as_secs();
            return Ok((answer, Some(age)));
        }
        self.loads.fetch_add(1, Ordering::Relaxed);
        let (fresh, own) = (self.fresh.clone(), key.clone());
        let loading = actix_web::rt::spawn(async move {
            fresh.try_get_with(own, async { load.await.map(Arc::new) }).await
        });
        let problem = match loading.await {
            Ok(Ok(answer)) => {
                if !answer.fresh_for.is_zero() {
                    self.stale.insert(key, Arc::clone(&answer)).await;
                }
                return Ok((answer, None));
            }
            Ok(Err(problem)) => Problem::clone(&problem),
            // What loads it has panicked, or the thread is ending.
            Err(_) => Problem::new(
                actix_web::http::StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the gateway failed",
            ),
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

    pub(crate) fn counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            loads: self.loads.load(Ordering::Relaxed),
            stale_hits: self.stale_hits.load(Ordering::Relaxed),
            answers: self.fresh.entry_count(),
            bytes: self.fresh.weighted_size(),
        }
    }
}

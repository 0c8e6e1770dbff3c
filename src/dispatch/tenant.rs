//! A handle with credentials of its own, as each of its calls carries it: its tokens, and resources
//! of its own that no other handle can use up. Knows neither who holds it nor what it requests.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::SharedBreaker;
use crate::{
    config::PoolConfig,
    rate_limit::{Hold, KeyedRateLimiter},
    retry::Budget,
    token_manager::{Credentials, TokenSet},
};

/// The state of one handle, shared by all its clones and calls.
pub(crate) struct Tenant {
    pub(crate) tokens: Arc<TokenSet>,
    /// The wait that the API requested of this handle alone.
    pub(crate) hold: Hold,
    /// `None` if the pool has no breaker, or a shared one.
    pub(crate) circuit: Option<SharedBreaker>,
    pub(crate) budget: Mutex<Budget>,
    /// The bytes of pages that its streams have in memory.
    pub(super) page_bytes: Arc<AtomicUsize>,
    /// The rate limits of its calls that have a rate key.
    pub(crate) keys: Option<KeyedRateLimiter<Arc<str>>>,
    calls: AtomicUsize,
    is_closed: AtomicBool,
}

impl Tenant {
    pub(crate) fn new(config: &PoolConfig, credentials: Credentials, now: Instant) -> Self {
        Self {
            tokens: Arc::new(config.token_set(credentials, now)),
            hold: Hold::new(),
            circuit: SharedBreaker::of_tenant(config),
            budget: Mutex::new(Budget::new(config.retry_budget, now)),
            page_bytes: Arc::default(),
            keys: config.keys(),
            calls: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        }
    }

    /// How many of its calls are open.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts one more call. Must be called with the job table locked, like the next.
    pub(super) fn enter(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one call less.
    pub(super) fn leave(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// Refuses its further calls.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::request::Request;

    #[test]
    fn security_10_the_keys_of_a_handle_crowd_out_none_of_another() {
        let config = PoolConfig {
            rate_limit_per_key: Some("0.001".parse().unwrap()),
            ..PoolConfig::new("http://localhost")
        };
        let tenant = || {
            let acquire = || ready(Ok::<_, std::io::Error>("token"));
            let credentials = Credentials::from_callback(1, acquire, |r: Request, _: &str| r);
            Tenant::new(&config, credentials, Instant::now())
        };
        let (a, b) = (tenant(), tenant());
        let served = |tenant: &Tenant, n: u32| {
            let key = Arc::<str>::from(n.to_string());
            tenant.keys.as_ref().unwrap().try_acquire(&key).is_ok()
        };
        let crowd = (0..70_000).filter(|n| served(&a, *n)).count();
        assert_eq!(crowd, 65_537);
        assert!((0..100).all(|n| served(&b, n)));
        assert!((0..100).all(|n| !served(&b, n)));
    }
}

//! The public handle of an enforcer: the ledger behind a lock, with the clock and the keyed
//! hash that identifies each client.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex},
    time::Instant,
};

#[cfg(feature = "actix-web")]
use super::client_of::{ClientOf, peer};
use super::{
    decision::RateLimitDecision,
    ledger::{Client, Ledger},
    policy::RateLimitPolicy,
};
use crate::{error::Error, lock::lock};

/// Enforces rate-limit policies on the clients of a server, and reports the remaining quota to
/// them.
///
/// All clones count together. A client is identified by a keyed hash of its key, so that no
/// secret is stored. A client with its whole quota left takes memory only for a short time; any
/// other takes about 200 bytes and 100 for each policy (measured by `cargo test --test process
/// keys::`). At most 100,000 clients are tracked at a time, or
/// [`max_clients`](Self::max_clients). One more replaces the client that used least, and starts
/// with at least the usage of that client: in a crowd of clients with one request each, it has
/// its whole quota except for one or two. If the clients that used least have nothing left
/// either, further clients share one quota until there is room.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};
///
/// let enforcer = RateLimitPolicyEnforcer::new([
///     RateLimitPolicy::token_bucket("burst", 20, Duration::from_secs(1)),
///     RateLimitPolicy::fixed_window("hourly", 5_000, Duration::from_secs(3_600)),
/// ])?;
/// let decision = enforcer.check("client-7");
/// assert!(decision.is_admitted());
/// assert_eq!(decision.headers()[0].1, r#""burst";q=20;w=1, "hourly";q=5000;w=3600"#);
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
#[cfg_attr(
    feature = "actix-web",
    doc = "
With the feature `actix-web` it is a middleware:

```
use actix_web::{App, web};
# use std::time::Duration;
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

let minute = Duration::from_secs(60);
let enforcer = RateLimitPolicyEnforcer::new([RateLimitPolicy::fixed_window(\"default\", 100, minute)])?;
// In the closure of `HttpServer::new`, so that its workers count together.
let app = App::new().wrap(enforcer.clone()).route(\"/\", web::get().to(async || \"hello\"));
# Ok::<(), vantage_api_pool::Error>(())
```

A request that is refused is answered with 429, `Retry-After` and a body of type
`application/problem+json`. Every answer of the application carries the header fields, but for
the errors of middlewares within. A client is the address of the peer unless
[`client_by_header`](Self::client_by_header) or [`client_by`](Self::client_by) says otherwise. In
IPv6 a client is a /64; beside it, a /56 as a whole has 8 times the quota and a /48 has 32 times,
and both take a place among the clients. Behind a reverse proxy all clients have the proxy's address, so it must be said there
by what the proxy tells of them, such as
`client_by(|request| request.connection_info().realip_remote_addr().map(str::to_owned))`, as
long as the proxy sets the field anew and nobody gets past it."
)]
#[derive(Clone)]
pub struct RateLimitPolicyEnforcer {
    policies: Arc<[RateLimitPolicy]>,
    ledger: Arc<Mutex<Ledger>>,
    pub(super) hasher: RandomState,
    has_legacy_headers: bool,
    #[cfg(feature = "actix-web")]
    pub(super) client_of: ClientOf,
}

impl RateLimitPolicyEnforcer {
    /// Enforces `policies`, all of them for every request.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no policy, two have the same
    /// name, or one has a name that is not printable ASCII, a quota of zero or a window that is not
    /// of whole seconds.
    pub fn new(policies: impl IntoIterator<Item = RateLimitPolicy>) -> Result<Self, Error> {
        let policies: Arc<[RateLimitPolicy]> = policies.into_iter().collect();
        policies.iter().try_for_each(RateLimitPolicy::validate)?;
        let is_double = |(n, policy): (usize, &RateLimitPolicy)| {
            policies[..n].iter().any(|other| other.name == policy.name)
        };
        if policies.is_empty() {
            return Err(Error::config("policies: there must be at least one"));
        }
        if policies.iter().enumerate().any(is_double) {
            return Err(Error::config("policy name: two policies have the same"));
        }
        Ok(Self {
            ledger: Arc::new(Mutex::new(Ledger::new(&policies, Instant::now()))),
            policies,
            hasher: RandomState::new(),
            has_legacy_headers: false,
            #[cfg(feature = "actix-web")]
            client_of: Arc::new(peer),
        })
    }

    /// How many clients are tracked at a time, by all clones together: 100,000 by default.
    #[must_use]
    pub fn max_clients(self, clients: usize) -> Self {
        lock(&self.ledger).set_max_clients(clients);
        self
    }

    /// Also sends `RateLimit-Limit`, `-Remaining` and `-Reset`, with and without the prefix `X-`,
    /// as was common before the draft: for the policy with the least remaining, and with the reset
    /// in seconds from now.
    #[must_use]
    pub fn legacy_headers(mut self) -> Self {
        self.has_legacy_headers = true;
        self
    }

    /// Decides about a request of `client`, which counts if it is admitted. The key that
    /// identifies a client may be anything that hashes; it is not stored.
    pub fn check<K: Hash + ?Sized>(&self, client: &K) -> RateLimitDecision {
        self.decide(self.hasher.hash_one(client), Instant::now())
    }

    pub(super) fn decide(&self, client: impl Into<Client>, now: Instant) -> RateLimitDecision {
        let client = client.into();
        RateLimitDecision {
            standings: lock(&self.ledger).decide(&self.policies, client, now),
            policies: Arc::clone(&self.policies),
            client: client.id,
            has_legacy_headers: self.has_legacy_headers,
        }
    }
}

impl fmt::Debug for RateLimitPolicyEnforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitPolicyEnforcer")
            .field("policies", &self.policies)
            .field("clients", &lock(&self.ledger).clients())
            .finish_non_exhaustive()
    }
}

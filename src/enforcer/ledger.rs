//! The usage of every client under every policy, in bounded memory, and the decision about a
//! request. Has no clock of its own, and knows clients by numbers only.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::policy::{Meter, RateLimitPolicy};

/// How many clients are tracked at a time by default.
const MAX_CLIENTS: usize = 100_000;

/// How many clients are checked for removal for each one that is added.
const LOOKS: usize = 4;

/// The rank of a client whose first request is about to be counted: it is forgotten last.
const UNCOUNTED: Duration = Duration::MAX;

/// Up to this number of clients memory is not given back.
const KEPT: usize = 1024;

/// One meter for each policy, in their order.
type Meters = Box<[Meter]>;

/// Who a request counts for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    /// The networks around it, the widest first, each with the multiple of the quota it has.
    pub(super) networks: Option<[(u64, u32); 2]>,
}

impl Client {
    fn networks(self) -> impl Iterator<Item = (u64, u32)> {
        self.networks.into_iter().flatten()
    }
}

impl From<u64> for Client {
    /// A client without networks.
    fn from(id: u64) -> Self {
        Self { id, networks: None }
    }
}

/// The state of one policy after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether there was no quota left for the request.
    pub(super) is_violated: bool,
    pub(super) remaining: u32,
    pub(super) more_in: Option<Duration>,
}

impl Standing {
    /// The state of a client without any usage.
    fn free(quota: u32) -> Self {
        Self { is_violated: false, remaining: quota, more_in: None }
    }

    /// Counts a request in `meter` if it is admitted, and adopts the state of that if it is less.
    fn tighten(&mut self, meter: &mut Meter, is_admitted: bool, now: Instant) {
        self.is_violated |= meter.remaining(now) == 0;
        if is_admitted {
            meter.take(now);
        }
        let (remaining, more_in) = (meter.remaining(now), meter.more_in(now));
        if (remaining, Reverse(more_in)) < (self.remaining, Reverse(self.more_in)) {
            (self.remaining, self.more_in) = (remaining, more_in);
        }
    }
}

/// The usage of one client, or of a network.
struct Account {
    meters: Meters,
    /// Its position in the order in which accounts are forgotten.
    rank: Duration,
    /// The multiple of the quota it has: 1 for a client.
    times: u32,
}

/// The usage of all clients.
///
/// If there is no room, a new client replaces the client that used least, and starts with at
/// least the usage of that one, so that nobody gains by being forgotten (the algorithm
/// "Space-Saving" of Metwally, Agrawal and El Abbadi, 2005).
pub(super) struct Ledger {
    accounts: HashMap<u64, Account>,
    /// When each would have its quota again if that came back evenly since its last request.
    /// The first is the client that used least.
    order: BTreeSet<(Duration, u64)>,
    most: usize,
    /// For clients without an account; at least the usage of any client that was forgotten.
    common: Meters,
    origin: Instant,
}

impl Ledger {
    pub(super) fn new(policies: &[RateLimitPolicy], now: Instant) -> Self {
        Self {
            accounts: HashMap::new(),
            order: BTreeSet::new(),
            most: MAX_CLIENTS,
            common: meters(policies, now, 0, 1, now),
            origin: now,
        }
    }

    pub(super) fn set_max_clients(&mut self, clients: usize) {
        self.most = clients;
    }

    pub(super) fn clients(&self) -> usize {
        self.accounts.len()
    }

    /// Admits a request of `client`, which then counts under every policy, or refuses it
    /// if any policy has nothing left for the client or a network around it; then it counts under
    /// none.
    pub(super) fn decide(
        &mut self,
        policies: &[RateLimitPolicy],
        client: impl Into<Client>,
        now: Instant,
    ) -> Vec<Standing> {
        let client = client.into();
        // Networks first: if they have nothing left, the client needs no account.
        let networks_admit = client.networks().all(|(id, times)| {
            self.enter(policies, id, times, now);
            self.accounts.get(&id).is_none_or(|network| has_quota(&network.meters, now))
        });
        let is_admitted = networks_admit && {
            self.enter(policies, client.id, 1, now);
            let own = self.accounts.get(&client.id).map_or(&self.common, |own| &own.meters);
            has_quota(own, now)
        };
        let mut standings: Vec<_> = policies.iter().map(|p| Standing::free(p.quota)).collect();
        for (id, times) in client.networks().chain([(client.id, 1)]) {
            let meters = match self.accounts.get_mut(&id) {
                Some(account) => &mut account.meters,
                None if times == 1 && networks_admit => &mut self.common,
                None => continue,
            };
            for (standing, meter) in standings.iter_mut().zip(meters) {
                standing.tighten(meter, is_admitted, now);
            }
            self.rank(id, now);
        }
        standings
    }

    /// Adds an account of `id`, if there is room for it.
    fn enter(&mut self, policies: &[RateLimitPolicy], id: u64, times: u32, now: Instant) {
        if self.accounts.contains_key(&id) {
            return;
        }
        self.sweep(now);
        if self.accounts.len() >= self.most && !self.forget_one(now) {
            return;
        }
        let mut own = meters(policies, self.origin, id, times, now);
        if times == 1 {
            for (own, common) in own.iter_mut().zip(&self.common) {
                // Any part of the shared usage may be from this client.
                if !common.is_spent(now) {
                    own.clone_from(common);
                }
            }
        }
        let rank = UNCOUNTED;
        self.accounts.insert(id, Account { meters: own, rank, times });
        self.order.insert((rank, id));
    }

    /// Forgets some of the accounts that are equal to new ones.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..LOOKS {
            // Except those whose first request is about to be counted.
            let first = self.order.first().filter(|(rank, _)| *rank < UNCOUNTED);
            let Some(&(_, first)) = first else { break };
            let account = self.accounts.get(&first);
            if !account.is_none_or(|first| first.meters.iter().all(|meter| meter.is_spent(now))) {
                break;
            }
            self.remove(first);
        }
        if self.accounts.capacity() > KEPT.max(self.accounts.len() * 4) {
            self.accounts.shrink_to(self.accounts.len() * 2);
        }
    }

    /// Forgets the client that used least, if it has any quota left: a new client starts with what
    /// is left.
    fn forget_one(&mut self, now: Instant) -> bool {
        let account = |id: &u64| self.accounts.get(id);
        let may_go = |id: &u64| account(id).is_some_and(|a| has_quota(&a.meters, now));
        let least = self.order.iter().map(|(_, id)| *id).take(LOOKS).find(may_go);
        let Some(least) = least.filter(|_| has_quota(&self.common, now)) else { return false };
        if let Some(account) = self.remove(least).filter(|account| account.times == 1) {
            for (common, own) in self.common.iter_mut().zip(&account.meters) {
                common.fold(own, now);
            }
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Account> {
        let account = self.accounts.remove(&id)?;
        self.order.remove(&(account.rank, id));
        Some(account)
    }

    /// Updates the position of the account of `id`, if there is one, after a request at `now`.
    fn rank(&mut self, id: u64, now: Instant) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let used = account.meters.iter().map(|meter| meter.worth(now)).max().unwrap_or_default();
        // A network ranks by its number of requests, not by the part of its larger quota.
        let used = used.saturating_mul(account.times);
        let rank = now.saturating_duration_since(self.origin).saturating_add(used);
        self.order.remove(&(account.rank, id));
        self.order.insert((rank, id));
        account.rank = rank;
    }
}

fn has_quota(meters: &Meters, now: Instant) -> bool {
    meters.iter().all(|meter| meter.remaining(now) > 0)
}

/// The meters of a new client. Its number decides when its windows begin.
fn meters(
    policies: &[RateLimitPolicy],
    origin: Instant,
    client: u64,
    times: u32,
    now: Instant,
) -> Meters {
    let meter = |policy: &RateLimitPolicy| {
        let offset = (policy.window.as_nanos() * u128::from(client)) >> u64::BITS;
        policy.meter(origin, Duration::from_nanos_u128(offset), times, now)
    };
    policies.iter().map(meter).collect()
}

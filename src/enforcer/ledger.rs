//! What every client has used of every policy, in bounded memory, and the decision about a
//! request. Knows no clock but the time it is given, and clients by numbers only.

use std::time::{Duration, Instant};

use super::policy::{Meter, RateLimitPolicy};
use crate::rate_limit::KeyTable;

/// How many clients are told apart at a time unless it is said otherwise.
const MAX_CLIENTS: usize = 100_000;

/// One meter for each policy, in their order.
type Meters = Box<[Meter]>;

/// What one policy says after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it had nothing left for the request.
    pub(super) is_violated: bool,
    pub(super) remaining: u32,
    pub(super) more_in: Option<Duration>,
}

/// The counts of all clients.
pub(super) struct Ledger {
    clients: KeyTable<u64, Meters>,
    /// For clients for which there is no room.
    common: Meters,
    origin: Instant,
}

impl Ledger {
    pub(super) fn new(policies: &[RateLimitPolicy], now: Instant) -> Self {
        let common = meters(policies, now, 0, now);
        Self { clients: KeyTable::new(MAX_CLIENTS), common, origin: now }
    }

    pub(super) fn set_max_clients(&mut self, clients: usize) {
        self.clients.set_most(clients);
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Admits a request of `client`, which then counts under every policy, or refuses it
    /// when any has nothing left; then it counts under none.
    pub(super) fn decide(
        &mut self,
        policies: &[RateLimitPolicy],
        client: u64,
        now: Instant,
    ) -> Vec<Standing> {
        let meters = self.meters(policies, client, now);
        let has_quota = |meter: &Meter| meter.remaining(now) > 0;
        let is_admitted = meters.iter().all(has_quota);
        let count = |meter: &mut Meter| {
            let is_violated = !has_quota(meter);
            if is_admitted {
                meter.take(now);
            }
            let (remaining, more_in) = (meter.remaining(now), meter.more_in(now));
            Standing { is_violated, remaining, more_in }
        };
        meters.iter_mut().map(count).collect()
    }

    fn meters(&mut self, policies: &[RateLimitPolicy], client: u64, now: Instant) -> &mut Meters {
        let Self { clients, common, origin } = self;
        let is_new = clients.get_mut(&client).is_none();
        if is_new && clients.make_room(|meters| meters.iter().all(|meter| meter.is_spent(now))) {
            let mut own = meters(policies, *origin, client, now);
            for (own, common) in own.iter_mut().zip(&*common) {
                // Any part of what was used in common may be this client's.
                if !common.is_spent(now) {
                    own.clone_from(common);
                }
            }
            clients.insert(client, own);
        }
        clients.get_mut(&client).unwrap_or(common)
    }
}

/// The meters of a new client. Its number decides when its windows begin.
fn meters(policies: &[RateLimitPolicy], origin: Instant, client: u64, now: Instant) -> Meters {
    let meter = |policy: &RateLimitPolicy| {
        let offset = (policy.window.as_nanos() * u128::from(client)) >> u64::BITS;
        policy.meter(origin, Duration::from_nanos_u128(offset), now)
    };
    policies.iter().map(meter).collect()
}

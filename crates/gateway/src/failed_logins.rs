//! How often a network may fail to log in. Whoever fails too often is refused, whatever it sends,
//! until the window is over.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

use crate::error::Error;

/// The most networks that are remembered as refused.
const MAX_REFUSED: usize = 100_000;
const WINDOW: Duration = Duration::from_secs(60);

/// The failures of all networks.
pub(crate) struct FailedLogins {
    enforcer: RateLimitPolicyEnforcer,
    refused: Mutex<HashMap<Network, Instant>>,
}

/// What one client cannot change at will: an IPv4 address, or a /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4([u8; 4]),
    V6(u64),
    /// Peers without an address, as over a Unix socket, are one.
    Unknown,
}

impl Network {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                Self::V6(u64::try_from(u128::from(address) >> 64).unwrap_or_default())
            }
            None => Self::Unknown,
        }
    }
}

impl FailedLogins {
    pub(crate) fn new(most: u32) -> Result<Self, Error> {
        let policy = RateLimitPolicy::fixed_window("failed-logins", most, WINDOW);
        let enforcer = RateLimitPolicyEnforcer::new([policy])
            .map_err(|error| Error::Setting(format!("limits: max_failed_logins: {error}")))?;
        Ok(Self { enforcer, refused: Mutex::default() })
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<Network, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long this network is refused from `now` on, in seconds, if it is.
    pub(crate) fn refusal(&self, network: Network, now: Instant) -> Option<u64> {
        let mut refused = self.refused();
        if refused.is_empty() {
            return None;
        }
        let until = *refused.get(&network)?;
        if until <= now {
            refused.remove(&network);
            return None;
        }
        Some(until.duration_since(now).as_secs().max(1))
    }

    /// Counts a failure, the last of which refuses the network.
    pub(crate) fn note(&self, network: Network, now: Instant) {
        let decision = self.enforcer.check(&network);
        let is_last = decision.headers().iter().any(|(name, value)| {
            *name == "ratelimit" && value.split(';').any(|part| part == "r=0")
        });
        if decision.is_admitted() && !is_last {
            return;
        }
        let wait = decision.retry_after().unwrap_or(WINDOW);
        let mut refused = self.refused();
        if refused.len() >= MAX_REFUSED {
            refused.retain(|_, until| *until > now);
        }
        if refused.len() < MAX_REFUSED {
            refused.insert(network, now + wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_fails_too_often_is_refused_for_a_while() {
        let logins = FailedLogins::new(3).unwrap();
        let (now, network) = (Instant::now(), Network::of("192.0.2.1".parse().ok()));
        for _ in 0..2 {
            logins.note(network, now);
            assert_eq!(logins.refusal(network, now), None);
        }
        logins.note(network, now);
        let wait = logins.refusal(network, now).unwrap();
        assert!((1..=60).contains(&wait));
        assert_eq!(logins.refusal(Network::of("192.0.2.2".parse().ok()), now), None);
        assert_eq!(logins.refusal(network, now + Duration::from_secs(61)), None);
    }

    #[test]
    fn a_network_of_ipv6_is_a_64() {
        let of = |text: &str| Network::of(text.parse().ok());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}

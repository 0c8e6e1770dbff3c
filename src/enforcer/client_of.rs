//! Identifies the clients of an actix-web application: by their network unless set otherwise.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Arc,
};

use actix_web::dev::ServiceRequest;

use super::ledger::Client;

/// The multiple of the quota for a /48 and a /56 of IPv6; one client is a /64.
const NETWORKS: [(u32, u32); 2] = [(48, 32), (56, 8)];

/// Identifies the clients of an application.
pub(super) type ClientOf = Arc<dyn Fn(&ServiceRequest, &RandomState) -> Client + Send + Sync>;

/// The peer of a request; all peers without an address are one client, as over a Unix socket.
pub(super) fn peer(request: &ServiceRequest, hasher: &RandomState) -> Client {
    client_at(request.peer_addr().map(|address| address.ip()), hasher)
}

/// The client at an address: in IPv6 the prefix that one client cannot change at will, and the
/// networks around it, which may belong to one client too.
pub(super) fn client_at(address: Option<IpAddr>, hasher: &RandomState) -> Client {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let network = |bits: u32| hasher.hash_one((bits, u128::from(address) >> (128 - bits)));
            let networks = NETWORKS.map(|(bits, times)| (network(bits), times));
            Client { id: network(64), networks: Some(networks) }
        }
        address => hasher.hash_one(address).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let hasher = RandomState::new();
        let client = |address: &str| client_at(address.parse().ok(), &hasher);
        let same = |one: &str, two: &str| client(one).id == client(two).id;
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        let networks = |address: &str| client(address).networks.unwrap();
        assert_eq!(networks("2001:db8:1:200::1"), networks("2001:db8:1:2ff::1"));
        let (one, two) = (networks("2001:db8:1:200::1"), networks("2001:db8:1:300::1"));
        assert!(one[0] == two[0] && one[1] != two[1]);
        assert_ne!(one[0], networks("2001:db8:2:200::1")[0]);
        assert!(client("192.0.2.1").networks.is_none());
    }
}

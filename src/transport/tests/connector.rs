//! The socket options of a pool, as the system reports them.

use std::{sync::Arc, time::Duration};

use socket2::SockRef;

use super::{RawServer, bounded};
use crate::{
    config::PoolConfig,
    transport::{connector::Connector, stream::Stream},
};

/// The connection that a pool of these settings opens.
async fn opened(set: impl FnOnce(&mut PoolConfig)) -> Stream {
    let server = RawServer::answering("");
    let mut config = PoolConfig::new(server.url());
    set(&mut config);
    let settings = config.validate().unwrap().transport(0, Arc::default());
    bounded(Connector::new(&settings).connect()).await.unwrap()
}

#[actix::test]
async fn tcp_nodelay_is_on_unless_it_is_turned_off() {
    assert!(opened(|_| {}).await.tcp().nodelay().unwrap());
    assert!(!opened(|config| config.tcp_nodelay = false).await.tcp().nodelay().unwrap());
}

#[actix::test]
async fn tcp_keepalive_is_off_unless_it_is_set_with_its_interval_and_retries() {
    let plain = opened(|_| {}).await;
    assert!(!SockRef::from(plain.tcp()).keepalive().unwrap());
    let probed = opened(|config| {
        config.tcp_keepalive = Some(Duration::from_secs(77));
        config.tcp_keepalive_interval = Some(Duration::from_secs(7));
        config.tcp_keepalive_retries = Some(4);
    })
    .await;
    let socket = SockRef::from(probed.tcp());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
}

#[test]
fn the_minimum_is_spread_over_the_workers() {
    let mut config = PoolConfig::new("http://localhost");
    (config.workers, config.min_connections) = (3, 8);
    let mut config = config.validate().unwrap();
    assert_eq!([0, 1, 2].map(|slot| config.kept_connections(slot, 3)), [3, 3, 2]);
    assert_eq!([0, 1, 2, 3, 4].map(|slot| config.kept_connections(slot, 5)), [2, 2, 2, 1, 1]);
    config.settings.connections_per_worker = 3;
    assert_eq!([0, 1].map(|slot| config.kept_connections(slot, 2)), [3, 3], "its most");
}

//! HTTP proxies that open tunnels, or do not. They are raw servers, so what they were
//! asked is in `seen().heads`.

use std::net::SocketAddr;

use super::raw_server::RawServer;

/// What a proxy says when the tunnel is open.
pub const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that takes every host for `address`, says `answer`, and opens the tunnel.
pub fn saying(answer: &'static str, address: SocketAddr) -> RawServer {
    RawServer::start(move |mut peer| async move {
        if peer.head().await.is_some() && peer.write(answer.as_bytes()).await {
            peer.tunnel(address).await;
        }
    })
}

/// A proxy that takes every host for `address` and opens the tunnel.
pub fn to(address: SocketAddr) -> RawServer {
    saying(OPEN, address)
}

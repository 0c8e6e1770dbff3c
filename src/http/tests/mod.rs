//! What the transport promises, tested over real sockets and on pure state.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/support/raw_server.rs"]
mod raw_server;

mod body;
mod exchange;
mod head;
mod partition;
mod target;
mod wire;

use std::{future::Future, time::Duration};

use raw_server::{LIMIT, RawServer};

use super::{BaseUrl, Client, Request, Response, Settings, tls};
use crate::error::Error;

/// Settings with short limits: a body of 1 MiB, half a second of idle reading.
fn settings() -> Settings {
    let mut headers = http::HeaderMap::new();
    headers.insert("user-agent", http::HeaderValue::from_static("test"));
    Settings {
        headers,
        tls: tls::client_config(&[]).unwrap(),
        connect_timeout: Duration::from_secs(1),
        read_idle_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_secs(15),
        max_lifetime: Duration::from_secs(300),
        max_body_bytes: 1024 * 1024,
        max_connections: 8,
        gzip: true,
    }
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("took too long")
}

async fn send(client: &Client, server: &RawServer, request: Request) -> Result<Response, Error> {
    let url = BaseUrl::parse(&server.url()).unwrap().join(request.target()).unwrap();
    bounded(client.send(&request, &url)).await
}

async fn get(client: &Client, server: &RawServer) -> Result<Response, Error> {
    send(client, server, Request::get("/rows")).await
}

/// One GET by a new client to a server that answers it with `pieces` and closes.
async fn answer_of(pieces: &[&[u8]]) -> Result<Response, Error> {
    let server = RawServer::answering_once(pieces);
    get(&Client::new(&settings()), &server).await
}

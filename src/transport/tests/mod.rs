//! What the transport promises, tested over real sockets and on pure state.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/support/raw_server.rs"]
mod raw_server;

mod body;
mod connector;
mod exchange;
mod head;
mod partition;
mod wire;

use std::{cell::OnceCell, future::Future, sync::Arc, time::Duration};

use raw_server::{LIMIT, RawServer};

use super::{Settings, tls};
use crate::error::Error;
use crate::{base_url::BaseUrl, request::Request, response::Response};

/// A client of the server to which it first sends.
struct Client {
    settings: Settings,
    client: OnceCell<super::Client>,
}

impl Client {
    fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone(), client: OnceCell::new() }
    }

    async fn send(&self, request: &Request, url: &http::Uri) -> Result<Response, Error> {
        let settings = Settings { base: url.clone(), ..self.settings.clone() };
        self.client.get_or_init(|| super::Client::new(&settings)).send(request, url).await
    }
}

/// Settings with a short limit, a body of 1 MiB, and with timeouts for which a busy machine leaves
/// no server without a turn.
fn settings() -> Settings {
    let mut headers = http::HeaderMap::new();
    headers.insert("user-agent", http::HeaderValue::from_static("test"));
    Settings {
        base: http::Uri::from_static("http://localhost/"),
        headers,
        tls: tls::client_config(&[], false, None).unwrap(),
        connect_timeout: Duration::from_secs(60),
        read_idle_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(15),
        max_lifetime: Duration::from_secs(300),
        max_body_bytes: 1024 * 1024,
        max_error_body_bytes: 64 * 1024,
        kept_connections: 0..=8,
        proxy: None,
        tcp_nodelay: true,
        tcp_keepalive: None,
        gauge: Arc::default(),
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

/// One GET by a new client to a server that responds with `pieces` and closes.
async fn answer_of(pieces: &[&[u8]]) -> Result<Response, Error> {
    let server = RawServer::answering_once(pieces);
    get(&Client::new(&settings()), &server).await
}

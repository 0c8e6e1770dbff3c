//! A gateway in this process, tables for it, and a client that sends exactly the bytes it is told.

mod http;
mod shells;
mod tables;

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;
use vantage_api_gateway::{
    Gateway, GatewayBuilder, GatewayHandle,
    auth::{Principal, Tokens},
};

pub(crate) use http::{Answer, Connection, json};
pub(crate) use shells::{Gate, chained, transactional};
pub(crate) use tables::{cities, cities_mock, city, countries, text};

/// The longest wait of a test.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A gateway that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) handle: GatewayHandle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves on a free port, without waiting for anything at the end.
    pub(crate) fn start(builder: GatewayBuilder) -> Self {
        Self::with_drain(builder, Duration::ZERO, Duration::ZERO)
    }

    pub(crate) fn with_drain(
        builder: GatewayBuilder,
        notice: Duration,
        deadline: Duration,
    ) -> Self {
        let gateway =
            builder.bind(([127, 0, 0, 1], 0)).workers(2).drain(notice, deadline).build().unwrap();
        let handle = gateway.handle();
        let (end, ended) = oneshot::channel::<()>();
        let (told, address) = mpsc::channel();
        let own = gateway.handle();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                actix_web::rt::spawn(async move {
                    let _ = told.send(own.address().await);
                });
                let end = async {
                    let _ = ended.await;
                };
                gateway.run_until(end).await.unwrap();
            });
        });
        let address = address.recv_timeout(LONG).unwrap().unwrap();
        Self { address, handle, end: Some(end), thread: Some(thread) }
    }

    /// Sends a request with a body and no more fields than these, on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        Connection::open(self.address).send(method, path, fields, body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    /// Sends a JSON body.
    pub(crate) fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until `condition` holds, which nobody tells of.
pub(crate) fn until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "it did not come to that");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A builder without authentication or a limit that tests would reach.
pub(crate) fn open() -> GatewayBuilder {
    unlimited(Gateway::builder().without_auth())
}

/// A builder that knows the tokens `ada` (an editor) and `bob`.
pub(crate) fn closed() -> GatewayBuilder {
    let tokens = Tokens::digests([
        (Tokens::digest_of("token-of-ada"), Principal::new("ada").with_role("editor")),
        (Tokens::digest_of("token-of-bob"), Principal::new("bob")),
    ]);
    unlimited(Gateway::builder().auth(tokens.unwrap()))
}

fn unlimited(builder: GatewayBuilder) -> GatewayBuilder {
    use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

    let policy = RateLimitPolicy::token_bucket("principal", 1_000_000, Duration::from_secs(1));
    builder.limit_principals(RateLimitPolicyEnforcer::new([policy]).unwrap())
}

pub(crate) const ADA: (&str, &str) = ("authorization", "Bearer token-of-ada");
pub(crate) const BOB: (&str, &str) = ("x-api-key", "token-of-bob");

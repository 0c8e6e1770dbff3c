//! A gateway with a store and nothing else.

use std::{
    fs::File,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;
use vantage_api_gateway::{
    Gateway, GatewayHandle, Limits,
    kv::{Kv, Settings},
};
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

use crate::{
    clock::PATIENCE,
    raw::Connection,
    store::{settings, store_with},
};

pub(crate) struct Served {
    pub(crate) kv: Kv,
    pub(crate) address: SocketAddr,
    handle: GatewayHandle,
    server: Option<JoinHandle<()>>,
    folder: TempDir,
}

impl Served {
    pub(crate) fn start() -> Self {
        Self::with(settings(), Limits::default())
    }

    pub(crate) fn with(settings: Settings, limits: Limits) -> Self {
        let (kv, folder) = store_with(settings);
        let policy = RateLimitPolicy::token_bucket("test", 1_000_000, Duration::from_secs(1));
        let gateway = Gateway::builder()
            .without_auth()
            .bind(([127, 0, 0, 1], 0))
            .workers(2)
            .limits(limits)
            .limit_principals(RateLimitPolicyEnforcer::new([policy]).unwrap())
            .drain(Duration::ZERO, Duration::from_secs(1))
            .kv(kv.clone())
            .build()
            .unwrap();
        let handle = gateway.handle();
        let server = thread::spawn(move || {
            actix_web::rt::System::new()
                .block_on(gateway.run_until(std::future::pending()))
                .unwrap();
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, handle.address()).await });
        let address = address.unwrap().unwrap();
        Self { kv, address, handle, server: Some(server), folder }
    }

    /// Takes the contents of the store's file away.
    pub(crate) fn cut_off(&self) {
        let file = File::options().write(true).open(self.folder.path().join("kv.redb"));
        file.unwrap().set_len(0).unwrap();
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.drain(Duration::from_secs(1));
        if let Some(server) = self.server.take()
            && server.join().is_err()
            && !thread::panicking()
        {
            panic!("the server has panicked");
        }
    }
}

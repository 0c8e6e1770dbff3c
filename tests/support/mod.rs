//! Servers for the tests to talk to. Know nothing of the crate under test.
//!
//! Each test program compiles this folder for itself and uses a part of it.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod authority;
pub mod held;
pub mod hostile;
pub mod limited;
pub mod mock;
pub mod proxy;
pub mod raw_server;
pub mod relay;
pub mod rest;

/// Waits for something that must happen.
///
/// # Panics
/// When it takes longer than three minutes; the message names `what`.
pub async fn soon<T>(what: &str, future: impl std::future::Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(180);
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

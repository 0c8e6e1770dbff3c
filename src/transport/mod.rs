//! The transport: one attempt of a request over a connection of its own.
//!
//! It lies on the HTTP/1 codec of actix-http, which no other folder names: `client` makes
//! one attempt, `h1` one exchange, `reserve` keeps connections, `dial` opens them,
//! `strict_io` guards their bytes, `body` bounds and decompresses.

mod body;
mod client;
mod dial;
mod exchange;
mod fault;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gauge;
mod h1;
mod head;
mod mend;
mod outage;
mod proxy;
mod race;
mod reserve;
mod stack;
mod stream;
mod strict_io;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod wire;

pub(crate) use client::{Client, Settings};
pub(crate) use dial::SocketOptions;
pub(crate) use gauge::Gauge;
pub(crate) use proxy::Proxy;
pub(crate) use wire::check_headers;

//! Requests and answers as values, and the transport under them.
//!
//! [`Request`] and [`Response`] speak the types of the `http` 1.x crate. Below
//! them lies the HTTP/1 codec of actix-http, which no other folder names: `client` makes
//! one attempt, `h1` one exchange, `reserve` keeps connections, `dial` opens them,
//! `strict_io` guards their bytes, `body` bounds and decompresses, `target` keeps every URL
//! under the base URL.

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
mod mismatch;
mod octets;
mod outage;
mod proxy;
mod race;
mod request;
mod reserve;
mod response;
mod ruling;
mod stack;
mod stream;
mod strict_io;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod wire;

pub(crate) use client::{Client, Settings};
pub(crate) use dial::SocketOptions;
pub(crate) use gauge::Gauge;
pub(crate) use mismatch::Mismatch;
pub(crate) use octets::{RequestTarget, header_text, header_url, without_query};
pub(crate) use proxy::Proxy;
pub use request::Request;
pub(crate) use request::header;
pub(crate) use response::BYTE_ORDER_MARK;
pub use response::Response;
pub(crate) use ruling::{Action, Ruling};
pub(crate) use target::BaseUrl;
pub(crate) use wire::check_headers;

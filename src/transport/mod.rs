//! The transport: one attempt of a request over a connection of its own.
//!
//! It uses awc (`sender`), which no other folder names: `client` makes one attempt,
//! `connection_pool` keeps connections, `connector` opens them, `strict_io` guards their bytes,
//! `body` limits and decompresses bodies,
//! `compressed_file` those that are files.

mod body;
mod body_limit;
#[cfg(feature = "brotli")]
mod brotli;
mod client;
mod compressed_file;
mod connection_pool;
mod connector;
mod decompress;
mod decompressor;
mod exchange;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gauge;
mod gzip;
mod happy_eyeballs;
mod head;
mod mend;
mod no_proxy;
mod proxy;
mod sender;
mod settings;
mod stream;
mod strict_io;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod wire;
#[cfg(feature = "zstd")]
mod zstd;

pub(crate) use client::Client;
pub(crate) use compressed_file::decompressed_file;
pub(crate) use connector::keepalive;
pub(crate) use gauge::Gauge;
pub(crate) use proxy::Proxy;
pub(crate) use settings::Settings;
pub(crate) use wire::check_headers;

//! Why a gateway cannot be built or started.

use std::{io, net::SocketAddr};

/// A setting that is wrong, or an address that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither an authenticator nor its absence was chosen.
    #[error(
        "auth: set an authenticator, or without_auth for a gateway that only this host reaches"
    )]
    NoAuthenticator,
    /// Without authentication, and on an address that others may reach.
    #[error("auth: without authentication the gateway binds to loopback only, not to {0}")]
    OpenToOthers(SocketAddr),
    /// A token is not one.
    #[error("tokens: {0}")]
    Tokens(String),
    /// A setting of a table.
    #[error("table {table}: {what}")]
    Table {
        /// The name of the table.
        table: String,
        /// What is wrong.
        what: String,
    },
    /// A setting of cross-origin requests.
    #[error("cors: {0}")]
    Cors(String),
    /// Another setting; the text begins with its name.
    #[error("{0}")]
    Setting(String),
    /// The key-value store cannot be opened or written.
    #[error("key-value store: {0}")]
    Kv(String),
    /// The server cannot bind or start.
    #[error("{address}: {source}")]
    Io {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn table(table: &str, what: impl Into<String>) -> Self {
        Self::Table { table: table.to_owned(), what: what.into() }
    }
}

//! [pure] What is served over REST and to whom, as data.

mod auth;
mod table;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use indexmap::IndexMap;
use serde::Deserialize;

use super::{RawSettings, forms};

pub use auth::{AuthDescription, TokenDescription};
pub use table::{GatewayTable, Operation, SourceDescription};

/// What is served over REST, and to whom: the key `gateway` of a description.
///
/// | key | value |
/// |---|---|
/// | `auth` | who may make requests: an [`AuthDescription`]. There is no default |
/// | `bind` | the IP address and the port to listen on; by default `127.0.0.1:8080`. Port 0 takes a free one |
/// | `prefix` | the path under which everything is; by default `/api/v1` |
/// | `stats_roles` | the roles that may see statistics and metrics; by default every principal |
/// | `trust_proxies` | the reverse proxies whose word is taken for who makes a request: addresses or networks such as `10.0.0.0/8`; by default none |
/// | `cors` | the pages of other origins that may make requests: [`CorsDescription`]; by default none |
/// | `limits` | the bounds of what clients can make long, large or many: a map, read by the gateway as its `Limits` |
/// | `drain` | how it ends: [`DrainDescription`] |
/// | `kv` | a key-value store: [`KvDescription`] |
/// | `tables` | the tables that are served: a map of their names to [`GatewayTable`]s |
///
/// ```
/// use vantage_api_ingest::description::{Operation, Reader};
///
/// let yaml = r#"
/// api: { base_url: https://api.example.com/v1 }
/// tables:
///   - name: countries
///     id: code
///     columns: { code: text, name: text }
///     api: { item_endpoint: true, writes: { style: rest } }
///   - { name: orders, id: id, columns: { id: int, country: text, total: "decimal(12,2)" } }
/// jobs:
///   copy: { sink: { sqlite: orders.db }, streams: [{ table: orders }] }
/// gateway:
///   auth:
///     tokens:
///       - { id: ada, roles: [editor], token: "${ADA_TOKEN}" }
///   tables:
///     countries: { operations: [patch], writable: [name], writable_by: editor, cache_ttl: 30s }
///     orders: { source: { job: copy }, filterable: [id, country], max_page_size: 1000 }
/// "#;
/// let reader = Reader::new().variable("ADA_TOKEN", "0123456789abcdef");
/// let gateway = reader.read_yaml(yaml)?.gateway.expect("there is one");
/// assert_eq!(gateway.tables["countries"].operations, [Operation::Patch]);
/// # Ok::<(), vantage_api_ingest::description::DescriptionError>(())
/// ```
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayDescription {
    /// The address to listen on.
    #[serde(default = "bind", deserialize_with = "forms::address")]
    pub bind: SocketAddr,
    /// The path under which everything is.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Who may make requests.
    pub auth: AuthDescription,
    /// The roles that may see statistics and metrics; empty for every principal.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub stats_roles: Vec<String>,
    /// The reverse proxies whose word is taken for who makes a request.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub trust_proxies: Vec<String>,
    /// The pages of other origins that may make requests.
    #[serde(default)]
    pub cors: Option<CorsDescription>,
    /// The bounds of what clients can make long, large or many.
    #[serde(default)]
    pub limits: RawSettings,
    /// How it ends.
    #[serde(default)]
    pub drain: DrainDescription,
    /// A key-value store.
    #[serde(default)]
    pub kv: Option<KvDescription>,
    /// The tables that are served, by their names in URLs.
    #[serde(default)]
    pub tables: IndexMap<String, GatewayTable>,
}

fn bind() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
}

fn prefix() -> String {
    "/api/v1".to_owned()
}

/// With the names of its tables alone, since a value may be that of a variable.
impl fmt::Debug for GatewayDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<&String> = self.tables.keys().collect();
        f.debug_struct("GatewayDescription").field("tables", &tables).finish_non_exhaustive()
    }
}

/// The pages of other origins that may make requests:
/// `{ origins: [https://app.example.com], max_age: 10m }`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CorsDescription {
    /// The origins, each as a browser sends it; `"*"` alone is any origin.
    #[serde(deserialize_with = "forms::one_or_many")]
    pub origins: Vec<String>,
    /// How long a browser keeps what it was told of them; by default 10 minutes.
    #[serde(default, deserialize_with = "forms::optional_above_zero")]
    pub max_age: Option<Duration>,
}

impl CorsDescription {
    /// Whether the pages of any origin may make requests.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.origins == ["*"]
    }
}

impl fmt::Debug for CorsDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorsDescription").finish_non_exhaustive()
    }
}

/// How a gateway ends, once it is told to: `{ ready_delay: 5s, timeout: 30s }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DrainDescription {
    /// How long it says that it is not ready, before it accepts no more connections; by default
    /// 5 seconds.
    #[serde(default, deserialize_with = "forms::optional_duration")]
    pub ready_delay: Option<Duration>,
    /// How long after that what is being worked on may take; by default 30 seconds.
    #[serde(default, deserialize_with = "forms::optional_duration")]
    pub timeout: Option<Duration>,
}

/// A key-value store: `{ path: FILE, quota: BYTES, max_value_bytes: BYTES }`, with these and the
/// other settings of the store.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct KvDescription {
    /// Its file, which is made if it is not there. It is relative to the working directory of the
    /// program.
    pub path: PathBuf,
    /// The other keys, read by the gateway as the `Settings` of its store.
    #[serde(skip)]
    pub settings: RawSettings,
}

impl fmt::Debug for KvDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvDescription").finish_non_exhaustive()
    }
}

//! A gateway as it is described.

use std::time::Duration;

use vantage_api_gateway::{
    Cors, Gateway, GatewayBuilder, Limits, Ops, TableConfig,
    auth::{Principal, Tokens},
    kv::{self, Kv, Settings},
};
use vantage_api_ingest::description::{
    AuthDescription, CorsDescription, DescriptionError, GatewayDescription, GatewayTable,
    KvDescription, Operation, TokenDescription,
};

use crate::failure::Failure;

/// How long `/ready` says no, and how long requests may take after that, unless it is said.
const DRAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// Checks what is read as the gateway's own types.
///
/// # Errors
/// With the place in the description, and the key.
pub(super) fn check(described: &GatewayDescription) -> Result<(), DescriptionError> {
    described.limits.read::<Limits>()?;
    match &described.kv {
        Some(kv) => kv.settings.read::<Settings>().map(drop),
        None => Ok(()),
    }
}

/// A gateway without its tables. The file of its key-value store is opened.
pub(super) fn builder(described: &GatewayDescription) -> Result<GatewayBuilder, Failure> {
    let GatewayDescription { bind, prefix, auth, stats_roles, cors, limits, drain, kv, .. } =
        described;
    let (ready_delay, timeout) = DRAIN;
    let mut builder = Gateway::builder()
        .bind(*bind)
        .prefix(prefix)
        .stats_roles(stats_roles)
        .trust_proxies(&described.trust_proxies)
        .limits(limits.read()?)
        .drain(drain.ready_delay.unwrap_or(ready_delay), drain.timeout.unwrap_or(timeout));
    builder = match auth {
        AuthDescription::Tokens(tokens) => {
            let tokens = Tokens::digests(tokens.iter().map(token));
            builder.auth(tokens.map_err(Failure::usage)?)
        }
        AuthDescription::None => builder.without_auth(),
    };
    if let Some(cors) = cors {
        builder = builder.cors(cors_of(cors)?);
    }
    if let Some(kv) = kv {
        builder = builder.kv(store(kv)?);
    }
    Ok(builder)
}

/// The key-value store. Its file is opened.
fn store(described: &KvDescription) -> Result<Kv, Failure> {
    Kv::open(&described.path, described.settings.read()?).map_err(|error| match error {
        kv::Error::Setting(what) => Failure::usage(format!("gateway.kv.{what}")),
        error => Failure::run(error),
    })
}

fn token(described: &TokenDescription) -> (String, Principal) {
    let principal = Principal::new(&described.id);
    (described.digest(), described.roles.iter().fold(principal, Principal::with_role))
}

fn cors_of(described: &CorsDescription) -> Result<Cors, Failure> {
    let cors = match described.is_any() {
        true => Cors::any_origin(),
        false => Cors::origins(&described.origins).map_err(Failure::usage)?,
    };
    Ok(match described.max_age {
        Some(max_age) => cors.max_age(max_age),
        None => cors,
    })
}

/// Adds a table, if it is described.
pub(super) fn with_table(
    builder: GatewayBuilder,
    described: &GatewayDescription,
    name: String,
    config: TableConfig,
) -> GatewayBuilder {
    match described.tables.get(&name) {
        Some(table) => builder.table(name, as_described(config, table)),
        None => builder,
    }
}

fn as_described(config: TableConfig, described: &GatewayTable) -> TableConfig {
    let mut config = config
        .operations(described.operations.iter().map(ops).fold(Ops::NONE, |all, one| all | one))
        .write_only(&described.write_only)
        .require_filter(&described.require_filter)
        .page_size(described.page_size, described.max_page_size)
        .max_bulk_rows(described.max_bulk_rows)
        .relations(&described.relations)
        .readable_by(&described.readable_by)
        .writable_by(&described.writable_by);
    if let Some(columns) = &described.columns {
        config = config.columns(columns);
    }
    if let Some(columns) = &described.writable {
        config = config.writable(columns);
    }
    if let Some(columns) = &described.filterable {
        config = config.filterable(columns);
    }
    if let Some(time) = described.cache_ttl {
        config = config.cache_ttl(time);
    }
    config
}

fn ops(operation: &Operation) -> Ops {
    match operation {
        Operation::Insert => Ops::INSERT,
        Operation::Replace => Ops::REPLACE,
        Operation::Patch => Ops::PATCH,
        Operation::Delete => Ops::DELETE,
    }
}

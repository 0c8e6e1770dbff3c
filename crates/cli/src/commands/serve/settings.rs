//! A gateway as it is described.

use std::time::Duration;

use vantage_api_gateway::{
    Cors, Exposed, Gateway, GatewayBuilder, Limits, Ops,
    auth::{Principal, Tokens},
    kv::{self, Kv, Settings},
};
use vantage_api_ingest::description::{
    AuthDescription, CorsDescription, GatewayDescription, GatewayTable, KvDescription,
    LimitsDescription, Operation, TokenDescription,
};

use crate::failure::Failure;

/// How long `/ready` says no, and how long requests may take after that, unless it is said.
const DRAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// A gateway without its tables. The file of its key-value store is opened.
pub(super) fn builder(described: &GatewayDescription) -> Result<GatewayBuilder, Failure> {
    let GatewayDescription { bind, prefix, auth, operators, cors, limits, drain, kv, .. } =
        described;
    let (notice, deadline) = DRAIN;
    let mut builder = Gateway::builder()
        .bind(*bind)
        .prefix(prefix)
        .operators(operators)
        .trust_proxies(&described.trust_proxies)
        .limits(limits_of(limits))
        .drain(drain.notice.unwrap_or(notice), drain.deadline.unwrap_or(deadline));
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
    let mut settings = Settings::default();
    if let Some(bytes) = described.quota {
        settings = settings.with_quota(bytes);
    }
    if let Some(bytes) = described.largest_value {
        settings = settings.with_largest_value(bytes);
    }
    Kv::open(&described.path, settings).map_err(|error| match error {
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
    exposed: Exposed,
) -> GatewayBuilder {
    match described.tables.get(&name) {
        Some(table) => builder.table(name, as_described(exposed, table)),
        None => builder,
    }
}

fn as_described(exposed: Exposed, described: &GatewayTable) -> Exposed {
    let mut exposed = exposed
        .writes(described.operations.iter().map(ops).fold(Ops::NONE, |all, one| all | one))
        .write_only(&described.write_only)
        .require_filter(&described.require_filter)
        .page_size(described.page_size, described.max_page_size)
        .bulk(described.bulk)
        .relations(&described.relations)
        .readable_by(&described.readable_by)
        .writable_by(&described.writable_by);
    if let Some(columns) = &described.columns {
        exposed = exposed.columns(columns);
    }
    if let Some(columns) = &described.writable {
        exposed = exposed.writable(columns);
    }
    if let Some(columns) = &described.filterable {
        exposed = exposed.filterable(columns);
    }
    if let Some(time) = described.cache {
        exposed = exposed.cache(time);
    }
    exposed
}

fn ops(operation: &Operation) -> Ops {
    match operation {
        Operation::Insert => Ops::INSERT,
        Operation::Replace => Ops::REPLACE,
        Operation::Patch => Ops::PATCH,
        Operation::Delete => Ops::DELETE,
    }
}

fn limits_of(described: &LimitsDescription) -> Limits {
    let default = Limits::default();
    Limits {
        head: described.head.unwrap_or(default.head),
        body_time: described.body_time.unwrap_or(default.body_time),
        body_idle: described.body_idle.unwrap_or(default.body_idle),
        handler: described.handler.unwrap_or(default.handler),
        write_stall: described.write_stall.unwrap_or(default.write_stall),
        keep_alive: described.keep_alive.unwrap_or(default.keep_alive),
        body: described.body.unwrap_or(default.body),
        answer: described.answer.unwrap_or(default.answer),
        url: described.url.unwrap_or(default.url),
        filters: described.filters.unwrap_or(default.filters),
        values: described.values.unwrap_or(default.values),
        depth: described.depth.unwrap_or(default.depth),
        rows: described.rows.unwrap_or(default.rows),
        batch: described.batch.unwrap_or(default.batch),
        connections: described.connections.unwrap_or(default.connections),
        in_flight: described.in_flight.unwrap_or(default.in_flight),
        in_flight_of_one: described.in_flight_of_one.unwrap_or(default.in_flight_of_one),
        watchers: described.watchers.unwrap_or(default.watchers),
        failed_logins: described.failed_logins.unwrap_or(default.failed_logins),
    }
}

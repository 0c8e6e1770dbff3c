//! What those who run a gateway ask: whether it lives, whether requests should be sent here, and
//! what it and its pools have done.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde_json::{Map, Value, json};
use vantage_api_pool::{retry::BreakerState, stats::Stats};

use crate::{
    Problem,
    gateway::State,
    request_context::RequestContext,
    stats::{BUCKETS, GatewayStats},
};

/// How long a pool may take to say what it did.
const PATIENCE: Duration = Duration::from_secs(2);

/// 200 as long as the gateway answers at all.
pub(crate) fn health() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": "ok" }))
}

/// 200 if requests should be sent here.
///
/// # Errors
/// 503 while the gateway is draining, a pool of it has an open breaker or no workers, or its
/// key-value store cannot be used. Without credentials no more is told.
pub(crate) async fn ready(state: &State) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::unavailable("draining", "the gateway is about to end", 5));
    }
    #[cfg(feature = "kv")]
    let is_kv_ready = state.kv.as_ref().is_none_or(crate::kv::Kv::is_available);
    #[cfg(not(feature = "kv"))]
    let is_kv_ready = true;
    if !is_kv_ready || !state.pools_ready.is_ready(state).await {
        return Err(Problem::unavailable("not_ready", "a part of the gateway is not available", 5));
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": "ready" })))
}

/// Whether the pools can be used, asked at most once a second: anybody may ask.
#[derive(Default)]
pub(crate) struct PoolsReady(tokio::sync::Mutex<Option<(Instant, bool)>>);

impl PoolsReady {
    async fn is_ready(&self, state: &State) -> bool {
        if state.pools.is_empty() {
            return true;
        }
        // Who comes while the pools are asked waits for their answer.
        let mut known = self.0.lock().await;
        match *known {
            Some((asked, is_ready)) if asked.elapsed() < Duration::from_secs(1) => is_ready,
            _ => {
                let can_be_used =
                    |stats: &Stats| stats.breaker != BreakerState::Open && stats.serving > 0;
                let pools = pools_of(state).await;
                let is_ready =
                    pools.iter().all(|(_, stats)| stats.as_ref().is_some_and(can_be_used));
                *known = Some((Instant::now(), is_ready));
                is_ready
            }
        }
    }
}

/// # Errors
/// 403 for all but those who run the gateway.
pub(crate) fn operators_only(context: &RequestContext) -> Result<(), Problem> {
    if context.principal.has_any(&context.state.stats_roles) {
        return Ok(());
    }
    let status = StatusCode::FORBIDDEN;
    Err(Problem::new(status, "forbidden", "this is for those who run the gateway"))
}

/// What the gateway and its pools have done, as JSON.
pub(crate) async fn stats(context: &RequestContext) -> Result<HttpResponse, Problem> {
    operators_only(context)?;
    let gateway = context.state.counts.stats(&context.state);
    let mut pools = Map::new();
    for (name, stats) in pools_of(&context.state).await {
        let stats = stats.map_or(Value::Null, |stats| json!(stats));
        pools.insert(name.to_owned(), stats);
    }
    let mut stats = json!({ "gateway": gateway, "pools": pools });
    if let Some(jobs) = &context.state.jobs {
        stats["jobs"] = jobs.latest().await;
    }
    #[cfg(feature = "kv")]
    if let Some(kv) = &context.state.kv {
        stats["kv"] = json!(kv.stats());
    }
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(stats))
}

/// The statistics of each pool, or `None` of one that does not answer.
pub(crate) async fn pools_of(state: &State) -> Vec<(&str, Option<Stats>)> {
    let asking = state.pools.iter().map(|(name, pool)| async move {
        let stats = tokio::time::timeout(PATIENCE, pool.stats()).await;
        (name.as_str(), stats.ok().and_then(Result::ok))
    });
    futures::future::join_all(asking).await
}

/// The same in the text format of Prometheus (version 0.0.4).
pub(crate) async fn metrics(context: &RequestContext) -> Result<HttpResponse, Problem> {
    operators_only(context)?;
    let mut text = String::with_capacity(8 << 10);
    of_gateway(&mut text, &context.state.counts.stats(&context.state));
    of_pools(&mut text, &pools_of(&context.state).await);
    #[cfg(feature = "kv")]
    if let Some(kv) = &context.state.kv {
        of_kv(&mut text, &kv.stats());
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text))
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn of_gateway(text: &mut String, stats: &GatewayStats) {
    family(text, "gateway_requests_total", "counter", "Answers by route and class of status.");
    for route in &stats.routes {
        for (class, count) in (1..=5).zip(route.statuses).filter(|(_, count)| *count > 0) {
            let route = route.route;
            let _ = writeln!(
                text,
                "gateway_requests_total{{route=\"{route}\",status=\"{class}xx\"}} {count}"
            );
        }
    }
    family(text, "gateway_request_seconds", "histogram", "How long answers took.");
    for route in &stats.routes {
        let (name, mut sum) = (route.route, 0);
        let bounds =
            BUCKETS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64().to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(route.durations) {
            sum += count;
            let _ = writeln!(
                text,
                "gateway_request_seconds_bucket{{route=\"{name}\",le=\"{bound}\"}} {sum}"
            );
        }
        let seconds = route.seconds;
        let _ = writeln!(text, "gateway_request_seconds_sum{{route=\"{name}\"}} {seconds}");
        let _ = writeln!(text, "gateway_request_seconds_count{{route=\"{name}\"}} {sum}");
    }
    for (name, kind, help, value) in [
        ("gateway_in_flight", "gauge", "Requests being worked on.", stats.in_flight as u64),
        ("gateway_cache_hits_total", "counter", "Answers given again.", stats.cache_hits),
        ("gateway_cache_misses_total", "counter", "Answers not kept.", stats.cache_misses),
        ("gateway_cache_stale_total", "counter", "Answers past their time.", stats.cache_stale),
        ("gateway_cache_answers", "gauge", "Answers that are kept.", stats.cache_answers),
        ("gateway_cache_bytes", "gauge", "Bytes of answers that are kept.", stats.cache_bytes),
    ] {
        family(text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
}

#[cfg(feature = "kv")]
fn of_kv(text: &mut String, stats: &crate::kv::Stats) {
    for (name, kind, help, value) in [
        ("values", "gauge", "Values that are kept.", stats.values),
        ("value_bytes", "gauge", "Bytes of values that are kept.", stats.value_bytes),
        ("expiring", "gauge", "Values with a time to live.", stats.expiring),
        ("file_bytes", "gauge", "The size of the file.", stats.file_bytes),
        ("commits_total", "counter", "Commits made.", stats.commits),
        ("writes_total", "counter", "Calls that commits have carried out.", stats.writes),
        (
            "preconditions_failed_total",
            "counter",
            "Calls refused by a precondition.",
            stats.preconditions_failed,
        ),
        ("expired_total", "counter", "Expired values removed.", stats.expired),
        ("reads_total", "counter", "Values looked for.", stats.reads),
        ("failed_commits_total", "counter", "Commits that failed.", stats.failed_commits),
        ("reopened_total", "counter", "Times the file was opened again.", stats.reopened),
        ("available", "gauge", "Whether the store can be used.", stats.is_available.into()),
    ] {
        let name = format!("gateway_kv_{name}");
        family(text, &name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
}

fn of_pools(text: &mut String, pools: &[(&str, Option<Stats>)]) {
    type Read = fn(&Stats) -> u64;
    let counts: [(&str, &str, Read); 6] = [
        ("gateway_pool_calls_ok_total", "Calls with a response.", |stats| stats.calls_ok),
        ("gateway_pool_calls_failed_total", "Calls that failed.", |stats| stats.calls_failed),
        ("gateway_pool_attempts_total", "Requests to the API.", |stats| stats.attempts),
        ("gateway_pool_retries_total", "Retries.", |stats| stats.retries),
        ("gateway_pool_rate_limited_total", "Refusals by the API.", |stats| stats.rate_limited),
        ("gateway_pool_worker_restarts_total", "Workers replaced.", |stats| stats.worker_restarts),
    ];
    let known: Vec<(String, &Stats)> =
        pools.iter().filter_map(|(name, stats)| Some((label(name), stats.as_ref()?))).collect();
    if known.is_empty() {
        return;
    }
    for (name, help, read) in counts {
        family(text, name, "counter", help);
        for (pool, stats) in &known {
            let _ = writeln!(text, "{name}{{pool=\"{pool}\"}} {}", read(stats));
        }
    }
    family(text, "gateway_pool_breaker_open", "gauge", "Whether the breaker is not closed.");
    for (pool, stats) in &known {
        let is_open = u8::from(stats.breaker != BreakerState::Closed);
        let _ = writeln!(text, "gateway_pool_breaker_open{{pool=\"{pool}\"}} {is_open}");
    }
}

/// A text within the quotes of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

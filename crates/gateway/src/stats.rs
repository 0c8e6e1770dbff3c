//! What the gateway has done: counted without locks, by route and by class of status. Paths,
//! queries and ids are never in it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::{gateway::State, route::PATTERNS};

/// The upper bounds of the buckets of durations, in microseconds.
pub(crate) const BUCKETS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000];

/// One more than the routes: what has none.
const ROUTES: usize = PATTERNS.len() + 1;

#[derive(Default)]
struct OfRoute {
    /// 1xx to 5xx.
    statuses: [AtomicU64; 5],
    /// Those within each bound, and those beyond all.
    durations: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// The counters.
#[derive(Default)]
pub(crate) struct Counts {
    routes: [OfRoute; ROUTES],
}

/// What a gateway has done since it was built. Every count only grows, but for `in_flight` and
/// what the cache holds now.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct GatewayStats {
    /// The requests that are being worked on. Moves when one begins and ends.
    pub in_flight: usize,
    /// Whether [`drain`](crate::GatewayHandle::drain) was called.
    pub draining: bool,
    /// Each route that was asked for, and what was not one as `unknown`.
    pub routes: Vec<RouteStats>,
    /// Answers that were kept. Moves when one is given again.
    pub cache_hits: u64,
    /// Requests for answers that were not kept. Moves when one is made, or waits for one that is
    /// being made.
    pub cache_misses: u64,
    /// Answers that were given though their time was over. Moves when one is.
    pub cache_stale: u64,
    /// The answers that are kept, about.
    pub cache_answers: u64,
    /// The bytes that they take, about.
    pub cache_bytes: u64,
}

/// What was done for one route. Moves when an answer is ready to be sent.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RouteStats {
    /// Its pattern, such as `/tables/{table}`.
    pub route: &'static str,
    /// Answers by the class of their status, from 1xx to 5xx.
    pub statuses: [u64; 5],
    /// How long they took altogether, in seconds.
    pub seconds: f64,
    /// Answers by duration: within each bound of 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50, 100, 500,
    /// 1,000 and 10,000 ms, and beyond.
    pub durations: [u64; 13],
}

impl Counts {
    pub(crate) fn note(&self, route: Option<usize>, status: StatusCode, took: Duration) {
        let Some(of_route) = self.routes.get(route.unwrap_or(ROUTES - 1)) else { return };
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS.len());
        let counters = [of_route.statuses.get(class), of_route.durations.get(bucket)];
        for counter in counters.into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        of_route.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, state: &State) -> GatewayStats {
        let cache = state.cache.counts();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let routes = PATTERNS.iter().chain(&["unknown"]).zip(&self.routes);
        let routes = routes.map(|(route, counts)| RouteStats {
            route,
            statuses: counts.statuses.each_ref().map(load),
            seconds: Duration::from_micros(load(&counts.micros)).as_secs_f64(),
            durations: counts.durations.each_ref().map(load),
        });
        GatewayStats {
            in_flight: state.in_flight.now(),
            draining: state.is_draining(),
            routes: routes.filter(|route| route.statuses.iter().any(|n| *n > 0)).collect(),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            cache_stale: cache.stale_hits,
            cache_answers: cache.answers,
            cache_bytes: cache.bytes,
        }
    }
}

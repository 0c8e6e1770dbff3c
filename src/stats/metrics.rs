//! The statistics as counters, gauges and histograms of the `metrics` facade. A publisher
//! records what has changed since the last snapshot; taking snapshots is not its business.

use std::time::Duration;

use metrics::{
    Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use rust_decimal::Decimal;

use super::{Stats, WaitCause};
use crate::retry::BreakerState;

/// One number of the statistics: its name, an extra label, its description, and its value.
type Number<T> =
    (&'static str, Option<(&'static str, &'static str)>, &'static str, fn(&Stats) -> T);

const CALLS: &str = "Calls that ended, by how.";
const ATTEMPTS: &str = "Requests put on the wire, by what came of them.";

const COUNTERS: &[Number<u64>] = &[
    ("calls_total", Some(("outcome", "ok")), CALLS, |stats| stats.calls_ok),
    ("calls_total", Some(("outcome", "failed")), CALLS, |stats| stats.calls_failed),
    ("calls_total", Some(("outcome", "cancelled")), CALLS, |stats| stats.calls_cancelled),
    ("calls_total", Some(("outcome", "refused")), CALLS, |stats| stats.calls_refused),
    ("attempts_total", Some(("outcome", "2xx")), ATTEMPTS, |stats| stats.status_2xx),
    ("attempts_total", Some(("outcome", "3xx")), ATTEMPTS, |stats| stats.status_3xx),
    ("attempts_total", Some(("outcome", "4xx")), ATTEMPTS, |stats| stats.status_4xx),
    ("attempts_total", Some(("outcome", "5xx")), ATTEMPTS, |stats| stats.status_5xx),
    ("attempts_total", Some(("outcome", "no_answer")), ATTEMPTS, |stats| stats.transport_errors),
    ("attempts_total", Some(("outcome", "cancelled")), ATTEMPTS, |stats| stats.cancelled),
    ("retries_total", None, "Attempts after a failed one.", |stats| stats.retries),
    ("retries_denied_total", None, "Retries beyond the retry budget.", |s| s.retries_denied),
    ("hedges_total", None, "Attempts made beside another one.", |stats| stats.hedges),
    ("hedges_won_total", None, "Hedges that got the response first.", |stats| stats.hedges_won),
    ("rate_limited_total", None, "Responses that count as a 429.", |stats| stats.rate_limited),
    ("malformed_limit_headers_total", None, "Limit headers that make no sense.", |stats| {
        stats.malformed_limit_headers
    }),
    ("breaker_openings_total", None, "How often the breaker opened.", |s| s.breaker_openings),
    ("breaker_refusals_total", None, "Calls the breaker refused.", |s| s.breaker_refusals),
    ("token_refreshes_total", None, "Tokens acquired.", |stats| stats.token_refreshes),
    ("worker_restarts_total", None, "Workers replaced.", |stats| stats.worker_restarts),
    ("pages_total", None, "Pages of streams.", |stats| stats.pages),
    ("items_total", None, "Items on those pages.", |stats| stats.items),
    ("paging_warnings_total", None, "Signals of pages overruled.", |stats| stats.paging_warnings),
    ("connections_opened_total", None, "Connections opened.", |stats| stats.connections_opened),
    ("received_bytes_total", None, "Bytes of bodies.", |stats| stats.bytes_received),
];

const GAUGES: &[Number<f64>] = &[
    ("calls_open", None, "Calls under way.", |stats| stats.calls_open as f64),
    ("connections_open", None, "Connections that are open.", |s| s.connections_open as f64),
    ("workers", None, "Workers that there are to be.", |stats| stats.size as f64),
    ("workers_serving", None, "Workers that take calls.", |stats| stats.serving as f64),
    ("rate", None, "Requests per second allowed; infinite if any.", |s| per_second(s.rate)),
    ("rate_limit", None, "The limit that is set; infinite if none.", |s| per_second(s.rate_limit)),
    ("breaker_open", None, "0 closed, 0.5 half-open, 1 open.", |stats| match stats.breaker {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 0.5,
        BreakerState::Open => 1.0,
    }),
];

const LATENCY: &str = "vantage_api_pool_latency_seconds";
const WAITS: &str = "vantage_api_pool_wait_seconds";

/// Records the statistics of a pool, with the pool's label.
pub(crate) struct Publisher {
    pool: Label,
    last: Stats,
}

impl Publisher {
    pub(crate) fn new(pool: String) -> Self {
        Self { pool: Label::new("pool", pool), last: Stats::default() }
    }

    /// Records what has changed up to `now`; a snapshot older than the last one is ignored.
    pub(crate) fn publish(&mut self, now: Stats) {
        if now.elapsed < self.last.elapsed {
            return;
        }
        let new = now.difference(&self.last);
        for &(name, label, help, of) in COUNTERS {
            let name = full(name);
            describe_counter!(name.clone(), help);
            counter!(name, self.labels(label)).increment(of(&new));
        }
        for &(name, label, help, of) in GAUGES {
            let name = full(name);
            describe_gauge!(name.clone(), help);
            gauge!(name, self.labels(label)).set(of(&now));
        }
        describe_histogram!(LATENCY, Unit::Seconds, "How long answered attempts took.");
        let latency = histogram!(LATENCY, self.labels(None));
        record(&latency, new.latency.samples());
        describe_histogram!(WAITS, Unit::Seconds, "What calls waited for before an attempt.");
        for cause in WaitCause::ALL {
            let waits = histogram!(WAITS, self.labels(Some(("cause", cause.name()))));
            record(&waits, new.waits.get(cause).samples());
        }
        self.last = now;
    }

    fn labels(&self, own: Option<(&'static str, &'static str)>) -> Vec<Label> {
        let own = own.map(|(name, value)| Label::from_static_parts(name, value));
        std::iter::once(self.pool.clone()).chain(own).collect()
    }
}

/// A rate as a number, with which an alert can compare.
fn per_second(rate: Option<Decimal>) -> f64 {
    rate.and_then(|rate| f64::try_from(rate).ok()).unwrap_or(f64::INFINITY)
}

fn full(name: &str) -> String {
    format!("vantage_api_pool_{name}")
}

fn record(histogram: &metrics::Histogram, samples: impl Iterator<Item = (Duration, u64)>) {
    for (duration, count) in samples {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        histogram.record_many(duration.as_secs_f64(), count);
    }
}

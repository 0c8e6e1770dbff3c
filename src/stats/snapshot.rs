//! The snapshot of a whole pool, and how the parts are merged into it.

use std::{fmt, time::Duration};

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use super::{Counters, Durations, Waits, durations};
use crate::retry::BreakerState;

/// What a pool has done since it was built, or within an interval.
///
/// Workers report ten times per second, so a snapshot may lag by 100 ms. Counts
/// start at zero and only grow.
///
/// ```
/// use vantage_api_pool::stats::Stats;
///
/// fn report(now: &Stats, a_minute_ago: &Stats) {
///     let minute = now.difference(a_minute_ago);
///     println!("{minute}");
/// }
/// # report(&Stats::default(), &Stats::default());
/// ```
///
/// In serialized form times are in seconds, and durations have a count, total, mean and
/// percentiles.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The age of the pool when this was taken, or the length of the interval.
    #[serde(serialize_with = "durations::seconds")]
    pub elapsed: Duration,
    /// Calls that ended with a response. Moves when the caller gets it.
    pub calls_ok: u64,
    /// Calls that ended with an error, wherever that was: on a worker, in the queue, or lost
    /// with a worker. Moves when the caller gets it.
    pub calls_failed: u64,
    /// Calls that ended because nobody waited for them any more. Moves when the caller goes away.
    pub calls_cancelled: u64,
    /// Calls that had not ended when this was taken; of an interval, at its end. Together with
    /// `calls_ok`, `calls_failed` and `calls_cancelled` these are all accepted calls.
    pub calls_open: u64,
    /// Calls refused because the queue was full. Moves when one is refused.
    pub calls_refused: u64,
    /// Requests sent, or attempted to be sent. Moves when an attempt ends, however it ends:
    /// this is the sum of the four statuses, `transport_errors` and `cancelled`.
    pub attempts: u64,
    /// Retries: attempts that follow a failed one of the same call. Moves when one is decided on,
    /// before the wait for it; if the call ends during that wait, it counts all the same.
    pub retries: u64,
    /// Retries that were due but not made because the retry budget was used up. Moves when the
    /// call ends for that reason.
    pub retries_denied: u64,
    /// Hedges: attempts made besides another one of the same call, see
    /// [`Hedge`](crate::retry::Hedge). Moves when one begins.
    pub hedges: u64,
    /// Hedges that got the response first. Moves when they do.
    pub hedges_won: u64,
    /// Complete responses with a status from 200 to 299. Moves when the body was read.
    pub status_2xx: u64,
    /// Complete responses with a status from 300 to 399. Moves when the body was read.
    pub status_3xx: u64,
    /// Complete responses with a status from 400 to 499. Moves when the body was read.
    pub status_4xx: u64,
    /// Complete responses with a status from 500 on. Moves when the body was read.
    pub status_5xx: u64,
    /// Attempts without a complete response. Moves when such an attempt ends, by any transport
    /// failure: no connection, a timeout, a truncated body.
    pub transport_errors: u64,
    /// Attempts that ended because nobody waited for them any more, or because their worker died.
    /// Moves when such an attempt is given up.
    pub cancelled: u64,
    /// Responses with status 429, and those that a [`ResponseRule`](crate::retry::ResponseRule)
    /// counts as one, whatever their status. Moves when the body was read; the response counts by
    /// its own status too, such as in `status_4xx`.
    pub rate_limited: u64,
    /// Header fields about waits and quotas, such as `Retry-After` and `RateLimit`, that make no
    /// sense and were ignored; each is reported by
    /// [`Event::LimitUnread`](crate::events::Event::LimitUnread). Moves when such a response was
    /// read. A pool with neither a rate limit nor the dampener does not read these fields in
    /// successful responses.
    pub malformed_limit_headers: u64,
    /// The configured rate limit, in requests per second; `None` without one. Of an interval, at
    /// its end. Moves with [`AwwPool::set_rate`](crate::AwwPool::set_rate).
    #[serde(serialize_with = "number")]
    pub rate_limit: Option<Decimal>,
    /// The requests per second that are currently allowed: the least of `rate_limit`, the rate of
    /// the dampener, and what the API's quotas leave. `None` if unlimited. Of an interval, at its
    /// end.
    #[serde(serialize_with = "number")]
    pub rate: Option<Decimal>,
    /// The current state of the circuit breaker; closed if there is none. This and the next two are
    /// those of the pool's own calls, see [`per_handle`](crate::retry::CircuitBreaker::per_handle).
    pub breaker: BreakerState,
    /// How often the circuit breaker opened. Moves when it does.
    pub breaker_openings: u64,
    /// Calls that ended because the circuit breaker was open. Moves when one is refused;
    /// each that had reached a worker counts in `calls_failed` too.
    pub breaker_refusals: u64,
    /// Tokens acquired, including the first of each slot. Moves when the callback returned one.
    pub token_refreshes: u64,
    /// Workers that died and were replaced. Moves when the replacement starts.
    pub worker_restarts: u64,
    /// Pages of streams. Moves when a page is delivered in its turn.
    pub pages: u64,
    /// Items on those pages. Moves with `pages`.
    pub items: u64,
    /// Signals on pages that were overruled or could not be read. Moves with
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning).
    pub paging_warnings: u64,
    /// Connections opened, by calls and to reach the minimum. Moves when one is open, including
    /// TLS.
    pub connections_opened: u64,
    /// Connections that are open, in use or not, when this was taken; of an interval, at its
    /// end.
    pub connections_open: u64,
    /// Body bytes of complete responses, after decompression. Moves when the body was read.
    pub bytes_received: u64,
    /// How long attempts took, to the end of the body: with the opening of a connection, if one was
    /// opened, but without the waits before them. Percentiles have three digits. Moves with every
    /// complete response.
    pub latency: Durations,
    /// What calls waited for before their attempts. Moves when a wait ends.
    pub waits: Waits,
    /// The configured number of workers. Moves with a resize.
    pub size: usize,
    /// How many workers accept new calls: excludes those that died and are not replaced yet, that
    /// are blocked, or that leave after a resize. Moves with each of these.
    pub serving: usize,
    /// The part of each worker, in the order of their numbers.
    pub workers: Vec<WorkerStats>,
}

/// What one worker has done; a replacement continues the counts of its predecessor.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its number, from 0.
    pub worker: usize,
    /// Calls that this worker ended with a response. Moves when it does, even if the caller is gone
    /// by then.
    pub calls_ok: u64,
    /// Calls that this worker ended with an error. Moves when it does.
    pub calls_failed: u64,
    /// As [`Stats::attempts`].
    pub attempts: u64,
    /// As [`Stats::worker_restarts`].
    pub restarts: u64,
    /// As [`Stats::latency`], less exact.
    pub latency: Durations,
}

/// A rate as a number instead of a string.
fn number<S: Serializer>(rate: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    rate.and_then(|rate| f64::try_from(rate).ok()).serialize(serializer)
}

/// Adds each `count` of `delta` to the one of the same name in `stats`, and names the `rest` of it.
/// A count that is missing here does not compile.
macro_rules! add {
    ($stats:ident, $delta:ident; $($count:ident),*; $($rest:ident),*) => {
        let Counters { $($count,)* $($rest),* } = $delta;
        $($stats.$count += $count;)*
    };
}

/// What is in `now` without what was in `earlier`; the states are those of `now`. A field that is
/// missing here does not compile.
macro_rules! difference {
    (
        $now:ident, $earlier:ident;
        counts: $($count:ident),*;
        states: $($state:ident),*;
        parts: $($part:ident),*;
        $($field:ident: $value:expr)?
    ) => {
        Self {
            $($count: $now.$count.saturating_sub($earlier.$count),)*
            $($state: $now.$state,)*
            $($part: $now.$part.difference(&$earlier.$part),)*
            $($field: $value)?
        }
    };
}

impl Stats {
    /// Merges what `worker` counted. The order and the size of the parts make no
    /// difference to any count.
    pub(crate) fn absorb(&mut self, worker: usize, delta: Counters) {
        add!(
            self, delta;
            attempts, retries, retries_denied, hedges, hedges_won, status_2xx, status_3xx,
            status_4xx, status_5xx, transport_errors, cancelled, rate_limited,
            malformed_limit_headers, bytes_received;
            calls_ok, calls_failed, latencies
        );
        for &micros in &latencies {
            self.latency.record_exactly(micros);
        }
        let worker = self.worker(worker);
        latencies.into_iter().for_each(|micros| worker.latency.record_micros(micros));
        worker.calls_ok += calls_ok;
        worker.calls_failed += calls_failed;
        worker.attempts += attempts;
    }

    /// Counts an attempt of `worker`, which hangs, as cancelled.
    pub(crate) fn attempt_abandoned(&mut self, worker: usize) {
        self.attempts += 1;
        self.cancelled += 1;
        self.worker(worker).attempts += 1;
    }

    /// Counts the replacement of `worker`.
    pub(crate) fn worker_restarted(&mut self, worker: usize) {
        self.worker_restarts += 1;
        self.worker(worker).restarts += 1;
    }

    fn worker(&mut self, number: usize) -> &mut WorkerStats {
        for worker in self.workers.len()..=number {
            self.workers.push(WorkerStats { worker, ..WorkerStats::default() });
        }
        &mut self.workers[number]
    }

    /// What happened between `earlier` and this snapshot of the same pool. Mean and percentiles
    /// of durations are those of the interval; the running averages and the number of workers are
    /// those of this snapshot. A count that would be negative is zero.
    #[must_use]
    pub fn difference(&self, earlier: &Self) -> Self {
        difference!(
            self, earlier;
            counts: elapsed, calls_ok, calls_failed, calls_cancelled, calls_refused, attempts,
                retries, retries_denied, hedges, hedges_won, status_2xx, status_3xx, status_4xx,
                status_5xx, transport_errors, cancelled, rate_limited, malformed_limit_headers,
                breaker_openings, breaker_refusals, token_refreshes, worker_restarts, pages, items,
                paging_warnings, connections_opened, bytes_received;
            states: calls_open, rate_limit, rate, breaker, connections_open, size, serving;
            parts: latency, waits;
            workers: {
                let workers = self.workers.iter();
                workers.map(|now| now.difference(earlier.workers.get(now.worker))).collect()
            }
        )
    }
}

impl WorkerStats {
    fn difference(&self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else { return self.clone() };
        difference!(
            self, earlier;
            counts: calls_ok, calls_failed, attempts, restarts;
            states: worker;
            parts: latency;
        )
    }
}

/// One line for a log.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1?}: {} calls ok, {} failed, {} cancelled, {} refused, {} open; {} attempts, \
             {} retries, {} denied, {} hedges, 2xx {}, 3xx {}, 4xx {} \
             (429 {}), 5xx {}, no response {}, cancelled {}; latency {}; {} pages, {} items, \
             {} bytes; {} connections opened, {} open; {} tokens, {} restarts, {} of {} workers \
             serve; breaker {}, {} openings, {} refusals",
            self.elapsed,
            self.calls_ok,
            self.calls_failed,
            self.calls_cancelled,
            self.calls_refused,
            self.calls_open,
            self.attempts,
            self.retries,
            self.retries_denied,
            self.hedges,
            self.status_2xx,
            self.status_3xx,
            self.status_4xx,
            self.rate_limited,
            self.status_5xx,
            self.transport_errors,
            self.cancelled,
            self.latency,
            self.pages,
            self.items,
            self.bytes_received,
            self.connections_opened,
            self.connections_open,
            self.token_refreshes,
            self.worker_restarts,
            self.serving,
            self.size,
            self.breaker,
            self.breaker_openings,
            self.breaker_refusals,
        )?;
        let Some(cause) = self.waits.longest() else { return f.write_str("; no waits") };
        let waits = self.waits.get(cause);
        let (count, mean, longest) = (waits.count(), waits.mean(), waits.percentile(1.0));
        write!(f, "; waited most for {cause}: {count} times, mean {mean:.1?}, up to {longest:.1?}")
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_snapshot_is_written_in_numbers_and_seconds() {
        let mut stats = Stats { elapsed: Duration::from_millis(1_500), ..Stats::default() };
        stats.rate = Some(Decimal::new(75, 1));
        stats.latency.record_exactly(2_000);
        let value = serde_json::to_value(&stats).unwrap();
        assert_eq!((&value["elapsed"], &value["rate"]), (&1.5.into(), &7.5.into()));
        assert_eq!(
            (&value["rate_limit"], &value["breaker"]),
            (&None::<f64>.into(), &"closed".into())
        );
        assert_eq!(
            (&value["latency"]["count"], &value["latency"]["max"]),
            (&1.into(), &0.002.into())
        );
        assert_eq!(value["waits"]["queue"]["count"], 0);
    }
    use crate::stats::WaitCause;

    #[derive(Clone, Debug)]
    enum Event {
        Answered(u16, usize, u64),
        Unanswered,
        Cancelled,
        Retried,
        Denied,
        Hedged,
        Ended(bool),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (
                prop::sample::select(vec![200u16, 304, 404, 429, 503, 999]),
                0..10_000usize,
                0..100_000u64
            )
                .prop_map(|(status, bytes, micros)| Event::Answered(status, bytes, micros)),
            Just(Event::Unanswered),
            Just(Event::Cancelled),
            Just(Event::Retried),
            Just(Event::Denied),
            Just(Event::Hedged),
            any::<bool>().prop_map(Event::Ended),
        ]
    }

    fn bump(counters: &mut Counters, event: &Event) {
        match *event {
            Event::Answered(status, bytes, micros) => counters.answered(
                StatusCode::from_u16(status).unwrap(),
                bytes,
                Duration::from_micros(micros),
            ),
            Event::Unanswered => counters.unanswered(),
            Event::Cancelled => counters.cancelled(),
            Event::Retried => counters.retries += 1,
            Event::Denied => counters.retries_denied += 1,
            Event::Hedged => counters.hedges += 1,
            Event::Ended(ok) => counters.call_ended(ok),
        }
    }

    /// Everything but the running average and the parts of the workers, as text.
    fn totals(stats: &Stats) -> String {
        stats.to_string()
    }

    proptest! {
        #[test]
        fn totals_are_the_sum_of_the_parts_however_they_are_flushed(
            events in prop::collection::vec((0..4usize, event(), any::<bool>()), 0..300)
        ) {
            let (mut whole, mut parts) = (Counters::default(), vec![Counters::default(); 4]);
            let mut stats = Stats::default();
            for (worker, event, flush) in &events {
                bump(&mut whole, event);
                bump(&mut parts[*worker], event);
                if *flush {
                    stats.absorb(*worker, parts[*worker].take());
                }
            }
            // The rest arrives in another order.
            for (worker, mut part) in parts.into_iter().enumerate().rev() {
                stats.absorb(worker, part.take());
            }
            let mut at_once = Stats::default();
            at_once.absorb(0, whole);
            prop_assert_eq!(totals(&stats), totals(&at_once));

            let sum = |part: fn(&WorkerStats) -> u64| stats.workers.iter().map(part).sum::<u64>();
            let ended = |ok: bool| {
                let is_it = |event: &Event| matches!(event, Event::Ended(it) if *it == ok);
                events.iter().filter(|(_, event, _)| is_it(event)).count() as u64
            };
            prop_assert_eq!(ended(true), sum(|worker| worker.calls_ok));
            prop_assert_eq!(ended(false), sum(|worker| worker.calls_failed));
            prop_assert_eq!(stats.attempts, sum(|worker| worker.attempts));
            let answers =
                stats.status_2xx + stats.status_3xx + stats.status_4xx + stats.status_5xx;
            prop_assert_eq!(stats.attempts, answers + stats.transport_errors + stats.cancelled);
            prop_assert_eq!(stats.latency.count(), answers);
            prop_assert_eq!(answers, sum(|worker| worker.latency.count()));
        }

        #[test]
        fn an_interval_and_what_was_before_it_make_the_whole(
            before in prop::collection::vec((0..3usize, event()), 0..100),
            after in prop::collection::vec((0..3usize, event()), 0..100),
        ) {
            let absorb = |stats: &mut Stats, events: &[(usize, Event)]| {
                for (worker, event) in events {
                    let mut counters = Counters::default();
                    bump(&mut counters, event);
                    stats.absorb(*worker, counters);
                }
            };
            let (mut all, mut alone) = (Stats::default(), Stats::default());
            absorb(&mut all, &before);
            let earlier = all.clone();
            absorb(&mut all, &after);
            absorb(&mut alone, &after);
            prop_assert_eq!(totals(&all.difference(&earlier)), totals(&alone));
        }
    }

    #[test]
    fn pages_tokens_and_restarts_are_counted_and_subtracted() {
        let mut stats = Stats::default();
        stats.worker_restarted(1);
        let earlier = stats.clone();
        (stats.pages, stats.items) = (1, 100);
        (stats.pages, stats.items) = (2, 140);
        stats.token_refreshes += 1;
        stats.worker_restarted(1);
        stats.worker_restarted(2);
        stats.elapsed = Duration::from_secs(3);
        let part = stats.difference(&earlier);
        assert_eq!((part.pages, part.items, part.token_refreshes), (2, 140, 1));
        assert_eq!(part.worker_restarts, 2);
        let restarts: Vec<_> =
            part.workers.iter().map(|part| (part.worker, part.restarts)).collect();
        assert_eq!(restarts, [(0, 0), (1, 1), (2, 1)]);
        assert_eq!(earlier.difference(&stats).pages, 0);
    }

    #[test]
    fn a_snapshot_prints_as_one_line() {
        let mut stats = Stats::default();
        let mut counters = Counters::default();
        counters.answered(StatusCode::OK, 512, Duration::from_millis(4));
        counters.call_ended(true);
        stats.absorb(0, counters);
        (stats.elapsed, stats.calls_ok) = (Duration::from_secs(10), 1);
        assert!(stats.to_string().ends_with("; no waits"));
        stats.waits.get_mut(WaitCause::Rate).record(Duration::from_millis(30));
        let line = stats.to_string();
        assert!(line.starts_with("10.0s: 1 calls ok, 0 failed, 0 cancelled, 0 refused"), "{line}");
        assert!(line.contains("waited most for rate: 1 times, mean 30.0ms"), "{line}");
        assert!(line.contains("latency mean 4.0ms") && line.contains("512 bytes"), "{line}");
        assert!(!line.contains('\n'));
    }
}

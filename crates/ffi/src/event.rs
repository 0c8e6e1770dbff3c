//! [pure] The events of a pool as texts in JSON.

use serde_json::{Value, json};
use vantage_api_pool::{
    events::{Attempt, Event, Outcome, RateCause},
    retry::BreakerState,
};

/// An event, with times in milliseconds.
pub(crate) fn to_json(event: &Event) -> String {
    value_of(event).to_string()
}

/// That events were lost, as nobody took them.
pub(crate) fn missed(events: u64) -> String {
    json!({ "event": "missed", "events": events }).to_string()
}

fn value_of(event: &Event) -> Value {
    match event {
        Event::AttemptStarted { attempt, .. } => with_attempt("attempt_started", attempt),
        Event::AttemptEnded { attempt, outcome, latency, .. } => {
            let mut value = with_attempt("attempt_ended", attempt);
            let (key, outcome) = match outcome {
                Outcome::Answered(status) => ("status", status.as_u16().into()),
                Outcome::Failed(kind) => ("failed", kind.name().into()),
                _ => ("cancelled", true.into()),
            };
            value[key] = outcome;
            value["latency_ms"] = millis(*latency);
            value
        }
        Event::RetryScheduled { attempt, wait, reason, status, .. } => {
            let mut value = with_attempt("retry_scheduled", attempt);
            value["wait_ms"] = millis(*wait);
            value["reason"] = reason.name().into();
            value["status"] = status.map(|status| status.as_u16()).into();
            value
        }
        Event::PageRead { page, rows, .. } => {
            json!({ "event": "page_read", "page": page, "rows": rows })
        }
        Event::PagingWarning { page, message, .. } => {
            json!({ "event": "paging_warning", "page": page, "message": message })
        }
        Event::BreakerChanged { from, to, open_for, .. } => json!({
            "event": "breaker_changed",
            "from": breaker(*from),
            "to": breaker(*to),
            "open_for_ms": open_for.map(millis),
        }),
        Event::HoldSet { wait, .. } => json!({ "event": "hold_set", "wait_ms": millis(*wait) }),
        Event::TokenHeld { slot, wait, .. } => {
            json!({ "event": "token_held", "slot": slot, "wait_ms": millis(*wait) })
        }
        Event::RateChanged { rate, cause, .. } => json!({
            "event": "rate_changed",
            "rate": rate.and_then(|rate| f64::try_from(rate).ok()),
            "cause": match cause {
                RateCause::Set => "set",
                RateCause::Refusals => "refusals",
                RateCause::Quota => "quota",
                _ => "other",
            },
        }),
        Event::TokenRefreshed { slot, .. } => json!({ "event": "token_refreshed", "slot": slot }),
        Event::TokenRefreshFailed { slot, cooldown, .. } => {
            json!({ "event": "token_refresh_failed", "slot": slot, "cooldown_ms": millis(*cooldown) })
        }
        Event::WorkerBlocked { worker, .. } => {
            json!({ "event": "worker_blocked", "worker": worker })
        }
        Event::WorkerBack { worker, .. } => json!({ "event": "worker_back", "worker": worker }),
        Event::WorkerDied { worker, .. } => json!({ "event": "worker_died", "worker": worker }),
        Event::WorkerRestarted { worker, .. } => {
            json!({ "event": "worker_restarted", "worker": worker })
        }
        Event::Missed { events, .. } => json!({ "event": "missed", "events": events }),
        Event::OriginHeld { origin, wait, .. } => {
            json!({ "event": "origin_held", "origin": origin, "wait_ms": millis(*wait) })
        }
        Event::LimitUnread { field, .. } => {
            json!({ "event": "limit_unread", "field": field.as_str() })
        }
        _ => json!({ "event": "other" }),
    }
}

fn with_attempt(event: &str, attempt: &Attempt) -> Value {
    let Attempt { call, number, worker, .. } = *attempt;
    json!({ "event": event, "call": call, "attempt": number, "worker": worker })
}

fn breaker(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        _ => "half_open",
    }
}

fn millis(time: std::time::Duration) -> Value {
    (time.as_secs_f64() * 1000.0).into()
}

//! [pure] The problem that an error of a table is: by its kind alone. Texts of errors may quote a
//! server, a URL or a file, so none of them is passed on.

use std::error::Error as _;

use actix_web::http::StatusCode;
use vantage_api_pool::ErrorKind as PoolKind;
use vantage_core::{VantageError, util::error::ErrorKind};

use super::Problem;

/// After how many seconds to try again, if the pool does not know better.
const TRY_AGAIN: u64 = 1;

impl From<VantageError> for Problem {
    fn from(error: VantageError) -> Self {
        let pool = pool_error(&error);
        let problem = match pool {
            Some(pool) => of_pool(pool),
            None => of_kind(error.kind()),
        };
        let (kind, status) = (problem.kind(), problem.status().as_u16());
        let location = error.location().unwrap_or_default();
        // What the pool says is for whoever runs the gateway, and has no secret in it.
        let cause = pool.map(|error| format!("{error:#}")).unwrap_or_default();
        if problem.status().is_server_error() {
            tracing::warn!(kind, status, location, cause, "a table failed");
        } else {
            tracing::debug!(kind, status, location, cause, "a table refused");
        }
        problem
    }
}

/// The error of the pool that is among the causes.
fn pool_error(error: &VantageError) -> Option<&vantage_api_pool::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(pool) = error.downcast_ref() {
            return Some(pool);
        }
        cause = error.source();
    }
    None
}

fn of_kind(kind: ErrorKind) -> Problem {
    match kind {
        ErrorKind::NotFound => {
            Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such row")
        }
        ErrorKind::Conflict => {
            Problem::new(StatusCode::CONFLICT, "conflict", "another row is in the way")
        }
        ErrorKind::Forbidden => {
            Problem::new(StatusCode::FORBIDDEN, "forbidden", "a rule of the table forbids it")
        }
        ErrorKind::IncorrectUsage => {
            Problem::unprocessable("refused_by_table", "the table does not accept it")
        }
        ErrorKind::Unsupported | ErrorKind::Unimplemented => {
            Problem::new(StatusCode::NOT_IMPLEMENTED, "unsupported", "the table cannot do it")
        }
        _ => bad_gateway(),
    }
}

fn of_pool(error: &vantage_api_pool::Error) -> Problem {
    let wait = error.retry_after().map_or(TRY_AGAIN, |wait| wait.as_secs().max(TRY_AGAIN));
    let problem = match (error.kind(), error.status().map(|status| status.as_u16())) {
        (PoolKind::Status, Some(404 | 410)) => of_kind(ErrorKind::NotFound),
        (PoolKind::Status, Some(409 | 412)) => of_kind(ErrorKind::Conflict),
        (PoolKind::Status, Some(405 | 501)) => of_kind(ErrorKind::Unsupported),
        (PoolKind::Status, Some(400 | 422)) => of_kind(ErrorKind::IncorrectUsage),
        // The upstream's quota, which is the gateway's and not the client's.
        (PoolKind::Status, Some(429)) | (PoolKind::RateLimited, _) => {
            Problem::unavailable("upstream_rate_limited", "the upstream's quota is used up", wait)
        }
        (PoolKind::InvalidRequest, _) => of_kind(ErrorKind::IncorrectUsage),
        (PoolKind::CursorExpired, _) => {
            Problem::bad_request("cursor_expired", "the cursor is no longer valid")
        }
        (
            PoolKind::CircuitOpen
            | PoolKind::ShuttingDown
            | PoolKind::NoWorkers
            | PoolKind::QueueFull
            | PoolKind::PoolTimeout,
            _,
        ) => Problem::unavailable("upstream_unavailable", "the upstream is not available", wait),
        (PoolKind::DeadlineExceeded | PoolKind::Timeout | PoolKind::Stalled, _) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the upstream did not answer in time",
        ),
        _ => bad_gateway(),
    };
    let problem = problem.with_member("upstream_kind", error.kind_name());
    match error.status() {
        Some(status) => problem.with_member("upstream_status", status.as_u16()),
        None => problem,
    }
}

fn bad_gateway() -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "upstream_failed", "the table's source failed")
}

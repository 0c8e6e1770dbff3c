//! [pure] The result of a response rule, kept with the response. Knows no rules.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

/// How a response is classified, whatever its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// A refusal because of a rate limit.
    RateLimited,
    /// A transient failure.
    Retry,
    /// The refusal of a token.
    RenewToken,
    /// A result that is not ready.
    Poll,
    /// A success.
    Accept,
    /// A final failure.
    Fail,
    /// A set without rows, if it is the first page of a read; a final failure otherwise.
    Ignore,
}

/// The result of a rule for a response.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    pub(crate) action: Action,
    /// The wait that the body names.
    pub(crate) told: Option<Duration>,
    /// The wait if the response names none.
    pub(crate) wait: Option<Duration>,
    /// The error message in the body, truncated and on one line.
    pub(crate) message: Option<String>,
    /// Whether to poll the URL where the response says the result will be.
    pub(crate) follow_location: bool,
}

impl Ruling {
    /// The status that a response with `status` counts as.
    pub(super) fn counts_as(&self, status: StatusCode) -> StatusCode {
        match self.action {
            Action::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Action::Retry if status == StatusCode::NOT_IMPLEMENTED || status.is_success() => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Action::Retry if status.is_server_error() => status,
            // The one transient status that says nothing about the API's health.
            Action::Retry => StatusCode::REQUEST_TIMEOUT,
            Action::RenewToken => StatusCode::UNAUTHORIZED,
            Action::Poll => StatusCode::ACCEPTED,
            Action::Accept => StatusCode::OK,
            Action::Fail | Action::Ignore if is_final(status) => status,
            Action::Fail | Action::Ignore => StatusCode::BAD_REQUEST,
        }
    }
}

/// Whether a response with this status ends the call without a rule.
fn is_final(status: StatusCode) -> bool {
    let is_error = status.is_client_error() || status.is_server_error();
    is_error && status != StatusCode::UNAUTHORIZED && !is_transient(status)
}

/// Statuses of transient conditions (RFC 9110 section 15, RFC 6585, RFC 8470).
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_counts_as_follows_the_rule_and_not_the_status() {
        let counts_as = |action, status| {
            let (told, wait, message) = (None, None, None);
            let ruling = Ruling { action, told, wait, message, follow_location: false };
            ruling.counts_as(StatusCode::from_u16(status).unwrap()).as_u16()
        };
        for status in [200, 204, 302, 400, 401, 403, 404, 429, 500, 501, 503] {
            assert_eq!(counts_as(Action::RateLimited, status), 429);
            assert_eq!(counts_as(Action::RenewToken, status), 401);
            assert_eq!(counts_as(Action::Accept, status), 200);
            let retried = StatusCode::from_u16(counts_as(Action::Retry, status)).unwrap();
            assert!(is_transient(retried) && retried.as_u16() != 429, "{status}");
            for action in [Action::Fail, Action::Ignore] {
                let failed = StatusCode::from_u16(counts_as(action, status)).unwrap();
                assert!(is_final(failed), "{status}");
            }
        }
        assert_eq!(counts_as(Action::Retry, 404), 408);
        assert_eq!(counts_as(Action::Retry, 200), 500);
        assert_eq!(counts_as(Action::Fail, 404), 404);
    }
}

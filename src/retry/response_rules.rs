//! [pure] Response rules: how a response is classified by its status, headers and body, where the
//! status alone does not say what happened. Without rules nothing is inspected.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{
    data::{one_or_many, optional_duration, pairs},
    path::Path,
    response::Action,
};

mod valid;

pub(crate) use valid::{apply_rules, check_rules};

/// Classifies a response by its content if its status is misleading: an error in a 200, a token
/// that is refused with a 403, a rate limit that is reported with a 400, a result that is not
/// ready, a set that is not there.
///
/// A rule is one action and at least one condition; all of its conditions must hold. The pool
/// tries its rules in order, and the first whose conditions hold decides; if none does, the
/// status decides as usual. Rules apply to responses of the pool's own API, not of other hosts.
/// The body is read for a rule only if its other conditions hold.
///
/// ```
/// use std::time::Duration;
/// use vantage_api_pool::{AwwPool, retry::ResponseRule};
///
/// let pool = AwwPool::builder("https://api.example.com/v1")
///     // {"ok": false, "error": "ratelimited", "retry_after": 30}
///     .response_rule(
///         ResponseRule::rate_limited()
///             .status(200)
///             .json("ok", false)
///             .json("error", "ratelimited")
///             .retry_after_at("retry_after"),
///     )
///     // {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
///     .response_rule(ResponseRule::rate_limited().json("errors[].extensions.code", "THROTTLED"))
///     .response_rule(
///         ResponseRule::fail().status(200).json_present("errors").message_at("errors[0].message"),
///     )
///     // {"total_count": 90, "incomplete_results": true, "items": […]}
///     .response_rule(ResponseRule::retry().json("incomplete_results", true))
///     .response_rule(
///         ResponseRule::renew_token().status(403).header_contains("www-authenticate", "invalid_token"),
///     )
///     .response_rule(ResponseRule::poll(Duration::from_secs(2)).status(202))
///     .build()?;
/// # Ok::<(), vantage_api_pool::Error>(())
/// ```
///
/// # Paths
///
/// A path is read like [those of an envelope](crate::Envelope#paths), such as `errors[0].code`,
/// `@odata.error` or `/errors/0/code`; a leading `$` is the root. `[]` means each element of a
/// list, or each value of an object: a condition holds if it holds for one of them. The empty
/// path is the whole body. In a body of several JSON values (NDJSON) each value is inspected. A
/// body that is not JSON has no value at any path.
///
/// # In YAML
///
/// A rule can be deserialized, for example a list of rules from a file. A duration is a number of
/// seconds or text such as `250ms`, as in a [`PoolConfig`](crate::PoolConfig).
///
/// ```
/// # use vantage_api_pool::{AwwPool, retry::ResponseRule};
/// let rules: Vec<ResponseRule> = serde_yaml_ng::from_str(
///     "
/// - { action: rate_limited, status: 200, json: { ok: false, error: ratelimited }, retry_after: 30
///   }
/// - { action: fail, status: [200, 206], json_present: errors, message_at: '/errors/0/message' }
/// - { action: renew_token, status: 403, body_contains: invalid_token }
/// - { action: poll, status: 202, interval: 2 }
/// - { action: ignore, status: [403, 404], path: 'orgs/{org}/teams' }
/// ",
/// )?;
/// let pool = AwwPool::builder("https://api.example.com/v1").response_rules(rules).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct ResponseRule {
    action: Action,
    #[serde(default, with = "optional_duration")]
    interval: Option<Duration>,
    #[serde(default, deserialize_with = "one_or_many")]
    path: Vec<String>,
    #[serde(default, deserialize_with = "statuses")]
    status: Vec<RangeInclusive<u16>>,
    #[serde(default, deserialize_with = "one_or_many")]
    header_present: Vec<String>,
    #[serde(default, deserialize_with = "pairs")]
    header: Vec<(String, String)>,
    #[serde(default, deserialize_with = "pairs")]
    header_contains: Vec<(String, String)>,
    #[serde(default, deserialize_with = "one_or_many")]
    body_contains: Vec<String>,
    #[serde(default, deserialize_with = "pairs")]
    json: Vec<(Path, Value)>,
    #[serde(default, deserialize_with = "pairs")]
    json_not: Vec<(Path, Value)>,
    #[serde(default, deserialize_with = "one_or_many")]
    json_present: Vec<Path>,
    #[serde(default, deserialize_with = "pairs")]
    json_contains: Vec<(Path, String)>,
    #[serde(default, deserialize_with = "one_or_many")]
    message_at: Vec<Path>,
    #[serde(default, deserialize_with = "one_or_many")]
    retry_after_at: Vec<Path>,
    #[serde(default, with = "optional_duration")]
    retry_after: Option<Duration>,
    #[serde(default)]
    follow_location: bool,
}

fn statuses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RangeInclusive<u16>>, D::Error> {
    let statuses = one_or_many::<u16, D>(deserializer)?;
    Ok(statuses.into_iter().map(|status| status..=status).collect())
}

impl ResponseRule {
    fn new(action: Action) -> Self {
        Self {
            action,
            interval: None,
            path: Vec::new(),
            status: Vec::new(),
            header_present: Vec::new(),
            header: Vec::new(),
            header_contains: Vec::new(),
            body_contains: Vec::new(),
            json: Vec::new(),
            json_not: Vec::new(),
            json_present: Vec::new(),
            json_contains: Vec::new(),
            message_at: Vec::new(),
            retry_after_at: Vec::new(),
            retry_after: None,
            follow_location: false,
        }
    }

    /// The API refused the request because of a rate limit and did not process it. It counts as a
    /// 429 everywhere: the API, or the token if there are several, is held for the time given by
    /// `Retry-After`, [`retry_after_at`](Self::retry_after_at) or
    /// [`retry_after`](Self::retry_after), the dampener slows down, and the request is retried
    /// whatever its method.
    pub fn rate_limited() -> Self {
        Self::new(Action::RateLimited)
    }

    /// The failure is transient: the request is retried if its method allows, after
    /// `Retry-After`, [`retry_after_at`](Self::retry_after_at),
    /// [`retry_after`](Self::retry_after), or else the back-off. For the circuit breaker a 2xx
    /// response counts as a 500, and a 4xx response is not a sign of bad health.
    pub fn retry() -> Self {
        Self::new(Action::Retry)
    }

    /// The API refused the token: as after a 401 there is one token refresh and one retry, and a
    /// second refusal ends the call with
    /// [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized). Without tokens to refresh the
    /// first refusal does.
    pub fn renew_token() -> Self {
        Self::new(Action::RenewToken)
    }

    /// The result is not ready, as a 202 (Accepted) often says (RFC 9110 section 15.3.3). A GET or
    /// HEAD is sent again after `Retry-After`, or after `interval` if there is none or it is zero,
    /// as often as the call's timeout allows; these requests count neither as attempts nor against
    /// the retry budget. A wait that would pass the timeout ends the call with
    /// [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded), which has the status.
    /// With any other method the response ends the call, because sending the request again would
    /// start the work again.
    ///
    /// Without such a rule a page without items in a 202 is an
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode), never an empty set.
    pub fn poll(interval: Duration) -> Self {
        Self { interval: Some(interval), ..Self::new(Action::Poll) }
    }

    /// The response is accepted whatever its status: the call ends with `Ok`. Put it before a
    /// more general rule to make an exception from that.
    pub fn accept() -> Self {
        Self::new(Action::Accept)
    }

    /// The call has failed for good: with [`ErrorKind::ApiError`](crate::ErrorKind::ApiError) if
    /// the status is a success, and with [`ErrorKind::Status`](crate::ErrorKind::Status) otherwise.
    /// Nothing is retried, not even after a 429 or a 503.
    pub fn fail() -> Self {
        Self::new(Action::Fail)
    }

    /// The response means that there are no rows: a feature that an account does not have (403), a
    /// repository without commits (409), a parent that is gone (404). As the first page of a read it is
    /// a set without rows, and a warning says so, with the status: in the log, as an
    /// [`Event::PagingWarning`](crate::events::Event::PagingWarning), and in the report of a job.
    /// Nothing is retried. A later page of a read, the first page after a restart, and a call that reads
    /// no pages fail as after [`fail`](Self::fail), since rows would be missing in silence.
    ///
    /// A token that is refused everywhere must not become sets without rows: narrow the rule down, by a
    /// [`path`](Self::path) or by what the body says.
    ///
    /// ```
    /// # use vantage_api_pool::{AwwPool, retry::ResponseRule};
    /// let pool = AwwPool::builder("https://api.example.com/v1")
    ///     .response_rule(
    ///         ResponseRule::ignore().status(403).path("orgs/{org}/teams").message_at("message"),
    ///     )
    ///     .build()?;
    /// # Ok::<(), vantage_api_pool::Error>(())
    /// ```
    pub fn ignore() -> Self {
        Self::new(Action::Ignore)
    }

    /// If the request went to this path, or to one of several. It is written like an endpoint, below the
    /// base URL and without a query; a part in braces is any one part, so that `repos/{repo}/issues` are
    /// the issues of each repository. After a redirect the path is still the one that was asked for.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path.push(path.into());
        self
    }

    /// If the status is this one, or one of several if called more than once.
    pub fn status(self, status: u16) -> Self {
        self.statuses(status..=status)
    }

    /// If the status is in this range, or in one of several.
    pub fn statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.status.push(statuses);
        self
    }

    /// If this header is present.
    pub fn header_present(mut self, name: impl Into<String>) -> Self {
        self.header_present.push(name.into());
        self
    }

    /// If this header has this value, ignoring case and surrounding blanks.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.header.push((name.into(), value.into()));
        self
    }

    /// If the value of this header contains this text, ignoring case.
    pub fn header_contains(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.header_contains.push((name.into(), text.into()));
        self
    }

    /// If the body contains exactly these bytes anywhere.
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body_contains.push(text.into());
        self
    }

    /// If the body has this value at `path`. Numbers are compared by value (`1` equals `1.0`); a
    /// string never equals a number.
    pub fn json(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.json.push((path.into().into(), value.into()));
        self
    }

    /// If the body has a value other than this one at `path`, for example if any `code` but 0 is an
    /// error. It does not hold if there is no value.
    pub fn json_not(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.json_not.push((path.into().into(), value.into()));
        self
    }

    /// If the body has a value at `path` other than `null`, `false`, `0`, `""`, `[]` and `{}`.
    pub fn json_present(mut self, path: impl Into<String>) -> Self {
        self.json_present.push(path.into().into());
        self
    }

    /// If the body has a string at `path` that contains this text, ignoring ASCII case.
    pub fn json_contains(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.json_contains.push((path.into().into(), text.into()));
        self
    }

    /// Where the body has an error message; several paths are tried in turn. It becomes part of
    /// the error's text, which may be printed and logged: on one line, at most 200 characters,
    /// with the token of the request masked. For [`fail`](Self::fail), [`ignore`](Self::ignore),
    /// [`rate_limited`](Self::rate_limited) and [`retry`](Self::retry).
    pub fn message_at(mut self, path: impl Into<String>) -> Self {
        self.message_at.push(path.into().into());
        self
    }

    /// Where the body says how many seconds to wait, as a number or a string; several paths are
    /// tried in turn. A `Retry-After` header takes precedence. The hold after
    /// [`rate_limited`](Self::rate_limited) is rounded up to whole seconds. For `rate_limited`,
    /// [`retry`](Self::retry) and [`poll`](Self::poll).
    pub fn retry_after_at(mut self, path: impl Into<String>) -> Self {
        self.retry_after_at.push(path.into().into());
        self
    }

    /// How long to wait if the response does not say; by default the back-off applies. An attempt
    /// after which [`retry`](Self::retry) waits for this time counts towards
    /// [`max_attempts`](crate::PoolBuilder::max_attempts), since the API did not request the wait.
    /// For `retry` and [`rate_limited`](Self::rate_limited); [`poll`](Self::poll) has its interval.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Polls the URL in the `Location` header of the response, or else in its `Operation-Location`,
    /// if it has one. It must be below the base URL, or the call fails with
    /// [`ErrorKind::ForeignOrigin`](crate::ErrorKind::ForeignOrigin). For [`poll`](Self::poll).
    pub fn follow_location(mut self) -> Self {
        self.follow_location = true;
        self
    }
}

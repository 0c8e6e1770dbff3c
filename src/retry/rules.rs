//! [pure] Rules for answers: what an answer is taken for by its status, its headers and its
//! body, where the status alone does not say what happened. Without rules nothing is looked at.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind},
    response::{Action, Response},
};

mod block;
mod judge;

use block::RuleBlock;
use judge::Judge;

/// What an answer is taken for by what it says, where its status does not tell: an error in a
/// 200, a token that is refused with a 403, a limit that is told with a 400, a result that is
/// not ready.
///
/// A rule is one action and the conditions for it, all of which must hold; it needs at least
/// one. The pool goes through its rules in their order, and the first whose conditions hold
/// decides; without one the status decides, as ever. Rules are for the answers of the pool's
/// own API, and not for those of other hosts. The body is read for a rule only where its other
/// conditions hold.
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
/// A path is read as [those of an envelope](crate::Envelope#paths) are, such as
/// `errors[0].code`, `@odata.error` or `/errors/0/code`; `$` before it all is the root. `[]` is
/// each element of a list, or value of an object: a condition holds if it does for one of them.
/// The empty path is the whole body. In a body of several JSON values (NDJSON) each is looked at.
/// A body that is no JSON has nothing anywhere.
///
/// # In YAML
///
/// A rule is read by serde, so that a list of them may come from a file. A duration is a number
/// of seconds or text such as `250ms`, as in a [`PoolConfig`](crate::PoolConfig).
///
/// ```
/// # use vantage_api_pool::{AwwPool, retry::ResponseRule};
/// let rules: Vec<ResponseRule> = serde_yaml_ng::from_str(
///     "
/// - { action: rate_limited, status: 200, json: { ok: false, error: ratelimited }, retry_after: 30 }
/// - { action: fail, status: [200, 206], json_present: errors, message_at: '/errors/0/message' }
/// - { action: renew_token, status: 403, body_contains: invalid_token }
/// - { action: poll, status: 202, interval: 2 }
/// ",
/// )?;
/// let pool = AwwPool::builder("https://api.example.com/v1").response_rules(rules).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RuleBlock")]
#[must_use]
pub struct ResponseRule {
    action: Action,
    statuses: Vec<RangeInclusive<u16>>,
    headers: Vec<(String, HeaderTest)>,
    texts: Vec<String>,
    places: Vec<(String, PlaceTest)>,
    message_at: Vec<String>,
    retry_after_at: Vec<String>,
    retry_after: Option<Duration>,
    follow_location: bool,
}

/// What a value of a header must be.
#[derive(Clone, Debug)]
enum HeaderTest {
    Present,
    Is(String),
    Contains(String),
}

/// What the body must have at a place.
#[derive(Clone, Debug)]
enum PlaceTest {
    Present,
    Is(Value),
    IsNot(Value),
    Contains(String),
}

impl ResponseRule {
    fn new(action: Action) -> Self {
        Self {
            action,
            statuses: Vec::new(),
            headers: Vec::new(),
            texts: Vec::new(),
            places: Vec::new(),
            message_at: Vec::new(),
            retry_after_at: Vec::new(),
            retry_after: None,
            follow_location: false,
        }
    }

    /// The API has refused the request for a limit, and has not acted upon it. It counts as a
    /// 429 throughout: the API, or the token where there are several, is held for as long as
    /// `Retry-After`, [`retry_after_at`](Self::retry_after_at) or
    /// [`retry_after`](Self::retry_after) says, the dampener slows down, and the request is sent
    /// again whatever its method.
    pub fn rate_limited() -> Self {
        Self::new(Action::RateLimited)
    }

    /// The request has failed in passing: it is sent again if its method allows, after
    /// `Retry-After`, [`retry_after_at`](Self::retry_after_at),
    /// [`retry_after`](Self::retry_after), or else the back-off. An answer with a 2xx counts as
    /// a 500 for the circuit breaker, one with a 4xx says nothing against the API's health.
    pub fn retry() -> Self {
        Self::new(Action::Retry)
    }

    /// The API has refused the token: as after a 401 there is one new token and one retry,
    /// and a second refusal is the call's [`ErrorKind::Unauthorized`]. Without tokens to renew
    /// it is so at once.
    pub fn renew_token() -> Self {
        Self::new(Action::RenewToken)
    }

    /// The result is not ready, as a 202 (Accepted) often says (RFC 9110 section 15.3.3). A GET
    /// or HEAD is sent again after `Retry-After`, or after `interval` if there is none or it is
    /// zero, as often as the call's timeout allows; this counts neither as an attempt nor
    /// against the retry budget. A wait that would pass the timeout ends the call with
    /// [`ErrorKind::DeadlineExceeded`], which has the status. The answer to any other method is
    /// the call's answer, since sending it again would begin anew.
    ///
    /// Without such a rule a page without items in a 202 is an [`ErrorKind::Decode`], and never
    /// an empty set.
    pub fn poll(interval: Duration) -> Self {
        let rule = Self::new(Action::Poll { follow_location: false });
        Self { retry_after: Some(interval), ..rule }
    }

    /// The answer is taken as it is, whatever its status: the call ends with `Ok`. Before a
    /// rule that is wider it is an exception from that.
    pub fn accept() -> Self {
        Self::new(Action::Accept)
    }

    /// The call has failed for good: with [`ErrorKind::ApiError`] where the status is a success,
    /// else with [`ErrorKind::Status`]. Nothing is retried, not even after a 429 or a 503.
    pub fn fail() -> Self {
        Self::new(Action::Fail)
    }

    /// On this status, or on one of several if given more than once.
    pub fn status(self, status: u16) -> Self {
        self.statuses(status..=status)
    }

    /// On any of these statuses.
    pub fn statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.statuses.push(statuses);
        self
    }

    /// If there is such a header.
    pub fn header_present(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderTest::Present));
        self
    }

    /// If there is such a header with this value, without regard to case and to blanks around it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderTest::Is(value.into())));
        self
    }

    /// If there is such a header with this text in its value, without regard to case.
    pub fn header_contains(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderTest::Contains(text.into())));
        self
    }

    /// If this text is anywhere in the body, in these very bytes.
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.texts.push(text.into());
        self
    }

    /// If the body has this value at `path`. Numbers are compared by value (`1` is `1.0`); a
    /// text is no number.
    pub fn json(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.places.push((path.into(), PlaceTest::Is(value.into())));
        self
    }

    /// If the body has another value than this at `path`, as where any `code` but 0 is an
    /// error. It does not hold where there is nothing.
    pub fn json_not(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.places.push((path.into(), PlaceTest::IsNot(value.into())));
        self
    }

    /// If the body has anything at `path` but `null`, `false`, `0`, `""`, `[]` and `{}`.
    pub fn json_present(mut self, path: impl Into<String>) -> Self {
        self.places.push((path.into(), PlaceTest::Present));
        self
    }

    /// If the body has a text at `path` with this in it, in any case of ASCII letters.
    pub fn json_contains(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.places.push((path.into(), PlaceTest::Contains(text.into())));
        self
    }

    /// Where the body says what is wrong; several are looked at in turn. It becomes part of the
    /// error's text, which may be printed and logged: on one line, at most 200 characters,
    /// without the token that the request was sent with. For [`fail`](Self::fail),
    /// [`rate_limited`](Self::rate_limited) and [`retry`](Self::retry).
    pub fn message_at(mut self, path: impl Into<String>) -> Self {
        self.message_at.push(path.into());
        self
    }

    /// Where the body says how long to wait, in seconds, as a number or as text; several are
    /// looked at in turn. A `Retry-After` goes before it. The hold after
    /// [`rate_limited`](Self::rate_limited) is of whole seconds, rounded up. For it, for
    /// [`retry`](Self::retry) and for [`poll`](Self::poll).
    pub fn retry_after_at(mut self, path: impl Into<String>) -> Self {
        self.retry_after_at.push(path.into());
        self
    }

    /// How long to wait where the answer does not say; none by default, so that the back-off
    /// counts. An attempt after which [`retry`](Self::retry) waits for so long is one of
    /// [`max_attempts`](crate::PoolBuilder::max_attempts): the API did not ask for the wait. For
    /// it and for [`rate_limited`](Self::rate_limited); [`poll`](Self::poll) has its interval.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Asks where the answer says that the result will be: at its `Location`, or else its
    /// `Operation-Location`, where it has one. It must lie below the base URL, or the call fails
    /// with [`ErrorKind::ForeignOrigin`]. For [`poll`](Self::poll).
    pub fn follow_location(mut self) -> Self {
        self.follow_location = true;
        self
    }
}

/// The rules of a pool, checked.
#[derive(Clone, Debug)]
pub(crate) struct ResponseRules(Arc<[Judge]>);

impl ResponseRules {
    /// # Errors
    /// [`ErrorKind::Config`] that names the rule by its number, from 1, and what is wrong.
    pub(crate) fn new(rules: &[ResponseRule]) -> Result<Self, Error> {
        let judge = |(n, rule): (usize, &ResponseRule)| {
            Judge::new(rule).map_err(|what| {
                let what = format!("response_rule {}, {}: {what}", n + 1, name(rule.action));
                Error::new(ErrorKind::Config, what)
            })
        };
        rules.iter().enumerate().map(judge).collect::<Result<_, _>>().map(Self)
    }

    /// The answer, with what the first rule says whose conditions hold. `secret` stays out of
    /// what is quoted.
    pub(crate) fn apply(&self, answer: Response, secret: Option<&str>) -> Response {
        match self.0.iter().find_map(|judge| judge.ruling(&answer, secret)) {
            Some(ruling) => answer.ruled(ruling),
            None => answer,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the constructor of a rule is called.
fn name(action: Action) -> &'static str {
    match action {
        Action::RateLimited => "rate_limited",
        Action::Retry => "retry",
        Action::RenewToken => "renew_token",
        Action::Poll { .. } => "poll",
        Action::Accept => "accept",
        Action::Fail => "fail",
    }
}

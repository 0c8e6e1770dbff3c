//! [pure] Checks rules, and applies them to responses.

use std::{borrow::Cow, ops::RangeInclusive, str::FromStr, time::Duration};

use http::{HeaderName, StatusCode};
use serde_json::Value;

use super::{HeaderTest, PlaceTest, ResponseRule};
use crate::{
    error::Error,
    path::Path,
    response::{Action, Response, Ruling},
};

/// The most characters of a body that are quoted.
const MOST_QUOTED: usize = 200;
/// The longest wait that is distinguished, 136 years.
const LONGEST: f64 = u32::MAX as f64;

/// Checks the rules of a pool.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the rule by its number, from 1, and what
/// is wrong.
pub(crate) fn check_rules(rules: &[ResponseRule]) -> Result<(), Error> {
    for (n, rule) in rules.iter().enumerate() {
        check(rule).map_err(|what| {
            Error::config(format!("response_rule {}, {}: {what}", n + 1, name(rule.action)))
        })?;
    }
    Ok(())
}

/// The response with the result of the first of `rules` whose conditions hold. `secret` is masked
/// in quotes.
pub(crate) fn apply_rules(
    rules: &[ResponseRule],
    answer: Response,
    secret: Option<&str>,
) -> Response {
    match rules.iter().find_map(|rule| rule.ruling(&answer, secret)) {
        Some(ruling) => answer.ruled(ruling),
        None => answer,
    }
}

/// The name of the constructor of a rule.
fn name(action: Action) -> &'static str {
    match action {
        Action::RateLimited => "rate_limited",
        Action::Retry => "retry",
        Action::RenewToken => "renew_token",
        Action::Poll => "poll",
        Action::Accept => "accept",
        Action::Fail => "fail",
    }
}

impl ResponseRule {
    /// The result of the rule, if its conditions hold. `secret` is masked in it.
    fn ruling(&self, answer: &Response, secret: Option<&str>) -> Option<Ruling> {
        let status = answer.status().as_u16();
        let is_met = self.statuses.is_empty()
            || self.statuses.iter().any(|statuses| statuses.contains(&status));
        if !is_met || !self.headers.iter().all(|(name, test)| test.holds(answer, name)) {
            return None;
        }
        // The most expensive conditions last.
        let body = answer.body();
        if !self.texts.iter().all(|text| contains(body, text)) {
            return None;
        }
        let text = if self.reads_json() { text_of(body) } else { Cow::default() };
        if !self.places.iter().all(|(place, test)| place.any(&text, |value| test.holds(value))) {
            return None;
        }
        let told = first(&self.retry_after_at, &text, wait);
        let message = first(&self.message_at, &text, |value| quote(value, secret));
        let Self { action, retry_after: wait, follow_location, .. } = *self;
        Some(Ruling { action, told, wait, message, follow_location })
    }

    fn reads_json(&self) -> bool {
        let Self { places, message_at, retry_after_at, .. } = self;
        !(places.is_empty() && message_at.is_empty() && retry_after_at.is_empty())
    }
}

/// # Errors
/// What is wrong with the rule.
fn check(rule: &ResponseRule) -> Result<(), String> {
    let ResponseRule { action, statuses, headers, texts, places, .. } = rule;
    if statuses.is_empty() && headers.is_empty() && texts.is_empty() && places.is_empty() {
        return Err("it has no condition".into());
    }
    if let Some(range) = statuses.iter().find(|range| !is_of_statuses(range)) {
        let (first, last) = (range.start(), range.end());
        return Err(format!("there are no statuses from {first} to {last}"));
    }
    let has_empty_text = texts.iter().any(String::is_empty)
        || headers.iter().any(|(_, t)| matches!(t, HeaderTest::Contains(t) if t.is_empty()))
        || places.iter().any(|(_, t)| matches!(t, PlaceTest::Contains(t) if t.is_empty()));
    if has_empty_text {
        return Err("a text to be contained is empty".into());
    }
    let is_poll = *action == Action::Poll;
    let may_wait = is_poll || matches!(action, Action::RateLimited | Action::Retry);
    let has_wait = rule.retry_after.is_some() || !rule.retry_after_at.is_empty();
    let fails = matches!(action, Action::RateLimited | Action::Retry | Action::Fail);
    for (is_misplaced, setting) in [
        (!may_wait && has_wait, "retry_after"),
        (!fails && !rule.message_at.is_empty(), "message_at"),
        (!is_poll && rule.follow_location, "follow_location"),
    ] {
        if is_misplaced {
            return Err(format!("{setting} has no meaning for it"));
        }
    }
    if is_poll && rule.retry_after.is_none_or(|interval| interval.is_zero()) {
        return Err("its interval must be above zero".into());
    }
    if let Some((name, _)) = headers.iter().find(|(name, _)| HeaderName::from_str(name).is_err()) {
        return Err(format!("`{name}` is not the name of a header"));
    }
    let places = places.iter().map(|(path, _)| path);
    for path in places.chain(&rule.message_at).chain(&rule.retry_after_at) {
        Path::parse_strictly(&path.to_string())
            .map_err(|what| format!("the path `{path}`: {what}"))?;
    }
    Ok(())
}

fn is_of_statuses(range: &RangeInclusive<u16>) -> bool {
    let is_status = |status: &u16| StatusCode::from_u16(*status).is_ok();
    !range.is_empty() && is_status(range.start()) && is_status(range.end())
}

impl HeaderTest {
    fn holds(&self, answer: &Response, name: &str) -> bool {
        answer.headers().get_all(name).iter().any(|value| {
            let value = value.as_bytes();
            match self {
                Self::Present => true,
                Self::Is(wanted) => {
                    value.trim_ascii().eq_ignore_ascii_case(wanted.trim().as_bytes())
                }
                Self::Contains(text) => contains_ignoring_case(value, text),
            }
        })
    }
}

impl PlaceTest {
    /// Whether it holds for `value`, a JSON text without blanks around it.
    fn holds(&self, value: &str) -> bool {
        let parse = || serde_json::from_str::<Value>(value).ok();
        match self {
            Self::Present => is_present(value),
            Self::Is(wanted) => parse().is_some_and(|value| is_same(&value, wanted)),
            Self::IsNot(other) => parse().is_none_or(|value| !is_same(&value, other)),
            Self::Contains(text) => {
                let value = parse();
                let value = value.as_ref().and_then(Value::as_str);
                value.is_some_and(|value| contains_ignoring_case(value.as_bytes(), text))
            }
        }
    }
}

/// Whether a JSON text counts as present.
fn is_present(value: &str) -> bool {
    match value.as_bytes() {
        [b'[' | b'{', inner @ .., _] => !inner.trim_ascii().is_empty(),
        [b'"', inner @ .., _] => !inner.is_empty(),
        b"null" | b"false" => false,
        number => {
            number.iter().any(|byte| !matches!(byte, b'0' | b'-' | b'.' | b'e' | b'E' | b'+'))
        }
    }
}

/// Whether two values are equal, numbers by value.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

fn contains_ignoring_case(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether `body` has the bytes of `part` anywhere.
fn contains(body: &[u8], part: &str) -> bool {
    let Some((&first, _)) = part.as_bytes().split_first() else { return true };
    let mut rest = body;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(part.as_bytes()) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// The body as text, without a byte order mark.
fn text_of(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body))
}

/// The first value at `places` that `read` can read.
fn first<T>(places: &[Path], text: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut found = None;
    let _ = places.iter().any(|place| {
        place.any(text, |value| {
            found = read(value);
            found.is_some()
        })
    });
    found
}

/// A number of seconds, as a number or a string; not negative.
fn wait(value: &str) -> Option<Duration> {
    let text = serde_json::from_str::<Cow<'_, str>>(value);
    let number = text.as_deref().map_or(value, str::trim);
    let seconds: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(seconds.min(LONGEST)).ok()
}

/// The value at a path on one line and truncated: a string as it is, anything else as JSON.
fn quote(value: &str, secret: Option<&str>) -> Option<String> {
    let text = serde_json::from_str::<String>(value);
    let text =
        text.unwrap_or_else(|_| if is_present(value) { value.into() } else { String::new() });
    let text = match secret.filter(|secret| !secret.is_empty()) {
        Some(secret) => text.replace(secret, "***"),
        None => text,
    };
    let mut quoted = String::new();
    for word in text.split(|char: char| char.is_whitespace() || char.is_control()) {
        if quoted.len() > 4 * MOST_QUOTED {
            break;
        }
        if !word.is_empty() && !quoted.is_empty() {
            quoted.push(' ');
        }
        quoted.push_str(word);
    }
    if let Some((end, _)) = quoted.char_indices().nth(MOST_QUOTED) {
        quoted.truncate(end);
        quoted.push('…');
    }
    (!quoted.is_empty()).then_some(quoted)
}

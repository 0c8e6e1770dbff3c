//! [pure] Checks rules, and applies them to responses.

use std::{borrow::Cow, ops::RangeInclusive, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use super::ResponseRule;
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

/// The response to a request for `path`, below the base URL, with the result of the first of `rules`
/// whose conditions hold. `secret` is masked in quotes.
pub(crate) fn apply_rules(
    rules: &[ResponseRule],
    path: &str,
    answer: Response,
    secret: Option<&str>,
) -> Response {
    let mut rules = rules.iter().filter(|rule| rule.path_holds(path));
    match rules.find_map(|rule| rule.ruling(&answer, secret)) {
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
        Action::Ignore => "ignore",
    }
}

impl ResponseRule {
    /// The result of the rule, if its conditions hold. `secret` is masked in it.
    fn ruling(&self, answer: &Response, secret: Option<&str>) -> Option<Ruling> {
        let body = answer.body();
        // The most expensive conditions last.
        if !self.status_holds(answer.status().as_u16())
            || !self.headers_hold(answer.headers())
            || !self.body_contains.iter().all(|text| contains(body, text))
        {
            return None;
        }
        let text = if self.paths().next().is_some() { text_of(body) } else { Cow::default() };
        if !self.json_holds(&text) {
            return None;
        }
        let told = first(&self.retry_after_at, &text, wait);
        let message = first(&self.message_at, &text, |value| quote(value, secret));
        let Self { action, follow_location, .. } = *self;
        let wait = self.retry_after.or(self.interval);
        Some(Ruling { action, told, wait, message, follow_location })
    }

    fn path_holds(&self, path: &str) -> bool {
        self.path.is_empty() || self.path.iter().any(|wanted| is_path(path, wanted))
    }

    fn status_holds(&self, status: u16) -> bool {
        self.status.is_empty() || self.status.iter().any(|range| range.contains(&status))
    }

    fn headers_hold(&self, headers: &HeaderMap) -> bool {
        let any = |name: &str, test: &dyn Fn(&[u8]) -> bool| {
            headers.get_all(name).iter().any(|value| test(value.as_bytes()))
        };
        self.header_present.iter().all(|name| headers.contains_key(name))
            && self.header.iter().all(|(name, wanted)| {
                let wanted = wanted.trim().as_bytes();
                any(name, &|value| value.trim_ascii().eq_ignore_ascii_case(wanted))
            })
            && self
                .header_contains
                .iter()
                .all(|(name, text)| any(name, &|value| contains_ignoring_case(value, text)))
    }

    /// Whether the body, as text, has everything that it must have at paths.
    fn json_holds(&self, text: &str) -> bool {
        // A number beyond any range has no value here.
        let any = |path: &Path, test: &dyn Fn(Option<Value>) -> bool| {
            path.any(text, |value| test(serde_json::from_str(value).ok()))
        };
        let is = |value: Option<Value>, wanted: &Value| {
            value.is_some_and(|value| is_same(&value, wanted))
        };
        self.json_present.iter().all(|path| path.any(text, is_present))
            && self.json.iter().all(|(path, wanted)| any(path, &|value| is(value, wanted)))
            && self.json_not.iter().all(|(path, other)| any(path, &|value| !is(value, other)))
            && self.json_contains.iter().all(|(path, text)| {
                let contains = |value: &str| contains_ignoring_case(value.as_bytes(), text);
                any(path, &|value| value.as_ref().and_then(Value::as_str).is_some_and(contains))
            })
    }

    /// All paths that lead into the body.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let compared = self.json.iter().chain(&self.json_not).map(|(path, _)| path);
        let searched = self.json_contains.iter().map(|(path, _)| path);
        let read = [&self.json_present, &self.message_at, &self.retry_after_at];
        compared.chain(searched).chain(read.into_iter().flatten())
    }

    /// The names of all headers that are looked at.
    fn header_names(&self) -> impl Iterator<Item = &String> {
        let tested = self.header.iter().chain(&self.header_contains).map(|(name, _)| name);
        self.header_present.iter().chain(tested)
    }

    /// Whether it holds for some paths alone.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    fn has_condition(&self) -> bool {
        let Self { path, status, body_contains, message_at, retry_after_at, .. } = self;
        let is_read = message_at.len() + retry_after_at.len();
        let has_path = !path.is_empty() && self.action != Action::Ignore;
        has_path
            || !status.is_empty()
            || !body_contains.is_empty()
            || self.header_names().next().is_some()
            || self.paths().count() > is_read
    }
}

/// # Errors
/// What is wrong with the rule.
fn check(rule: &ResponseRule) -> Result<(), String> {
    if !rule.has_condition() {
        return Err("it has no condition".into());
    }
    if rule.path.iter().any(|path| {
        path.contains(['?', '#']) || path.contains("://") || path.trim_matches('/').is_empty()
    }) {
        return Err("a path is one below the base URL, without a query".into());
    }
    if let Some(range) = rule.status.iter().find(|range| !is_of_statuses(range)) {
        let (first, last) = (range.start(), range.end());
        return Err(format!("there are no statuses from {first} to {last}"));
    }
    let in_headers = rule.header_contains.iter().map(|(_, text)| text);
    let in_values = rule.json_contains.iter().map(|(_, text)| text);
    if rule.body_contains.iter().chain(in_headers).chain(in_values).any(String::is_empty) {
        return Err("a text to be contained is empty".into());
    }
    let action = rule.action;
    let is_poll = action == Action::Poll;
    let may_wait = matches!(action, Action::RateLimited | Action::Retry);
    let fails = may_wait || matches!(action, Action::Fail | Action::Ignore);
    for (is_misplaced, setting) in [
        (!is_poll && rule.interval.is_some(), "interval"),
        (!may_wait && rule.retry_after.is_some(), "retry_after"),
        (!may_wait && !is_poll && !rule.retry_after_at.is_empty(), "retry_after_at"),
        (!fails && !rule.message_at.is_empty(), "message_at"),
        (!is_poll && rule.follow_location, "follow_location"),
    ] {
        if is_misplaced {
            return Err(format!("{setting} has no meaning for it"));
        }
    }
    if is_poll && rule.interval.is_none_or(|interval| interval.is_zero()) {
        return Err("it needs an interval above zero".into());
    }
    if let Some(name) = rule.header_names().find(|name| HeaderName::from_str(name).is_err()) {
        return Err(format!("`{name}` is not the name of a header"));
    }
    for path in rule.paths() {
        Path::parse_strictly(&path.to_string())
            .map_err(|what| format!("the path `{path}`: {what}"))?;
    }
    Ok(())
}

/// Whether a part of a path, which may be percent-encoded, is this text.
fn is_part(part: &str, text: &str) -> bool {
    part == text || percent_encoding::percent_decode_str(part).decode_utf8_lossy() == text
}

/// Whether a path is one of `wanted`, in which a part in braces stands for any one.
fn is_path(path: &str, wanted: &str) -> bool {
    let is_any = |part: &str| part.starts_with('{') && part.ends_with('}');
    let mut parts = path.trim_matches('/').split('/');
    let mut is_next =
        |wanted: &str| parts.next().is_some_and(|part| is_any(wanted) || is_part(part, wanted));
    wanted.trim_matches('/').split('/').all(&mut is_next) && parts.next().is_none()
}

fn is_of_statuses(range: &RangeInclusive<u16>) -> bool {
    let is_status = |status: &u16| StatusCode::from_u16(*status).is_ok();
    !range.is_empty() && is_status(range.start()) && is_status(range.end())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_part_by_part_and_as_it_is_written() {
        for (path, wanted, expected) in [
            ("/orgs/7/teams", "orgs/{org}/teams", true),
            ("/orgs/7/teams/", "/orgs/{org}/teams", true),
            ("/orgs/7/teams/9", "orgs/{org}/teams", false),
            ("/orgs/7", "orgs/{org}/teams", false),
            ("/gr%C3%B6%C3%9Fe", "größe", true),
            ("/a%20b", "a%20b", true),
            ("/jobs/7:cancel", "jobs/7:cancel", true),
        ] {
            assert_eq!(is_path(path, wanted), expected, "{path} {wanted}");
        }
    }
}

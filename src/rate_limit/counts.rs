//! Quotas in several fields with the same endings, `…RateLimit-Limit`, `-Remaining` and `-Reset`
//! after any prefix and before any suffix, or in one field with a list or a ratio. Fields that
//! cannot be read are named; nothing here fails.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Item};

use super::{
    quota::{QuotaPolicy, QuotaState, integer, items, policy},
    retry_after::sent_at,
    times,
};

/// What the name of a field says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Name<'a> {
    /// Which quota it is about: the text before and after the word for the kind.
    about: (&'a str, &'a str, &'a str),
    kind: Kind,
    /// Whether a number is in milliseconds.
    in_millis: bool,
    counts_requests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Limit,
    Remaining,
    Reset,
    /// Its value may contain all three.
    All,
}

/// Whether a field of this name may report a quota.
pub(super) fn may_tell(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains("limit")
        && ["ratelimit", "rate-limit", "call-limit", "limit-info"]
            .iter()
            .any(|part| name.contains(part))
}

/// Every quota that is reported in this way. A reset given as a point in time is measured against
/// the response's own `Date`, or against `now` without one.
pub(super) fn states(
    headers: &HeaderMap,
    now: SystemTime,
    unread: &mut Vec<HeaderName>,
) -> Vec<QuotaState> {
    let mut groups: Vec<(_, QuotaState)> = Vec::new();
    let mut states = Vec::new();
    for field in headers.keys().filter(|field| may_tell(field)) {
        let Some(name) = name(field.as_str()) else { continue };
        let values: Vec<_> = headers.get_all(field).iter().map(HeaderValue::as_bytes).collect();
        let value = values.join(&b", "[..]);
        if name.kind == Kind::All {
            let told = list(&value, || sent_at(headers, now));
            // A remaining count without a reset time cannot be observed.
            if !matches!(told, Ok(None | Some(QuotaState { reset: Some(_), .. }))) {
                unread.push(field.clone());
            }
            states.extend(told.ok().flatten());
            continue;
        }
        let at = groups.iter().position(|(about, _)| *about == name.about);
        let at = at.unwrap_or_else(|| {
            let Name { about, counts_requests, .. } = name;
            groups.push((about, QuotaState { counts_requests, ..QuotaState::EMPTY }));
            groups.len() - 1
        });
        let (_, group) = &mut groups[at];
        let is_read = match name.kind {
            Kind::Limit => numbers(&value).map(|limits| group.policy = slowest(limits)),
            Kind::Remaining => remaining(&value).map(|left| group.remaining = Some(left as u64)),
            _ => reset(&values, name.in_millis, || sent_at(headers, now))
                .map(|reset| group.reset = Some(reset)),
        };
        if is_read.is_err() {
            unread.push(field.clone());
        }
    }
    states.extend(groups.into_iter().map(|(_, state)| state));
    states
}

fn name(name: &str) -> Option<Name<'_>> {
    let family = ["ratelimit", "rate-limit"].iter().find_map(|family| {
        let end = name.find(family)? + family.len();
        name.get(end..).filter(|rest| rest.is_empty() || rest.starts_with('-')).map(|_| end)
    });
    let all =
        Name { about: (name, "", ""), kind: Kind::All, in_millis: false, counts_requests: true };
    let Some(end) = family else {
        return ["call-limit", "limit-info"].iter().any(|part| name.ends_with(part)).then_some(all);
    };
    if matches!(name, "ratelimit" | "ratelimit-policy") {
        return None;
    }
    let mut at = end;
    let counts_requests = !name.contains("token") && !name.contains("byte");
    for word in name[end..].split_inclusive('-') {
        let start = at;
        at += word.len();
        let kind = match word.trim_end_matches('-') {
            "limit" => Kind::Limit,
            "remaining" => Kind::Remaining,
            "reset" => Kind::Reset,
            _ => continue,
        };
        let (before, after) = (&name[end..start], name[at..].trim_start_matches("after"));
        let unit = after.trim_start_matches('-');
        let in_millis = matches!(unit, "ms" | "millis" | "milliseconds");
        let after = if in_millis { "" } else { after };
        let about = (&name[..end], before, after);
        return Some(Name { about, kind, in_millis, counts_requests });
    }
    Some(all)
}

fn slowest(limits: Vec<(f64, Option<u64>)>) -> Option<QuotaPolicy> {
    let limits = limits.into_iter();
    let policies = limits.filter_map(|(quota, window)| Some(policy(quota as u64, window?)));
    policies.min_by(|a, b| a.rate().total_cmp(&b.rate()))
}

/// A value that occurs more than once, or holds more than one number, is ambiguous.
fn one(numbers: &[(f64, Option<u64>)]) -> Result<f64, ()> {
    match numbers {
        [(number, _)] => Ok(*number),
        _ => Err(()),
    }
}

/// A count, or a count out of a total.
fn remaining(value: &[u8]) -> Result<f64, ()> {
    match numbers(value) {
        Ok(numbers) => one(&numbers),
        Err(()) => ratio(text(value)?).map(|(left, _)| left).ok_or(()),
    }
}

/// The time from the response to the reset, given in seconds or as a point in time.
fn reset(values: &[&[u8]], in_millis: bool, since: impl Fn() -> Duration) -> Result<Duration, ()> {
    let [value] = values else { return Err(()) };
    let value = text(value)?;
    let number = match numbers(value.as_bytes()) {
        Ok(numbers) => Some(one(&numbers)?),
        Err(()) => times::number(value),
    };
    let time = match number {
        Some(millis) if in_millis => Some(times::Time::of_number(millis / 1e3)),
        Some(seconds) => Some(times::Time::of_number(seconds)),
        None => times::time(value),
    };
    Ok(time.ok_or(())?.from(since()))
}

/// The quota in one field: `total=100; remaining=99; resets=41`, or `32/40`, which means 32 of 40
/// are used. Anything else says nothing about what is left.
fn list(value: &[u8], since: impl Fn() -> Duration) -> Result<Option<QuotaState>, ()> {
    let Ok(value) = text(value) else { return Ok(None) };
    let mut state = QuotaState::EMPTY;
    for part in value.split([';', ',']) {
        let (key, value) = part.split_once('=').unwrap_or(("", part));
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "remaining" | "left" => {
                state.remaining = Some(times::number(value).ok_or(())? as u64);
            }
            "reset" | "resets" | "reset-after" => {
                state.reset = Some(times::time(value).ok_or(())?.from(since()));
            }
            _ => {
                if let Some((used, all)) = ratio(value) {
                    state.remaining = Some((all - used).max(0.0) as u64);
                }
            }
        }
    }
    Ok((state.remaining.is_some() || state.reset.is_some()).then_some(state))
}

/// `32/40`.
fn ratio(text: &str) -> Option<(f64, f64)> {
    let (part, whole) = text.split_once('/')?;
    Some((times::number(part.trim())?, times::number(whole.trim())?))
}

fn text(value: &[u8]) -> Result<&str, ()> {
    std::str::from_utf8(value).map(str::trim).map_err(|_| ())
}

/// A list of numbers, none of them negative, each with its window. Fractions are common
/// in practice.
fn numbers(text: &[u8]) -> Result<Vec<(f64, Option<u64>)>, ()> {
    let numbers = items(text)?.into_iter().map(|Item { bare_item, params }| {
        let number = match bare_item {
            BareItem::Integer(number) => i64::from(number) as f64,
            BareItem::Decimal(number) => f64::from(number),
            _ => return Err(()),
        };
        let number = Some(number).filter(|number| *number >= 0.0).ok_or(())?;
        Ok((number, integer(&params, "w")?))
    });
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_vendors_say_what_they_are_about() {
        let read = |text| name(text).map(|name| (name.about, name.kind, name.in_millis));
        let limit = |about, kind| Some((about, kind, false));
        let family = ("x-ratelimit", "-", "");
        assert_eq!(read("x-ratelimit-limit"), limit(family, Kind::Limit));
        assert_eq!(read("x-ratelimit-reset"), limit(family, Kind::Reset));
        assert_eq!(read("x-ratelimit-reset-after").map(|(_, kind, _)| kind), Some(Kind::Reset));
        assert_eq!(read("x-ratelimit-reset-ms"), Some((family, Kind::Reset, true)));
        assert_eq!(read("x-rate-limit-limit"), limit(("x-rate-limit", "-", ""), Kind::Limit));
        let openai = ("x-ratelimit", "-", "requests");
        assert_eq!(read("x-ratelimit-remaining-requests"), limit(openai, Kind::Remaining));
        assert_eq!(read("x-ratelimit-reset-requests"), limit(openai, Kind::Reset));
        let anthropic = ("anthropic-ratelimit", "-requests-", "");
        assert_eq!(read("anthropic-ratelimit-requests-reset"), limit(anthropic, Kind::Reset));
        assert_eq!(read("x-ratelimit-resource").map(|(_, kind, _)| kind), Some(Kind::All));
        assert_eq!(read("stripe-rate-limited-reason"), None);
        assert_eq!(read("ratelimit-policy"), None);
        assert!(!name("x-ratelimit-remaining-tokens").unwrap().counts_requests);
    }
}

//! What a response says about quotas: how much is left, until when, and how they are refilled.
//! Malformed fields are ignored and named; nothing here fails.
//!
//! Three families of fields are read, wherever they occur:
//!
//! - `RateLimit-Policy: "burst";q=100;w=60` and `RateLimit: "burst";r=50;t=30`
//!   (draft-ietf-httpapi-ratelimit-headers, structured fields of RFC 9651), and the forms
//!   of its earlier versions, `100;w=60` and `limit=100, remaining=50, reset=30`;
//! - `RateLimit-Limit`, `-Remaining` and `-Reset`, also with `;w=60`, and the same names with any
//!   prefix or suffix, see [`counts`];
//! - lists such as `remaining=99; resets=41`, and ratios such as `32/40`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser, StringRef, TokenRef};

use super::{
    counts,
    quota::{Quota, QuotaPolicy, QuotaState, integer, items, policy, seconds},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What was found in the headers of one response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The tightest of the quotas.
    pub(crate) quota: Option<Quota>,
    /// Whether one of the quotas is used up.
    pub(crate) is_used_up: bool,
    /// The longest time until a used-up quota is reset, including quotas of which only the reset is
    /// reported.
    pub(crate) reset: Option<Duration>,
    /// The malformed fields.
    pub(crate) unread: Vec<HeaderName>,
}

/// Reads every field about quotas. A reset given as a point in time is measured against the
/// response's own `Date`, or against `now` without one.
pub(crate) fn quota(headers: &HeaderMap, now: SystemTime) -> Reading {
    if !headers.keys().any(counts::may_tell) {
        return Reading::default();
    }
    let mut unread = Vec::new();
    let listed = note(POLICY, lines(headers, &POLICY).map(|text| listed(&text)), &mut unread);
    let stated = note(STATE, lines(headers, &STATE).map(|text| stated(&text)), &mut unread);
    let (listed, mut stated) = (listed.unwrap_or_default(), stated.unwrap_or_default());
    stated.extend(counts::states(headers, now, &mut unread));
    let mut tightest: Option<Quota> = None;
    let mut consider = |quota: Quota| {
        if tightest.is_none_or(|tightest| quota.is_tighter_than(&tightest)) {
            tightest = Some(quota);
        }
    };
    let is_about = |state: &QuotaState, policy: &QuotaState| {
        state.name == policy.name || state.name.is_none() && listed.len() == 1
    };
    for policy in &listed {
        // If the current state of a quota is reported, that is more exact.
        if !stated.iter().any(|state| state.reset.is_some() && is_about(state, policy)) {
            policy.policy.map(QuotaPolicy::untouched).into_iter().for_each(&mut consider);
        }
    }
    let mut reset = None;
    for state in &stated {
        let of = listed.iter().find(|policy| is_about(state, policy));
        let policy = state.policy.or_else(|| of?.policy);
        if state.remaining.is_none_or(|left| left == 0) {
            reset = reset.max(state.reset);
        }
        match (state.remaining, state.reset) {
            _ if of.is_some_and(|of| !of.counts_requests) => {}
            // A quota of something else than requests matters only when it is used up.
            (Some(1..), _) if !state.counts_requests => {}
            (Some(remaining), Some(reset)) => consider(Quota { remaining, reset, policy }),
            _ => state.policy.map(QuotaPolicy::untouched).into_iter().for_each(&mut consider),
        }
    }
    let is_used_up = stated.iter().any(|state| state.remaining == Some(0));
    Reading { quota: tightest, is_used_up, reset, unread }
}

/// The content of a field that is present; `unread` names the field if it has none.
fn note<T>(
    name: HeaderName,
    field: Option<Result<T, ()>>,
    unread: &mut Vec<HeaderName>,
) -> Option<T> {
    let value = field?.ok();
    if value.is_none() {
        unread.push(name);
    }
    value
}

/// The lines of a field as one (RFC 9110 section 5.3).
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

/// `RateLimit-Policy`: a list of names or, in earlier versions, of the quotas themselves.
fn listed(text: &[u8]) -> Result<Vec<QuotaState>, ()> {
    let listed = items(text)?.into_iter().map(|Item { bare_item, params }| {
        let quota = match bare_item.as_integer() {
            Some(quota) => u64::try_from(quota).map_err(|_| ())?,
            None => integer(&params, "q")?.ok_or(())?,
        };
        let window = integer(&params, "w")?;
        let unit = params.get("qu").and_then(BareItem::as_string);
        let counts_requests = unit.is_none_or(|unit| unit.as_str() == "requests");
        let policy = window.filter(|_| counts_requests).map(|window| policy(quota, window));
        Ok(QuotaState { name: name(&bare_item), policy, counts_requests, ..QuotaState::EMPTY })
    });
    listed.collect()
}

/// `RateLimit`: a list of names with what is left or, in an earlier version, a dictionary.
fn stated(text: &[u8]) -> Result<Vec<QuotaState>, ()> {
    let Ok(items) = items(text) else {
        let fields: Dictionary = Parser::new(text).parse().map_err(|_| ())?;
        let field = |key| match fields.get(key) {
            Some(ListEntry::Item(item)) => {
                item.bare_item.as_integer().and_then(|value| u64::try_from(value).ok())
            }
            _ => None,
        };
        let (remaining, reset) = (field("remaining"), field("reset"));
        let remaining = remaining.ok_or(())?;
        let reset = Some(seconds(reset.ok_or(())? as f64));
        let state =
            QuotaState { name: None, remaining: Some(remaining), reset, ..QuotaState::EMPTY };
        return Ok(vec![state]);
    };
    let stated = items.into_iter().map(|Item { bare_item, params }| {
        let remaining = integer(&params, "r")?.ok_or(())?;
        let reset = integer(&params, "t")?.map(|reset| seconds(reset as f64));
        let name = name(&bare_item);
        Ok(QuotaState { name, remaining: Some(remaining), reset, ..QuotaState::EMPTY })
    });
    stated.collect()
}

fn name(item: &BareItem) -> Option<String> {
    let string = item.as_string().map(StringRef::as_str);
    string.or_else(|| item.as_token().map(TokenRef::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn read(fields: Fields<'_>) -> Reading {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        quota(&headers, UNIX_EPOCH)
    }

    type Fields<'a> = &'a [(&'static str, &'a str)];
    /// What is left, the seconds until the reset, and the policy.
    type Told = (u64, f64, Option<(u64, u64)>);

    fn told(fields: Fields<'_>) -> Option<Told> {
        let reading = read(fields);
        assert_eq!(reading.unread, [] as [HeaderName; 0], "{fields:?}");
        let Quota { remaining, reset, policy } = reading.quota?;
        let policy = policy.map(|policy| (policy.quota, policy.window.as_secs()));
        Some((remaining, reset.as_secs_f64(), policy))
    }

    #[test]
    fn what_apis_send_is_understood() {
        let date = "Fri, 09 Jun 2017 19:59:01 GMT";
        let table: [(&str, Fields<'_>, Option<Told>); 27] = [
            ("nothing", &[("content-type", "text/plain")], None),
            (
                "the draft",
                &[
                    ("ratelimit-policy", r#""burst";q=100;w=60,"daily";q=1000;w=86400"#),
                    ("ratelimit", r#""burst";r=50;t=30"#),
                ],
                // A thousand a day is slower than fifty in half a minute.
                Some((1_000, 86_400.0, Some((1_000, 86_400)))),
            ),
            (
                "the draft, on several lines",
                &[
                    ("ratelimit-policy", r#""burst";q=100;w=60"#),
                    ("ratelimit-policy", r#""daily";q=1000000;w=86400"#),
                    ("ratelimit", r#""burst";r=50;t=30"#),
                    ("ratelimit", r#""daily";r=999000;t=43200"#),
                ],
                Some((50, 30.0, Some((100, 60)))),
            ),
            (
                "the draft, where what is left is more than the policy refills",
                &[
                    ("ratelimit-policy", r#""default";q=60;w=60"#),
                    ("ratelimit", r#""default";r=60;t=1"#),
                ],
                Some((60, 1.0, Some((60, 60)))),
            ),
            (
                "the draft, with a partition key and a quota of bytes",
                &[
                    (
                        "ratelimit-policy",
                        r#""peruser";q=100;w=60;pk=:cHsdsRa894==:,"bytes";q=9;qu="content-bytes";w=9"#,
                    ),
                    ("ratelimit", r#""peruser";r=5;t=5;pk=:cHsdsRa894==:, "bytes";r=0;t=9"#),
                ],
                Some((5, 5.0, Some((100, 60)))),
            ),
            (
                "the draft, policy alone",
                &[("ratelimit-policy", r#""default";q=10;w=5"#)],
                Some((10, 5.0, Some((10, 5)))),
            ),
            ("the draft, no time", &[("ratelimit", r#""default";r=10"#)], None),
            (
                "draft 07",
                &[
                    ("ratelimit-policy", "100;w=60"),
                    ("ratelimit", "limit=100, remaining=50, reset=30"),
                ],
                Some((50, 30.0, Some((100, 60)))),
            ),
            (
                "draft 03",
                &[
                    ("ratelimit-limit", "100, 100;w=60, 5000;w=3600"),
                    ("ratelimit-remaining", "7"),
                    ("ratelimit-reset", "9"),
                ],
                Some((7, 9.0, Some((5_000, 3_600)))),
            ),
            (
                "GitLab",
                &[
                    ("date", date),
                    ("ratelimit-limit", "60"),
                    ("ratelimit-name", "throttle_authenticated_web"),
                    ("ratelimit-observed", "67"),
                    ("ratelimit-remaining", "0"),
                    ("ratelimit-reset", "1497038401"),
                    ("retry-after", "60"),
                ],
                Some((0, 60.0, None)),
            ),
            (
                "Docker Hub",
                &[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")],
                Some((100, 21_600.0, Some((100, 21_600)))),
            ),
            (
                "GitHub",
                &[
                    ("date", date),
                    ("x-ratelimit-limit", "5000"),
                    ("x-ratelimit-remaining", "4987"),
                    ("x-ratelimit-reset", "1497040141"),
                    ("x-ratelimit-used", "13"),
                    ("x-ratelimit-resource", "core"),
                ],
                Some((4_987, 1_800.0, None)),
            ),
            (
                "Twitter",
                &[
                    ("date", date),
                    ("x-rate-limit-limit", "2000"),
                    ("x-rate-limit-remaining", "1999"),
                    ("x-rate-limit-reset", "1497039241"),
                ],
                Some((1_999, 900.0, None)),
            ),
            (
                "milliseconds",
                &[
                    ("date", date),
                    ("x-ratelimit-remaining", "10"),
                    ("x-ratelimit-reset", "1497038346500"),
                ],
                Some((10, 5.5, None)),
            ),
            (
                "a moment that is past",
                &[
                    ("date", date),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1497038340"),
                ],
                Some((0, 0.0, None)),
            ),
            (
                "Reddit",
                &[
                    ("x-ratelimit-used", "2"),
                    ("x-ratelimit-remaining", "598.0"),
                    ("x-ratelimit-reset", "345"),
                ],
                Some((598, 345.0, None)),
            ),
            (
                "Stripe, which tells nothing of quotas",
                &[("stripe-rate-limited-reason", "global-rate"), ("retry-after", "1")],
                None,
            ),
            (
                "Jira, to the minute",
                &[
                    ("date", date),
                    ("x-ratelimit-limit", "350"),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "2017-06-09T20:00Z"),
                    ("x-ratelimit-nearlimit", "true"),
                ],
                Some((0, 59.0, None)),
            ),
            (
                "a date",
                &[
                    ("date", date),
                    ("ratelimit-remaining", "3"),
                    ("ratelimit-reset", "Fri, 09 Jun 2017 19:59:31 GMT"),
                ],
                Some((3, 30.0, None)),
            ),
            (
                "OpenAI, of which tokens are not requests",
                &[
                    ("x-ratelimit-limit-requests", "60"),
                    ("x-ratelimit-remaining-requests", "59"),
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-tokens", "149984"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                ],
                Some((59, 1.0, None)),
            ),
            (
                "OpenAI, out of tokens",
                &[
                    ("x-ratelimit-remaining-requests", "59"),
                    ("x-ratelimit-reset-requests", "20ms"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                ],
                Some((0, 360.0, None)),
            ),
            (
                "Anthropic",
                &[
                    ("date", date),
                    ("anthropic-ratelimit-requests-limit", "50"),
                    ("anthropic-ratelimit-requests-remaining", "10"),
                    ("anthropic-ratelimit-requests-reset", "2017-06-09T19:59:11Z"),
                ],
                Some((10, 10.0, None)),
            ),
            (
                "Sentry",
                &[
                    ("date", date),
                    ("x-sentry-rate-limit-limit", "40"),
                    ("x-sentry-rate-limit-remaining", "39"),
                    ("x-sentry-rate-limit-reset", "1497038351"),
                    ("x-sentry-rate-limit-concurrentremaining", "24"),
                ],
                Some((39, 10.0, None)),
            ),
            (
                "Discord, which tells both",
                &[
                    ("date", date),
                    ("x-ratelimit-remaining", "1"),
                    ("x-ratelimit-reset-after", "64.57"),
                ],
                Some((1, 64.57, None)),
            ),
            (
                "Zendesk",
                &[
                    ("x-rate-limit", "700"),
                    ("zendesk-ratelimit-tickets-index", "total=100; remaining=99; resets=41"),
                ],
                Some((99, 41.0, None)),
            ),
            (
                "milliseconds by name",
                &[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset-ms", "1500")],
                Some((1, 1.5, None)),
            ),
            (
                "two families at once",
                &[
                    ("ratelimit", r#""default";r=50;t=30"#),
                    ("x-ratelimit-remaining", "2"),
                    ("x-ratelimit-reset", "30"),
                ],
                Some((2, 30.0, None)),
            ),
        ];
        for (name, fields, expected) in table {
            assert_eq!(told(fields), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_passed_over_and_counted() {
        let fine = [("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "6")];
        for (name, value) in [
            ("ratelimit-policy", r#""default";w=60"#),
            ("ratelimit-policy", r#""default";q=-1;w=60"#),
            ("ratelimit-policy", r#""default";q=1.5;w=60"#),
            ("ratelimit-policy", r#""default";q=12345678901234567;w=60"#),
            ("ratelimit-policy", r#"("a" "b");q=1;w=1"#),
            ("ratelimit", r#""default";t=60"#),
            ("ratelimit", r#""default";r=-1;t=60"#),
            ("ratelimit", r#""default";r=1;t=soon"#),
            ("ratelimit", r#""default;r=1"#),
            ("ratelimit", "limit=100, remaining=x, reset=1"),
            ("ratelimit", "limit=100, remaining=1"),
            ("ratelimit", ";;;"),
            ("ratelimit-remaining", "-1"),
            ("ratelimit-remaining", "12345678901234567"),
            ("ratelimit-remaining", "lots"),
            ("ratelimit-reset", "1e9"),
            ("ratelimit-reset", "2018-03-13"),
            ("ratelimit-limit", "\u{fc}"),
            ("x-rate-limit-limit", "1;w=-6"),
            // They contain no time.
            ("x-shopify-shop-api-call-limit", "32/40"),
            ("sforce-limit-info", "api-usage=18/5000"),
            ("zendesk-ratelimit-tickets-index", "total=100; remaining=99"),
            ("zendesk-ratelimit-tickets-index", "total=100; remaining=99; resets=soon"),
        ] {
            let value = value.replace("\\u{fc}", "\u{fc}");
            let mut fields = fine.to_vec();
            fields.push((name, &value));
            let reading = read(&fields);
            assert_eq!(reading.unread, [name], "{value}");
            let quota = reading.quota.expect(name);
            assert_eq!((quota.remaining, quota.reset), (3, Duration::from_secs(6)), "{value}");
        }
        // It is ambiguous which of the two is meant.
        let twice =
            read(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-remaining", "4"), fine[1]]);
        assert_eq!((twice.quota, twice.unread.len()), (None, 1));
    }

    #[test]
    fn a_reset_counts_for_what_is_used_up_and_where_nothing_else_is_told() {
        let secs = |secs| Some(Duration::from_secs(secs));
        for (fields, is_used_up, reset) in [
            (&[("x-ratelimit-reset", "30")][..], false, secs(30)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")], true, secs(30)),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")], false, None),
            (&[("x-ratelimit-remaining", "0")], true, None),
            (&[("ratelimit", r#""a";r=0;t=9, "b";r=5;t=60"#)], true, secs(9)),
            (&[("x-shopify-shop-api-call-limit", "40/40")], true, None),
            (&[("sforce-limit-info", "api-usage=18/5000")], false, None),
        ] {
            let reading = read(fields);
            assert_eq!((reading.is_used_up, reading.reset), (is_used_up, reset), "{fields:?}");
        }
    }

    #[test]
    fn the_rate_uses_up_what_is_left_and_is_never_more_than_the_policy() {
        let secs = Duration::from_secs;
        let quota = |remaining, reset, policy: Option<(u64, u64)>| Quota {
            remaining,
            reset: secs(reset),
            policy: policy.map(|(quota, window)| QuotaPolicy { quota, window: secs(window) }),
        };
        assert_eq!(quota(50, 100, None).rate(), 0.5);
        assert_eq!(quota(50, 1, Some((100, 10))).rate(), 10.0);
        assert_eq!(quota(0, 5, Some((100, 10))).rate(), 0.0);
        assert_eq!(quota(0, 0, Some((100, 10))).rate(), 10.0);
        assert_eq!(quota(3, 0, None).rate(), f64::INFINITY);
        assert!(quota(0, 9, None).is_tighter_than(&quota(0, 5, None)));
        assert!(quota(1, 9, None).is_tighter_than(&quota(1, 5, None)));
    }
}

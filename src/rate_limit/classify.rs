//! What the status and headers of an unsuccessful response request: a rate limit, a wait, a retry
//! or no retry. Knows neither the request nor what follows.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, StatusCode};

use super::{dampener::Slower, quota::Quota, reading::quota, retry_after::retry_after};
use crate::{
    error::Error,
    response::{Action, Ruling},
};

/// Shorter waits are raised to this: otherwise two attempts would leave at the same instant.
const SHORTEST: Duration = Duration::from_millis(10);
/// "The site is overloaded": some APIs send it besides 503.
const OVERLOADED: u16 = 529;

/// The meaning of statuses and headers, as far as it differs among APIs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnswerRules {
    /// Statuses that are a rate limit, besides 429.
    pub(crate) limits: BTreeSet<u16>,
    /// Statuses that slow the dampener down, besides rate limits; `None` means a 503 that comes
    /// often.
    pub(crate) slower: Option<BTreeSet<u16>>,
    /// Statuses that allow one more attempt if the response names a wait.
    pub(crate) worth_a_wait: BTreeSet<u16>,
    /// Whether waits in milliseconds are read.
    pub(crate) reads_millis: bool,
    /// Whether `x-should-retry` is observed.
    pub(crate) reads_should_retry: bool,
}

impl AnswerRules {
    pub(crate) fn check(&self) -> Result<(), Error> {
        // A 401 is about the token.
        if !self.limits.iter().all(|code| (400..600).contains(code) && *code != 401) {
            return Err(Error::config("limit_statuses: must be from 400 to 599, and not 401"));
        }
        let mut slower = self.slower.iter().flatten();
        if !slower.all(|code| (400..600).contains(code) && *code != 401) {
            return Err(Error::config("slow_down_statuses: must be from 400 to 599, and not 401"));
        }
        if !self.worth_a_wait.iter().all(|code| (400..500).contains(code) && *code != 401) {
            return Err(Error::config(
                "retry_after_statuses: must be from 400 to 499, and not 401",
            ));
        }
        Ok(())
    }
}

/// What a response requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Classified {
    /// It refuses the request only because of a rate limit, so the request was not processed.
    pub(crate) is_rate_limited: bool,
    pub(crate) slower: Slower,
    /// The wait that it names, at least [`SHORTEST`]; zero if the named wait is shorter or over,
    /// and `None` if it names none.
    pub(crate) wait: Option<Duration>,
    /// Whether the wait concerns every request to the API.
    pub(crate) holds: bool,
    /// Whether the status allows one more attempt after the wait, whatever it is.
    pub(crate) is_worth_a_wait: bool,
    /// The tightest of the quotas it reports.
    pub(crate) quota: Option<Quota>,
    /// What it says explicitly about another attempt.
    pub(crate) should_retry: Option<bool>,
    /// The fields about waits that could not be read.
    pub(crate) unread: Vec<HeaderName>,
}

impl Classified {
    /// Whether it names a wait above zero.
    pub(crate) fn asks_to_wait(&self) -> bool {
        self.wait.is_some_and(|wait| !wait.is_zero())
    }
}

/// Reads an unsuccessful response with `status`. A rate limit is a 429, a status that the rules
/// define as one, and a 403 with a wait or with a used-up quota. If a rate limit, a 503 or a 529
/// names no wait, its reset is the wait. `ruled` overrides all of that, and `status` is then the
/// one that the response counts as.
pub(crate) fn classify(
    rules: &AnswerRules,
    status: StatusCode,
    ruled: Option<&Ruling>,
    headers: &HeaderMap,
    now: SystemTime,
) -> Classified {
    let code = status.as_u16();
    let mut unread = Vec::new();
    let asked = retry_after(headers, rules.reads_millis, now, &mut unread);
    let told = quota(headers, now);
    unread.extend(told.unread);
    let is_rate_limited = match ruled {
        Some(ruled) => ruled.action == Action::RateLimited,
        None if status == StatusCode::FORBIDDEN => {
            rules.limits.contains(&code) || asked.is_some() || told.is_used_up
        }
        None => status == StatusCode::TOO_MANY_REQUESTS || rules.limits.contains(&code),
    };
    let is_unavailable = status == StatusCode::SERVICE_UNAVAILABLE || code == OVERLOADED;
    let reset = told.reset.filter(|_| is_rate_limited || is_unavailable);
    let (by_body, by_rule) = ruled.map_or((None, None), |ruled| (ruled.told, ruled.wait));
    let waits = [asked, by_body, reset, by_rule.filter(|_| is_rate_limited)];
    let mut waits = waits.into_iter().flatten();
    let named = waits.clone().next().map(|_| Duration::ZERO);
    let wait = waits.find(|wait| *wait >= SHORTEST);
    let slower = match &rules.slower {
        _ if is_rate_limited => Slower::Yes,
        Some(slower) if slower.contains(&code) => Slower::Yes,
        None if status == StatusCode::SERVICE_UNAVAILABLE => Slower::IfOften,
        _ => Slower::No,
    };
    Classified {
        is_rate_limited,
        slower,
        wait: wait.or(named),
        holds: is_rate_limited || is_unavailable,
        is_worth_a_wait: wait.is_some() && ruled.is_none() && rules.worth_a_wait.contains(&code),
        quota: told.quota,
        should_retry: (rules.reads_should_retry && ruled.is_none())
            .then(|| should_retry(headers))
            .flatten(),
        unread,
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    headers.get("x-should-retry")?.to_str().ok()?.trim().to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn classified(rules: &AnswerRules, code: u16, fields: &[(&'static str, &str)]) -> Classified {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        classify(rules, StatusCode::from_u16(code).unwrap(), None, &headers, UNIX_EPOCH)
    }

    fn by_default(code: u16, fields: &[(&'static str, &str)]) -> Classified {
        let rules = AnswerRules {
            limits: BTreeSet::new(),
            slower: None,
            worth_a_wait: BTreeSet::new(),
            reads_millis: true,
            reads_should_retry: false,
        };
        classified(&rules, code, fields)
    }

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    #[test]
    fn a_403_is_a_limit_where_it_says_so() {
        let limit = |fields| by_default(403, fields);
        assert!(!limit(&[]).is_rate_limited);
        assert!(
            !limit(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1")]).is_rate_limited
        );
        assert!(!limit(&[("retry-after", "soon")]).is_rate_limited);
        for fields in [
            &[("retry-after", "1")][..],
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")],
            &[("ratelimit", r#""a";r=0;t=1"#)],
        ] {
            let classified = limit(fields);
            assert!(classified.is_rate_limited && classified.holds, "{fields:?}");
            assert_eq!((classified.wait, classified.slower), (SECOND, Slower::Yes), "{fields:?}");
        }
        assert_eq!(limit(&[("x-ratelimit-remaining", "0")]).wait, None);
        assert!(limit(&[("x-ratelimit-remaining", "0")]).is_rate_limited);
        // A used-up quota does not make another status a rate limit.
        for code in [400, 401, 404, 500] {
            assert!(!by_default(code, &[("x-ratelimit-remaining", "0")]).is_rate_limited, "{code}");
        }
    }

    #[test]
    fn a_reset_is_the_wait_of_a_limit_and_of_one_who_is_not_available() {
        for code in [429, 503, 529] {
            let classified = by_default(code, &[("x-ratelimit-reset", "1")]);
            assert_eq!((classified.wait, classified.holds), (SECOND, true), "{code}");
            let fields = [("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "1")];
            assert_eq!(by_default(code, &fields).wait, None, "another limit is meant");
        }
        assert_eq!(by_default(500, &[("x-ratelimit-reset", "1")]).wait, None);
        let both = [("retry-after", "1"), ("x-ratelimit-reset", "60")];
        assert_eq!(by_default(429, &both).wait, SECOND);
        let over = [("retry-after", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(by_default(429, &over).wait, SECOND);
    }

    #[test]
    fn any_status_may_name_a_wait_and_one_that_is_over_is_zero() {
        for code in [408, 409, 413, 423, 425, 500, 502, 504, 520] {
            let classified = by_default(code, &[("retry-after", "1")]);
            assert_eq!(
                (classified.wait, classified.holds, classified.is_rate_limited),
                (SECOND, false, false)
            );
        }
        for asked in ["0", "0.001", "Thu, 01 Jan 1970 00:00:00 GMT"] {
            let classified = by_default(429, &[("retry-after", asked)]);
            assert_eq!(classified.wait, Some(Duration::ZERO), "{asked}");
            assert!(!classified.asks_to_wait());
        }
    }

    #[test]
    fn what_differs_among_apis_is_a_rule() {
        let rules = AnswerRules {
            limits: [420, 509].into(),
            slower: Some([500].into()),
            worth_a_wait: [409].into(),
            reads_millis: false,
            reads_should_retry: true,
        };
        assert!(
            classified(&rules, 420, &[]).is_rate_limited
                && classified(&rules, 509, &[]).is_rate_limited
        );
        assert_eq!(classified(&rules, 509, &[]).slower, Slower::Yes);
        assert_eq!(classified(&rules, 500, &[]).slower, Slower::Yes);
        assert_eq!(classified(&rules, 503, &[]).slower, Slower::No);
        assert_eq!(by_default(503, &[]).slower, Slower::IfOften);
        assert_eq!(by_default(500, &[]).slower, Slower::No);
        assert!(classified(&rules, 409, &[("retry-after", "1")]).is_worth_a_wait);
        assert!(!classified(&rules, 409, &[]).is_worth_a_wait);
        assert!(!by_default(409, &[("retry-after", "1")]).is_worth_a_wait);
        assert_eq!(classified(&rules, 429, &[("retry-after-ms", "1000")]).wait, None);
        assert_eq!(by_default(429, &[("retry-after-ms", "1000")]).wait, SECOND);
        for (value, says) in [("true", Some(true)), ("False", Some(false)), ("maybe", None)] {
            let fields = [("x-should-retry", value)];
            assert_eq!(classified(&rules, 500, &fields).should_retry, says);
            assert_eq!(by_default(500, &fields).should_retry, None);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let fields = [("retry-after", "soon"), ("x-ratelimit-reset", "later")];
        assert_eq!(by_default(429, &fields).unread, ["retry-after", "x-ratelimit-reset"]);
    }
}

//! What a server says about waiting, read from the headers of its answer. What
//! is not well-formed counts as absent; nothing here fails.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};

/// The longest wait that is told apart, 136 years: safe to add to any instant.
pub(super) const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// The wait that `Retry-After` asks for: a whole number of seconds or a date
/// (RFC 9110 section 10.2.3).
///
/// A date is measured against the answer's own `Date`, so that the clocks of
/// server and client need not agree, and against `now` where there is none. A
/// date in the past is zero. Longer waits than `u32::MAX` seconds are cut to
/// that. A field that occurs more than once, or holds anything else, is `None`.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = single(headers, RETRY_AFTER)?;
    let wait = match seconds(value) {
        Some(wait) => wait,
        None => {
            let until = httpdate::parse_http_date(value).ok()?;
            let since = single(headers, DATE)
                .and_then(|date| httpdate::parse_http_date(date).ok())
                .unwrap_or(now);
            until.duration_since(since).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

/// The value of a field that occurs once, as text, without blanks around it.
fn single(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        None => value.to_str().ok().map(str::trim),
        Some(_) => None,
    }
}

/// `delta-seconds = 1*DIGIT`; a number of any length.
fn seconds(value: &str) -> Option<Duration> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Digits alone fail to parse only when they are too many.
    digits.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn asked(value: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers, now())
    }

    #[test]
    fn a_wait_is_whole_seconds_or_a_date_and_garbage_is_ignored() {
        let longest = u64::from(u32::MAX);
        let table = [
            ("0", Some(0)),
            ("1", Some(1)),
            ("120", Some(120)),
            ("  120\t", Some(120)),
            ("007", Some(7)),
            ("100000", Some(100_000)),
            ("4294967295", Some(longest)),
            ("4294967296", Some(longest)),
            ("100000000000000000000", Some(longest)),
            // The three forms of a date, half a minute ahead.
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun Nov  6 08:50:07 1994", Some(30)),
            // Now, and past.
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(longest)),
            ("", None),
            (" ", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("1e20", None),
            ("0x10", None),
            ("120, 240", None),
            ("120;", None),
            ("120 s", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("1994-11-06T08:50:07Z", None),
        ];
        for (value, secs) in table {
            assert_eq!(asked(value, None), secs.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn a_date_is_measured_against_the_clock_of_the_server() {
        let until = "Sun, 06 Nov 1994 08:50:07 GMT";
        for (date, secs) in [
            // The server is a day behind, ten seconds ahead, an hour ahead, and unreadable.
            ("Sat, 05 Nov 1994 08:49:37 GMT", 86_430),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 20),
            ("Sun, 06 Nov 1994 09:49:37 GMT", 0),
            ("yesterday", 30),
        ] {
            assert_eq!(asked(until, Some(date)), Some(Duration::from_secs(secs)), "{date}");
        }
        // Seconds need no clock.
        let date = "Sat, 05 Nov 1994 08:49:37 GMT";
        assert_eq!(asked("7", Some(date)), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_field_that_is_absent_or_repeated_asks_for_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers, now()), None);
        headers.append(RETRY_AFTER, HeaderValue::from_static("120"));
        headers.append(RETRY_AFTER, HeaderValue::from_static("240"));
        assert_eq!(retry_after(&headers, now()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_wait_can_be_added_to_an_instant(
            value in prop::collection::vec(any::<u8>(), 0..64),
            date in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut headers = HeaderMap::new();
            for (name, bytes) in [(RETRY_AFTER, value), (DATE, date)] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.insert(name, value);
                }
            }
            if let Some(wait) = retry_after(&headers, now()) {
                prop_assert!(wait <= LONGEST);
                prop_assert!(std::time::Instant::now().checked_add(wait).is_some());
            }
        }

        #[test]
        fn nothing_that_looks_like_a_date_panics(
            value in "[A-Z][a-z]{2}, [0-9]{2} (Jan|Feb|Nov|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
            date in "[A-Z][a-z]{2}, [0-9]{2} (Jan|Feb|Nov|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        ) {
            asked(&value, Some(&date));
        }

        #[test]
        fn any_number_of_digits_is_a_wait(value in "[0-9]{1,60}") {
            prop_assert!(asked(&value, None).is_some());
        }
    }
}

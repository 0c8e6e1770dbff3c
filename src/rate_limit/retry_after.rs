//! The wait that a response requests: `Retry-After` and the fields like it. A field that cannot be
//! read counts as absent and is named; nothing here fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{
    HeaderMap, HeaderName,
    header::{AGE, DATE, RETRY_AFTER},
};

use super::times::{self, Time};

/// Fields that some vendors send besides or instead of `Retry-After`, in milliseconds.
const MILLIS: [HeaderName; 2] =
    [HeaderName::from_static("retry-after-ms"), HeaderName::from_static("x-ms-retry-after-ms")];

/// The wait in `Retry-After`: seconds or a date (RFC 9110 section 10.2.3), and variants that
/// servers send, see [`times`]. Of several values the longest counts. With `reads_millis` the
/// vendor fields in milliseconds are read too; one that agrees with `Retry-After` except for the
/// rounding takes precedence.
///
/// A date is measured against the response's own `Date`, so the clocks of server and client need
/// not agree, or against `now` without one. A date in the past is zero. Longer waits than
/// `u32::MAX` seconds are cut to that. Fields that could not be fully read are added to `unread`.
pub(crate) fn retry_after(
    headers: &HeaderMap,
    reads_millis: bool,
    now: SystemTime,
    unread: &mut Vec<HeaderName>,
) -> Option<Duration> {
    let mut read = |name: HeaderName, of: &dyn Fn(&str) -> Option<Duration>| {
        let mut longest = None;
        let mut is_read = true;
        for value in headers.get_all(&name) {
            let (wait, all) = value.to_str().map_or((None, false), |value| longest_of(value, of));
            longest = longest.max(wait);
            is_read &= all;
        }
        if !is_read {
            unread.push(name);
        }
        longest
    };
    let since = || sent_at(headers, now);
    let seconds = read(RETRY_AFTER, &|text| Some(times::time(text)?.from(since())));
    let mut millis = None;
    if reads_millis {
        let of = |text: &str| Some(Time::After(times::seconds(times::number(text)? / 1e3)));
        for name in MILLIS {
            let told = read(name, &|text| Some(of(text)?.from(Duration::ZERO)));
            millis = millis.max(told);
        }
    }
    let is_rounded = |(seconds, millis): (Duration, Duration)| {
        seconds.saturating_sub(millis) < Duration::from_secs(1)
    };
    match seconds.zip(millis) {
        Some(both) if is_rounded(both) => millis,
        _ => seconds.max(millis),
    }
}

/// The server's clock at the time of its response, as the time since the beginning of 1970. A
/// response from a cache is as old as its `Age` says (RFC 9111 section 5.1).
pub(super) fn sent_at(headers: &HeaderMap, now: SystemTime) -> Duration {
    let field = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(date) = field(DATE).and_then(|date| times::moment(date.trim())) else {
        return now.duration_since(UNIX_EPOCH).unwrap_or_default();
    };
    let age = field(AGE).and_then(|age| times::number(age.trim())).map(times::seconds);
    date.saturating_add(age.unwrap_or_default())
}

/// The longest of the waits in a list, and whether all of it could be read. Dates contain commas
/// too.
fn longest_of(value: &str, of: &dyn Fn(&str) -> Option<Duration>) -> (Option<Duration>, bool) {
    let (mut longest, mut is_read) = (None, true);
    let mut rest = value.trim();
    loop {
        let mut ends = rest.match_indices(',').map(|(end, _)| end).chain([rest.len()]);
        let (first, second) = (ends.next().unwrap_or(rest.len()), ends.next());
        let read = |end: usize| Some((end, of(rest[..end].trim())?));
        let wait = read(first).or_else(|| read(second?));
        is_read &= wait.is_some();
        longest = longest.max(wait.map(|(_, wait)| wait));
        let end = wait.map_or(first, |(end, _)| end);
        match rest.get(end + 1..) {
            Some(more) => rest = more.trim_start(),
            None => return (longest, is_read),
        }
    }
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
        let mut unread = Vec::new();
        let wait = retry_after(&headers, true, now(), &mut unread);
        assert!(wait.is_some() || unread == [RETRY_AFTER], "{value:?}");
        wait
    }

    fn of(fields: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        retry_after(&headers, true, now(), &mut Vec::new())
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_garbage_is_passed_over() {
        let longest = u64::from(u32::MAX);
        let table = [
            ("0", Some(0)),
            ("1", Some(1)),
            ("120", Some(120)),
            ("  120\t", Some(120)),
            ("007", Some(7)),
            ("100000", Some(100_000)),
            // Points in time half a minute ahead, in seconds and in milliseconds, and one far
            // ahead.
            ("784111807", Some(784_111_807)),
            ("4294967295", Some(4_294_967_295 - 784_111_777)),
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
            ("1e20", None),
            ("0x10", None),
            ("120, soon", Some(120)),
            ("soon, 120", Some(120)),
            ("120, 240", Some(240)),
            ("240,120", Some(240)),
            ("Sun, 06 Nov 1994 08:50:07 GMT, 20", Some(30)),
            ("40, Sun, 06 Nov 1994 08:50:07 GMT", Some(40)),
            ("120;", None),
            ("120 s", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("1994-11-06T08:50:07Z", Some(30)),
            ("6m0s", Some(360)),
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
        // It was in a cache for twenty seconds.
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let cached = of(&[("retry-after", until), ("date", date), ("age", "20")]);
        assert_eq!(cached, Some(Duration::from_secs(10)));
        // Seconds need no clock.
        let date = "Sat, 05 Nov 1994 08:49:37 GMT";
        assert_eq!(asked("7", Some(date)), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_field_that_is_absent_asks_for_nothing_and_of_several_the_longest_counts() {
        assert_eq!(of(&[]), None);
        for fields in [
            [("retry-after", "240"), ("retry-after", "120")],
            [("retry-after", "soon"), ("retry-after", "240")],
            [("retry-after", "240"), ("retry-after-ms", "1500")],
            [("retry-after", "1"), ("x-ms-retry-after-ms", "240000")],
        ] {
            assert_eq!(of(&fields), Some(Duration::from_secs(240)), "{fields:?}");
        }
    }

    #[test]
    fn decimals_and_moments_are_read_and_milliseconds_where_they_say_the_same() {
        assert_eq!(asked("2.0", None), Some(Duration::from_secs(2)));
        assert_eq!(asked("1.5", None), Some(Duration::from_millis(1_500)));
        let date = Some("Thu, 10 Sep 2020 08:26:40 GMT");
        for moment in ["1599726430", "1599726430000", "1599726430.0"] {
            assert_eq!(asked(moment, date), Some(Duration::from_secs(30)), "{moment}");
        }
        assert_eq!(asked("1599726000", date), Some(Duration::ZERO));
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(of(&[("retry-after-ms", "1500")]), millis(1_500));
        assert_eq!(
            of(&[("retry-after", "2"), ("retry-after-ms", "1500.5")]),
            Some(Duration::from_micros(1_500_500))
        );
        let (mut headers, mut unread) = (HeaderMap::new(), Vec::new());
        headers.insert("retry-after", HeaderValue::from_static("0"));
        headers.insert("x-ms-retry-after-ms", HeaderValue::from_static("soon"));
        assert_eq!(retry_after(&headers, true, now(), &mut unread), Some(Duration::ZERO));
        assert_eq!(unread, ["x-ms-retry-after-ms"]);
        let (mut headers, mut unread) = (HeaderMap::new(), Vec::new());
        headers.insert("retry-after-ms", HeaderValue::from_static("1500"));
        assert_eq!(retry_after(&headers, false, now(), &mut unread), None);
        assert!(unread.is_empty());
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
            if let Some(wait) = retry_after(&headers, true, now(), &mut Vec::new()) {
                prop_assert!(wait <= times::LONGEST);
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

//! What must hold for any value of the headers about waits and quotas.

use std::time::{Duration, Instant, SystemTime};

use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER},
};

use super::{quota, retry_after::retry_after};

/// Reads `value` as a `Retry-After`, in a response whose `Date` is `date`.
///
/// # Panics
/// If a wait cannot be added to an instant, if digits are read as anything but that number of
/// seconds or a point in time, or if a date that another parser reads is not
/// read.
pub fn wait(value: &[u8], date: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, bytes) in [(RETRY_AFTER, value), (DATE, date)] {
        if let Ok(value) = HeaderValue::from_bytes(bytes) {
            headers.insert(name, value);
        }
    }
    // A fixed clock, so that an input means the same each time.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let mut unread = Vec::new();
    let asked = retry_after(&headers, true, now, &mut unread);
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let longest = Duration::from_secs(u32::MAX.into());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(wait) = asked else {
        let is_clear = |text: &str| is_number(text) || is_date(text);
        assert!(!text.is_some_and(is_clear), "{text:?} was passed over");
        assert!(!headers.contains_key(RETRY_AFTER) || !unread.is_empty(), "{text:?}");
        return;
    };
    let text = text.unwrap_or_default();
    assert!(wait <= longest && Instant::now().checked_add(wait).is_some(), "{wait:?}");
    if is_number(text) && text.trim_start_matches('0').len() < 10 {
        assert_eq!(Ok(wait.as_secs()), text.parse(), "{text:?}");
    }
}

/// Whether another parser reads `text` as a date.
#[cfg(test)]
fn is_date(text: &str) -> bool {
    httpdate::parse_http_date(text).is_ok()
}

/// Only tests have another parser.
#[cfg(not(test))]
fn is_date(_: &str) -> bool {
    false
}

/// Reads the lines of `text` as quota headers, one after the other and from the start again, in a
/// response whose `Date` is `date`.
///
/// # Panics
/// If a quota cannot be added to an instant or allows less than nothing, or if more fields are
/// reported as malformed than there are.
pub fn quotas(text: &[u8], date: &[u8]) {
    let names = [
        "ratelimit-policy",
        "ratelimit",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-rate-limit-remaining",
        "x-rate-limit-reset",
    ];
    let mut headers = HeaderMap::new();
    for (name, bytes) in names.into_iter().cycle().zip(text.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(bytes) {
            headers.append(name, value);
        }
    }
    let fields = headers.keys_len();
    if let Ok(value) = HeaderValue::from_bytes(date) {
        headers.insert(DATE, value);
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_497_038_341);
    let reading = quota(&headers, now);
    assert!(reading.unread.len() <= fields, "{reading:?} of {headers:?}");
    if let Some(quota) = reading.quota {
        let end = Instant::now().checked_add(quota.reset);
        assert!(end.is_some() && quota.rate() >= 0.0, "{quota:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_is_never_out_of_bounds_and_what_is_clear_is_read(
            value in "[0-9]{0,25}|[ -~]{0,30}|[A-Z][a-z]{2}, [0-9]{2} Nov [0-9]{4} [0-9]{2}:49:37 GMT",
            date in "[ -~]{0,30}|Sun, [0-9]{2} Nov 1994 [0-9]{2}:49:37 GMT",
        ) {
            super::wait(value.as_bytes(), date.as_bytes());
        }

        #[test]
        fn no_quota_is_out_of_bounds(
            lines in prop::collection::vec(
                "[ -~]{0,40}|[0-9]{1,17}(\\.[0-9]{1,3})?|\"a\";[qr]=-?[0-9]{1,16};[tw]=-?[0-9]{1,16}|[0-9]{0,6};w=[0-9]{1,5}",
                0..12,
            ),
            date in "[ -~]{0,30}|Sun, [0-9]{2} Nov 1994 [0-9]{2}:49:37 GMT",
        ) {
            super::quotas(lines.join("\n").as_bytes(), date.as_bytes());
        }

        #[test]
        fn no_bytes_are_too_much_for_the_reader_of_quotas(
            text in prop::collection::vec(any::<u8>(), 0..200),
            date in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            super::quotas(&text, &date);
        }
    }
}

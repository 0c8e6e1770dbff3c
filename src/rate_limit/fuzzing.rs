//! What must hold for any value of the headers that speak of waiting.

use std::time::{Duration, Instant, SystemTime};

use http::{
    HeaderMap, HeaderValue,
    header::{DATE, RETRY_AFTER},
};

use super::retry_after;

/// Reads `value` as a `Retry-After`, in an answer whose `Date` is `date`.
///
/// # Panics
/// When a wait cannot be added to an instant, when digits are not so many seconds, or when
/// something else than digits and dates is a wait.
pub fn wait(value: &[u8], date: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, bytes) in [(RETRY_AFTER, value), (DATE, date)] {
        if let Ok(value) = HeaderValue::from_bytes(bytes) {
            headers.insert(name, value);
        }
    }
    // A fixed clock, so that an input means the same each time.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let wait = retry_after(&headers, now);
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let longest = Duration::from_secs(u32::MAX.into());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(wait) = wait else {
        assert!(!text.is_some_and(is_number), "{text:?} was passed over");
        return;
    };
    let text = text.unwrap_or_default();
    assert!(wait <= longest && Instant::now().checked_add(wait).is_some(), "{wait:?}");
    if is_number(text) {
        let meant = text.parse().map_or(longest, Duration::from_secs).min(longest);
        assert_eq!(wait, meant, "{text:?}");
    } else {
        assert!(httpdate::parse_http_date(text).is_ok(), "{text:?} is no wait");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_is_digits_or_a_date_and_nothing_else(
            value in "[0-9]{0,25}|[ -~]{0,30}|[A-Z][a-z]{2}, [0-9]{2} Nov [0-9]{4} [0-9]{2}:49:37 GMT",
            date in "[ -~]{0,30}|Sun, [0-9]{2} Nov 1994 [0-9]{2}:49:37 GMT",
        ) {
            super::wait(value.as_bytes(), date.as_bytes());
        }
    }
}

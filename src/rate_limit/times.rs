//! Times as servers write them: seconds with or without a fraction, Unix timestamps, dates of RFC
//! 9110 and similar ones, ISO 8601, and durations such as `6m0s`. Anything else is `None`; nothing
//! is guessed.

use std::time::Duration;

use chrono::{Month, NaiveDate, Weekday};

/// The longest wait that is distinguished, 136 years: safe to add to any instant.
pub(super) const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// A number of seconds above this is a Unix timestamp: as a wait it would be 31 years.
const EPOCH_SECONDS: f64 = 1e9;
/// A timestamp above this is in milliseconds, then in microseconds and in nanoseconds.
const EPOCH_MILLIS: f64 = 1e12;
const EPOCH_MICROS: f64 = 1e15;
const EPOCH_NANOS: f64 = 1e18;

/// When a wait is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Time {
    /// This long after the response.
    After(Duration),
    /// At a point in time, given as the time since the beginning of 1970.
    At(Duration),
}

impl Time {
    /// The time from `now`, given as the time since the beginning of 1970. The past is zero.
    pub(crate) fn from(self, now: Duration) -> Duration {
        let wait = match self {
            Self::After(wait) => wait,
            Self::At(moment) => moment.saturating_sub(now),
        };
        wait.min(LONGEST)
    }

    /// A number of seconds, or a timestamp if it is large enough.
    pub(super) fn of_number(number: f64) -> Self {
        match number {
            n if n > EPOCH_NANOS => Self::At(seconds(n / 1e9)),
            n if n > EPOCH_MICROS => Self::At(seconds(n / 1e6)),
            n if n > EPOCH_MILLIS => Self::At(seconds(n / 1e3)),
            n if n > EPOCH_SECONDS => Self::At(seconds(n)),
            n => Self::After(seconds(n)),
        }
    }
}

/// Any of the forms.
pub(crate) fn time(text: &str) -> Option<Time> {
    let number = || number(text).map(Time::of_number);
    number().or_else(|| moment(text).map(Time::At)).or_else(|| lengths(text).map(Time::After))
}

/// A number of seconds, at least 0. It is clamped to the range of durations.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Digits, perhaps with a fraction.
pub(super) fn number(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = digits(whole) && digits(fraction);
    is_plain.then(|| text.parse().ok()).flatten()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `6m0s`, `1.5s`, `200ms`: numbers with units, each unit smaller than the one before.
fn lengths(text: &str) -> Option<Duration> {
    let units =
        [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)];
    let mut units = units.into_iter();
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (value, tail) = rest.split_at(end);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        total += number(value)? * scale;
        rest = tail;
    }
    (!text.is_empty()).then(|| seconds(total))
}

/// A date in any of its forms, as the time since the beginning of 1970. An earlier date is
/// zero.
pub(super) fn moment(text: &str) -> Option<Duration> {
    iso(text).or_else(|| date(text))
}

/// The parts of a date.
#[derive(Default)]
struct Date {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Since midnight.
    clock: Option<f64>,
    /// The offset of the clock ahead of Greenwich, in seconds.
    offset: Option<i64>,
}

impl Date {
    fn since_1970(&self) -> Option<Duration> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let day = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
        let days = day.signed_duration_since(NaiveDate::default()).num_days();
        Some(seconds(((days * 86_400 - self.offset?) as f64 + self.clock?).max(0.0)))
    }
}

/// Sets what is not set yet.
fn set<T>(part: &mut Option<T>, value: Option<T>) -> Option<()> {
    (part.is_none() && value.is_some()).then(|| *part = value)
}

/// `2026-11-29T08:50:07.5Z`, with a space for the `T`, without seconds, with an offset.
fn iso(text: &str) -> Option<Duration> {
    let (day, rest) = text.split_at_checked(10)?;
    let mut parts = day.split('-');
    let mut part = |length| parts.next().filter(|part| part.len() == length).and_then(whole);
    let (year, month, day) = (part(4), part(2), part(2));
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let end = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(end);
    let date = Date { year, month, day, clock: clock_of(clock.trim_end()), offset: zone_of(zone) };
    date.since_1970()
}

/// The three forms of RFC 9110 section 5.6.7, and variants that others send: another name for
/// Greenwich, an offset, one digit for the day, dashes, a weekday that is wrong or missing.
fn date(text: &str) -> Option<Duration> {
    let mut date = Date::default();
    let mut has_weekday = false;
    // Only the asctime form has the month first, and no zone.
    let mut is_asctime = false;
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let parts: Vec<_> = word.split('-').collect();
        match parts[..] {
            [day, month, year] if !day.is_empty() => {
                set(&mut date.day, whole(day).filter(|_| day.len() <= 2))?;
                set(&mut date.month, month_of(month))?;
                set(&mut date.year, year_of(year))?;
            }
            _ if word.contains(':') && !word.starts_with(['+', '-']) => {
                set(&mut date.clock, clock_of(word))?;
            }
            _ if digits(word) && word.len() <= 2 => set(&mut date.day, whole(word))?,
            _ if digits(word) => set(&mut date.year, year_of(word))?,
            _ if !has_weekday && word.parse::<Weekday>().is_ok() => has_weekday = true,
            _ => match month_of(word) {
                None => set(&mut date.offset, zone_of(word))?,
                month => {
                    is_asctime = date.day.is_none();
                    set(&mut date.month, month)?;
                }
            },
        }
    }
    if is_asctime {
        date.offset = date.offset.or(Some(0));
    }
    date.since_1970()
}

fn whole(text: &str) -> Option<i64> {
    digits(text).then(|| text.parse().ok()).flatten()
}

/// Two digits are years from 1970 to 2069.
fn year_of(text: &str) -> Option<i64> {
    let year = whole(text)?;
    match text.len() {
        4 => Some(year),
        2 => Some(if year < 70 { 2_000 + year } else { 1_900 + year }),
        _ => None,
    }
}

/// `Nov` or `November`, in any case.
fn month_of(word: &str) -> Option<i64> {
    Some(word.parse::<Month>().ok()?.number_from_month().into())
}

/// `08:50:07.5` or `08:50`. A second 60 is the first of the next minute.
fn clock_of(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let two = |part: &str| whole(part).filter(|_| part.len() == 2);
    let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
    let second = match parts.next() {
        Some(second) if second.split('.').next().map(str::len) == Some(2) => number(second)?,
        Some(_) => return None,
        None => 0.0,
    };
    let is_time = hour < 24 && minute < 60 && second < 61.0 && parts.next().is_none();
    is_time.then(|| (hour * 3_600 + minute * 60) as f64 + second)
}

/// `GMT`, `UTC`, `UT`, `Z`, `+0000` or `+00:00`, as seconds ahead of Greenwich.
fn zone_of(text: &str) -> Option<i64> {
    if ["gmt", "utc", "ut", "z"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let (sign, offset) = match text.strip_prefix('+') {
        Some(offset) => (1, offset),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = match offset.split_once(':') {
        Some(parts) => parts,
        None => offset.split_at_checked(2)?,
    };
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    let two = |part: &str, most| whole(part).filter(|n| part.len() == 2 && *n < most);
    Some(sign * (two(hours, 24)? * 3_600 + two(minutes, 60)? * 60))
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    const EXAMPLE: u64 = 784_111_777;

    #[test]
    fn dates_that_others_read_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 Z",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 10:49:37 +0200",
            "Sun, 06 Nov 1994 03:19:37 -05:30",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Sunday, 06 November 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "1994-11-06 08:49:37Z",
            "1994-11-06T08:49:37.000Z",
            "1994-11-06T08:49:37+00:00",
            "1994-11-06T09:49:37+0100",
            "1994-11-06T09:49:37+01",
        ] {
            assert_eq!(moment(text), Some(Duration::from_secs(EXAMPLE)), "{text}");
        }
        let next_minute = Some(Duration::from_secs(EXAMPLE + 23));
        assert_eq!(moment("Sun, 06 Nov 1994 08:49:60 GMT"), next_minute);
        assert_eq!(moment("1994-11-06T08:50Z"), next_minute);
        assert_eq!(moment("Wed, 31 Dec 1969 23:59:59 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn what_leaves_a_doubt_is_no_date() {
        for text in [
            "",
            "soon",
            "Sun",
            "Sun, 06 Nov 1994",
            "08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1995 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "06/11/1994 08:49:37",
            "1994-11-06",
            "1994-11-06T08:49:37",
            "1994-13-06T08:49:37Z",
            "94-11-06T08:49:37Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_moments_and_units_are_what_they_say() {
        let secs = Duration::from_secs_f64;
        for (text, time_of) in [
            ("2.0", Time::After(secs(2.0))),
            ("0.25", Time::After(secs(0.25))),
            ("1000000000", Time::After(secs(1e9))),
            ("1470173023.123", Time::At(secs(1_470_173_023.123))),
            ("1470173023123", Time::At(secs(1_470_173_023.123))),
            ("1470173023123456", Time::At(secs(1_470_173_023.123_456))),
            ("1s", Time::After(secs(1.0))),
            ("6m0s", Time::After(secs(360.0))),
            ("1h2m3.5s", Time::After(secs(3_723.5))),
            ("200ms", Time::After(secs(0.2))),
        ] {
            let Some(read) = time(text) else { panic!("{text}") };
            let (Time::After(got) | Time::At(got)) = read;
            let (Time::After(due) | Time::At(due)) = time_of;
            assert!(got.abs_diff(due) < Duration::from_micros(10), "{text}: {read:?}");
            assert_eq!(matches!(read, Time::At(_)), matches!(time_of, Time::At(_)), "{text}");
        }
        for text in ["-5", "+5", "1e9", "0x10", ".5", "5.", "1 s", "s", "1x", "1s1m", "1.2.3"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_date_of_http_is_read_as_it_is_meant(seconds in 0..253_402_300_800u64) {
            let moment_of = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(moment_of);
            prop_assert_eq!(moment(&text), moment_of.duration_since(UNIX_EPOCH).ok());
        }

        #[test]
        fn nothing_panics(text in "[ -~]{0,40}|[0-9:, A-Za-z+-]{0,40}|[0-9TZ:.+-]{0,30}") {
            if let Some(time) = time(&text) {
                prop_assert!(time.from(Duration::ZERO) <= LONGEST);
            }
        }
    }
}

//! [pure] How an API writes moments, and which moments texts mean.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

/// How an API writes moments, such as the bounds of a [window](crate::paging::Windows).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MomentFormat {
    /// As in RFC 3339: `2024-01-31T12:00:00Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970, read also with a fraction.
    Unix,
    /// Milliseconds since 1970, read also with a fraction.
    UnixMs,
    /// A day: `2024-01-31`.
    Date,
    /// Something else that grows, such as a number or a name. It has no windows.
    Text,
}

/// Those of a second.
const NANOSECONDS: i128 = 1_000_000_000;

pub(super) const SECOND: i64 = 1000;
pub(super) const DAY: i64 = 86_400 * SECOND;

impl MomentFormat {
    /// The moment that a text of this format means; a day begins at midnight in UTC. `None` if it
    /// is not of this format, and always for [`Text`](Self::Text).
    #[must_use]
    pub fn parse(self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()),
            Self::Unix => since_1970(text, 1_000_000_000),
            Self::UnixMs => since_1970(text, 1_000_000),
            Self::Date => day_of(text).map(midnight),
            Self::Text => None,
        }
    }

    /// The text of a moment. `None` for [`Text`](Self::Text).
    #[must_use]
    pub fn write(self, moment: DateTime<Utc>) -> Option<String> {
        match self {
            Self::Rfc3339 => Some(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Unix => Some(moment.timestamp().to_string()),
            Self::UnixMs => Some(moment.timestamp_millis().to_string()),
            Self::Date => Some(moment.date_naive().to_string()),
            Self::Text => None,
        }
    }

    /// The milliseconds since 1970 that a bound means, which is written in this format, or in
    /// another layout than RFC 3339 has.
    pub(super) fn bound(self, text: &str) -> Option<i64> {
        let is_text = self == Self::Rfc3339;
        let moment = self.parse(text).or_else(|| is_text.then(|| moment_of(text))?);
        moment.map(|moment| moment.timestamp_millis())
    }

    /// The text of a bound in milliseconds since 1970.
    pub(super) fn written(self, moment: i64) -> String {
        let moment = DateTime::from_timestamp_millis(moment).unwrap_or_default();
        self.write(moment).unwrap_or_default()
    }

    /// The smallest difference of two moments that it can write, and usually that of an API, in
    /// milliseconds.
    pub(super) fn granularity(self) -> i64 {
        match self {
            Self::Rfc3339 | Self::Unix | Self::Text => SECOND,
            Self::UnixMs => 1,
            Self::Date => DAY,
        }
    }

    /// The milliseconds since 1970 of a row, whose value is JSON: a text with a date, or a number of
    /// seconds or of milliseconds, whichever is more likely.
    pub(super) fn of_value(self, json: &str) -> Option<i64> {
        let text = match json.starts_with('"') {
            true => serde_json::from_str::<String>(json).ok()?,
            false => json.to_owned(),
        };
        if let Some(moment) = moment_of(&text) {
            return Some(moment.timestamp_millis());
        }
        let (whole, _) = text.split_once('.').unwrap_or((&text, ""));
        let number: i64 = whole.parse().ok()?;
        let is_in_ms = match self {
            Self::UnixMs => true,
            Self::Unix => false,
            Self::Rfc3339 | Self::Date | Self::Text => number.unsigned_abs() > 100_000_000_000,
        };
        if is_in_ms { Some(number) } else { number.checked_mul(SECOND) }
    }
}

/// The moment so many units of `nanoseconds` after the beginning of 1970, which may have a fraction.
fn since_1970(text: &str, nanoseconds: i64) -> Option<DateTime<Utc>> {
    let nanoseconds = Decimal::from_str_exact(text).ok()?.checked_mul(nanoseconds.into())?;
    let nanoseconds = nanoseconds.trunc().to_i128()?;
    let seconds = i64::try_from(nanoseconds.div_euclid(NANOSECONDS)).ok()?;
    let rest = u32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).ok()?;
    DateTime::from_timestamp(seconds, rest)
}

/// The moment that a text means: as in RFC 3339, or with an offset such as `+0100` or `+01`, also behind
/// a space, a space for the `T`, or no offset, which is UTC; or a day, which begins at midnight in UTC.
#[must_use]
pub fn moment_of(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    if !has_year(text) {
        return None;
    }
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        return day_of(text).map(midnight);
    };
    let text = format!("{day}T{time}");
    let zoned = || DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z").ok();
    let naive = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let moment = zoned().map(|moment| moment.to_utc());
    moment.or_else(|| naive().map(|moment| moment.and_utc()))
}

/// The day that a text means, such as `2024-01-31`.
#[must_use]
pub fn day_of(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| has_year(text))
}

/// Whether a text begins with a year of four digits. Others are a mistake, or no year.
fn has_year(text: &str) -> bool {
    let year = text.as_bytes().split_at_checked(4);
    year.is_some_and(|(year, rest)| year.iter().all(u8::is_ascii_digit) && rest.starts_with(b"-"))
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        for (format, text) in [
            (MomentFormat::Rfc3339, "2024-01-31T12:00:00Z"),
            (MomentFormat::Rfc3339, "2024-01-31T12:00:00.500Z"),
            (MomentFormat::Unix, "1706702400"),
            (MomentFormat::UnixMs, "1706702400123"),
            (MomentFormat::Date, "2024-01-31"),
        ] {
            let moment = format.parse(text).unwrap();
            assert_eq!(format.write(moment).as_deref(), Some(text));
            assert_eq!(format.bound(text), Some(moment.timestamp_millis()));
            assert_eq!((format.parse("soon"), format.bound("soon")), (None, None));
        }
    }

    #[test]
    fn numbers_since_1970_may_have_fractions() {
        let written = |format: MomentFormat, text| {
            format.parse(text).and_then(|moment| MomentFormat::Rfc3339.write(moment))
        };
        for (format, text, expected) in [
            (MomentFormat::Unix, "1706702400.000005", Some("2024-01-31T12:00:00.000005Z")),
            (MomentFormat::Unix, "-0.5", Some("1969-12-31T23:59:59.500Z")),
            (MomentFormat::UnixMs, "1706702400123.25", Some("2024-01-31T12:00:00.123250Z")),
            (MomentFormat::Unix, "9999999999999999999999", None),
            (MomentFormat::Unix, "", None),
        ] {
            assert_eq!(written(format, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_moment_of_a_row_is_read_in_every_usual_form() {
        let noon = 1_706_702_400_000;
        for json in [
            r#""2024-01-31T12:00:00Z""#,
            r#""2024-01-31T13:00:00.000+0100""#,
            r#""2024-01-31 12:00:00""#,
            "1706702400",
            "1706702400.25",
            r#""1706702400""#,
            "1706702400000",
        ] {
            assert_eq!(MomentFormat::Rfc3339.of_value(json), Some(noon), "{json}");
        }
        assert_eq!(MomentFormat::Unix.of_value("7"), Some(7000));
        assert_eq!(MomentFormat::UnixMs.of_value("7"), Some(7));
        for json in ["null", r#""soon""#, "{}", r#""2024-02-30""#, "true"] {
            assert_eq!(MomentFormat::Rfc3339.of_value(json), None, "{json}");
        }
    }

    #[test]
    fn a_bound_of_days_has_no_time() {
        assert_eq!(MomentFormat::Date.bound("2024-01-31T18:00:00Z"), None);
        assert!(MomentFormat::Rfc3339.bound("2024-01-31 18:00:00").is_some());
        assert_eq!(MomentFormat::Text.bound("2024-01-31"), None);
    }

    #[test]
    fn moments_are_read_in_every_layout() {
        for (text, expected) in [
            ("2024-01-31T13:00:00+01:00", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31T13:00:00.000+0100", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31T11:30:00-0030", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31 12:00:00+00", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31 12:00:00 +0000", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31T12:00:00 +0000", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31T13:00:00.5 +01:00", Some("2024-01-31T12:00:00.500Z")),
            ("2024-01-31 12:00:00.5", Some("2024-01-31T12:00:00.500Z")),
            ("2024-01-31T12:00:00", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31", Some("2024-01-31T00:00:00Z")),
            ("0091-04-15", Some("0091-04-15T00:00:00Z")),
            ("91-04-15", None),
            ("91-04-15T00:00:00", None),
            ("12024-01-31", None),
            ("+2024-01-31", None),
            ("-0001-11-30T00:00:00Z", None),
            ("2024-02-30", None),
            ("2024-01-31T24:00:00", None),
            ("2024-01-31T12:00:00+9900", None),
            ("2024-01-31T12:00:00+é", None),
            ("2024-01-31T", None),
            ("2024-01-31 ", None),
            ("2024", None),
            ("1706702400", None),
            ("", None),
        ] {
            let moment = moment_of(text).and_then(|moment| MomentFormat::Rfc3339.write(moment));
            assert_eq!(moment.as_deref(), expected, "{text}");
        }
        assert_eq!(MomentFormat::Date.parse("91-04-15"), None);
        assert_eq!(MomentFormat::Unix.parse("9223372036854775807"), None);
    }
}

//! [pure] How an API writes moments, in milliseconds since 1970 for us.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// How an API writes the bounds of a [window](crate::paging::Windows).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MomentFormat {
    /// As in RFC 3339: `2024-01-31T12:00:00Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// A day in UTC: `2024-01-31`.
    Date,
}

pub(super) const SECOND: i64 = 1000;
pub(super) const DAY: i64 = 86_400 * SECOND;

impl MomentFormat {
    /// The moment that a text of this format means.
    pub(super) fn parse(self, text: &str) -> Option<i64> {
        match self {
            Self::Rfc3339 | Self::Date => of_text(text),
            Self::Unix => text.parse::<i64>().ok()?.checked_mul(SECOND),
            Self::UnixMs => text.parse().ok(),
        }
    }

    /// The text of a moment.
    pub(super) fn write(self, moment: i64) -> String {
        let written = || DateTime::from_timestamp_millis(moment).unwrap_or_default();
        match self {
            Self::Rfc3339 => written().to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::Unix => moment.div_euclid(SECOND).to_string(),
            Self::UnixMs => moment.to_string(),
            Self::Date => written().date_naive().to_string(),
        }
    }

    /// The smallest difference of two moments that it can write, and usually that of an API.
    pub(super) fn granularity(self) -> i64 {
        match self {
            Self::Rfc3339 | Self::Unix => SECOND,
            Self::UnixMs => 1,
            Self::Date => DAY,
        }
    }

    /// The moment of a row, whose value is JSON: a text with a date, or a number of seconds or of
    /// milliseconds, whichever is more likely.
    pub(super) fn of_value(self, json: &str) -> Option<i64> {
        let text = match json.starts_with('"') {
            true => serde_json::from_str::<String>(json).ok()?,
            false => json.to_owned(),
        };
        if let Some(moment) = of_text(&text) {
            return Some(moment);
        }
        let (whole, _) = text.split_once('.').unwrap_or((&text, ""));
        let number: i64 = whole.parse().ok()?;
        let is_in_ms = match self {
            Self::UnixMs => true,
            Self::Unix => false,
            Self::Rfc3339 | Self::Date => number.unsigned_abs() > 100_000_000_000,
        };
        if is_in_ms { Some(number) } else { number.checked_mul(SECOND) }
    }
}

/// The moment that a text means: with an offset, or in UTC; or a day, which begins at midnight.
fn of_text(text: &str) -> Option<i64> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp_millis());
    }
    let is_year = text
        .as_bytes()
        .split_at_checked(4)
        .is_some_and(|(year, rest)| year.iter().all(u8::is_ascii_digit) && rest.starts_with(b"-"));
    if !is_year {
        return None;
    }
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    };
    let text = format!("{day}T{time}");
    let zoned = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z").ok();
    let naive = || NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let moment = zoned.map(|moment| moment.timestamp_millis());
    moment.or_else(|| Some(naive()?.and_utc().timestamp_millis()))
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
            assert_eq!(format.write(moment), text);
            assert_eq!(format.parse("soon"), None);
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
}

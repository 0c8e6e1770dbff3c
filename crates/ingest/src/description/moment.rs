//! [pure] How an API writes the values of a field by which it tells what is new, and which moments texts
//! mean.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde::Deserialize;

/// How an API writes the values of a field by which it tells what is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
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
    /// A day: `2024-01-31`.
    Date,
    /// Something else that grows, such as a number or a name. It has no windows and no lookback.
    Text,
}

impl MomentFormat {
    /// The moment that a text of this format means; a day begins at midnight in UTC. `None` if it
    /// is not of this format, and always for [`Text`](Self::Text).
    #[must_use]
    pub fn parse(self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Self::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc()),
            Self::Unix => DateTime::from_timestamp(text.parse().ok()?, 0),
            Self::UnixMs => DateTime::from_timestamp_millis(text.parse().ok()?),
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

    /// What a text of this format looks like.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Rfc3339 => "2024-01-31T12:00:00Z",
            Self::Unix => "1706702400",
            Self::UnixMs => "1706702400000",
            Self::Date => "2024-01-31",
            Self::Text => "any text",
        }
    }
}

/// The moment that a text means: as in RFC 3339, or with an offset such as `+0100` or `+01`, also behind
/// a space, a space for the `T`, or no offset, which is UTC; or a day, which begins at midnight in UTC.
pub(crate) fn moment_of(text: &str) -> Option<DateTime<Utc>> {
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
pub(crate) fn day_of(text: &str) -> Option<NaiveDate> {
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
        for format in
            [MomentFormat::Rfc3339, MomentFormat::Unix, MomentFormat::UnixMs, MomentFormat::Date]
        {
            let text = format.example();
            let moment = format.parse(text).unwrap();
            assert_eq!(format.write(moment).as_deref(), Some(text));
            assert_eq!(moment.date_naive().to_string(), "2024-01-31");
            assert_eq!(format.parse("soon"), None);
        }
        assert_eq!(MomentFormat::Text.parse("2024-01-31"), None);
        let offset = MomentFormat::Rfc3339.parse("2024-01-31T13:00:00.5+01:00").unwrap();
        let written = MomentFormat::Rfc3339.write(offset);
        assert_eq!(written.as_deref(), Some("2024-01-31T12:00:00.500Z"));
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

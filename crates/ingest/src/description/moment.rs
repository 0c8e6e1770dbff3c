//! [pure] How an API writes the values of a field by which it tells what is new.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
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
            Self::Date => {
                let day: NaiveDate = text.parse().ok()?;
                Some(day.and_time(NaiveTime::MIN).and_utc())
            }
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
}

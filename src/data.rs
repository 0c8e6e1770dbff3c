//! [pure] Forms that values of settings have as data: durations, and one value or a list of them.

use std::{fmt, hash::Hash, time::Duration};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration: a number of seconds, or text such as `250ms`, `1m 30s` or `2h`.
struct DurationText(Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = DurationText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration: a number of seconds, or text such as \"250ms\", \"1m 30s\" or \"2h\"",
        )
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<DurationText, E> {
        Ok(DurationText(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<DurationText, E> {
        let invalid = |_| E::invalid_value(de::Unexpected::Signed(seconds), &self);
        let seconds = u64::try_from(seconds).map_err(invalid)?;
        Ok(DurationText(Duration::from_secs(seconds)))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<DurationText, E> {
        let invalid = |_| E::invalid_value(de::Unexpected::Float(seconds), &self);
        Duration::try_from_secs_f64(seconds).map(DurationText).map_err(invalid)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DurationText, E> {
        if let Ok(seconds) = text.trim().parse() {
            return self.visit_f64(seconds);
        }
        let invalid = |_| E::invalid_value(de::Unexpected::Str(text), &self);
        humantime::parse_duration(text).map(DurationText).map_err(invalid)
    }
}

/// A duration, for `#[serde(with)]`.
pub(crate) mod duration {
    use super::{Deserialize, Deserializer, Duration, DurationText, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        DurationText::deserialize(deserializer).map(|text| text.0)
    }
}

/// A duration or none, for `#[serde(with)]`.
pub(crate) mod optional_duration {
    use super::{Deserialize, Deserializer, Duration, DurationText, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = duration.map(|duration| humantime::format_duration(duration).to_string());
        text.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<DurationText>::deserialize(deserializer)?;
        Ok(text.map(|text| text.0))
    }
}

/// Reads a text, which may be written as a number.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a whole number")]
    enum Text {
        Number(i64),
        Text(String),
    }

    let text = Option::<Text>::deserialize(deserializer)?;
    Ok(text.map(|text| match text {
        Text::Number(number) => number.to_string(),
        Text::Text(text) => text,
    }))
}

/// One value, or a list of them.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "one value or a list of them")]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> IntoIterator for OneOrMany<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::One(one) => vec![one].into_iter(),
            Self::Many(many) => many.into_iter(),
        }
    }
}

/// Reads [`OneOrMany`].
pub(crate) fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    OneOrMany::deserialize(deserializer).map(|values| values.into_iter().collect())
}

/// Reads a map as pairs, in its order.
pub(crate) fn pairs<'de, K, V, D>(deserializer: D) -> Result<Vec<(K, V)>, D::Error>
where
    K: Deserialize<'de> + Eq + Hash,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    IndexMap::<K, V>::deserialize(deserializer).map(|map| map.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Duration, String> {
        let read: Result<DurationText, _> = serde_yaml_ng::from_str(yaml);
        read.map(|text| text.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_duration_is_seconds_or_text_with_units() {
        for (yaml, millis) in [
            ("30", 30_000),
            ("0.25", 250),
            ("0", 0),
            ("'2.5'", 2_500),
            ("250ms", 250),
            ("1m 30s", 90_000),
            ("1min30s", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(read(yaml), Ok(Duration::from_millis(millis)), "{yaml}");
        }
    }

    #[test]
    fn what_is_no_duration_is_an_error_that_shows_it() {
        for (yaml, shown) in [
            ("-1", "-1"),
            ("-0.5", "-0.5"),
            (".nan", "NaN"),
            ("1e300", "1000000"),
            ("soon", "soon"),
            ("5 weeksy", "5 weeksy"),
            ("true", "true"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(shown) && error.contains("a duration"), "{yaml}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        #[derive(Deserialize, Serialize)]
        struct Setting(#[serde(with = "optional_duration")] Option<Duration>);

        for duration in [None, Some(Duration::ZERO), Some(Duration::new(90_061, 1_002_003))] {
            let written = serde_json::to_string(&Setting(duration)).unwrap();
            let read: Setting = serde_json::from_str(&written).unwrap();
            assert_eq!(read.0, duration, "{written}");
        }
    }
}

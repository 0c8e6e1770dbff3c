//! [pure] Forms of single values: durations, sizes above zero, one text or several, secrets,
//! addresses.

use std::{fmt, net::SocketAddr, time::Duration};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

/// A duration: a number of seconds, or text such as `250ms`, `1m 30s` or `2h`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

/// A duration above zero.
pub(super) fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match duration(deserializer)? {
        Duration::ZERO => Err(D::Error::custom("must be above zero")),
        duration => Ok(duration),
    }
}

/// A duration above zero, or none.
pub(super) fn optional_above_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct AboveZero(#[serde(deserialize_with = "above_zero")] Duration);

    let duration = Option::<AboveZero>::deserialize(deserializer)?;
    Ok(duration.map(|AboveZero(duration)| duration))
}

/// A duration, or none.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Any(#[serde(deserialize_with = "duration")] Duration);

    let duration = Option::<Any>::deserialize(deserializer)?;
    Ok(duration.map(|Any(duration)| duration))
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration: a number of seconds, or text such as \"250ms\", \"1m 30s\" or \"2h\"",
        )
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        let invalid = |_| E::invalid_value(Unexpected::Float(seconds), &self);
        Duration::try_from_secs_f64(seconds).map_err(invalid)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        if let Ok(seconds) = text.trim().parse() {
            return self.visit_f64(seconds);
        }
        let invalid = |_| E::invalid_value(Unexpected::Str(text), &self);
        humantime::parse_duration(text).map_err(invalid)
    }
}

/// A whole number above zero.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(D::Error::custom("must be above zero")),
        number => Ok(number),
    }
}

/// A whole number above zero, or none.
pub(super) fn optional_at_least_one<
    'de,
    D: Deserializer<'de>,
    N: Deserialize<'de> + From<u8> + PartialEq,
>(
    deserializer: D,
) -> Result<Option<N>, D::Error> {
    match Option::<N>::deserialize(deserializer)? {
        Some(number) if number == N::from(0) => Err(D::Error::custom("must be above zero")),
        number => Ok(number),
    }
}

/// An IP address and a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.trim().parse();
    parsed.map_err(|_| D::Error::custom("expected an IP address and a port: 127.0.0.1:8080"))
}

/// A secret text.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// A secret text, or none.
pub(super) fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// A text, or a list of texts.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneOrMany)
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

//! [pure] Forms that values of settings have as data.

use std::{fmt, time::Duration};

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// A duration: a number of seconds, or text such as `250ms`, `1m 30s` or `2h`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Form)
}

struct Form;

impl Visitor<'_> for Form {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration: a number of seconds, or text such as \"250ms\" or \"1m 30s\"")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        let invalid = |_| E::invalid_value(Unexpected::Float(seconds), &self);
        Duration::try_from_secs_f64(seconds).map_err(invalid)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        match text.trim().parse() {
            Ok(seconds) => self.visit_f64(seconds),
            Err(_) => humantime::parse_duration(text)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

//! [pure] Settings from variables such as those of the environment: the name of a variable is a
//! prefix, `_` and the name of a setting in capitals. No error holds what is in a variable.

use std::{ffi::OsString, io::Cursor, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Visitor,
        value::{Error as Failure, MapAccessDeserializer},
    },
    forward_to_deserialize_any,
};

use super::PoolConfig;
use crate::error::Error;

impl PoolConfig {
    /// Settings from the environment: with the prefix `API` these are `API_BASE_URL`,
    /// `API_WORKERS`, `API_AUTH` and so on. A variable holds what a file would have, with lists
    /// and maps in YAML or JSON, such as `API_AUTH='{ bearer: { file: /run/secrets/token } }'`. An
    /// empty one counts as not set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the variable and never what it
    /// holds, for a value of the wrong form and for a variable with the prefix that is not a setting.
    ///
    /// ```no_run
    /// # fn demo() -> Result<(), vantage_api_pool::Error> {
    /// let pool = vantage_api_pool::PoolConfig::from_env("API")?.builder()?.build()?;
    /// # Ok(()) }
    /// ```
    pub fn from_env(prefix: &str) -> Result<Self, Error> {
        read(prefix, std::env::vars_os())
    }
}

/// Settings from `variables`, of which those without the prefix and empty ones are passed over.
fn read(
    prefix: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<PoolConfig, Error> {
    let variables = variables.into_iter().filter(|(_, text)| !text.is_empty());
    let settings = variables.filter_map(|(name, text)| {
        let name = name.into_string().ok()?;
        let setting = name.strip_prefix(prefix.trim_end_matches('_'))?.strip_prefix('_')?;
        let setting = setting.to_ascii_lowercase();
        Some((setting, (name, text)))
    });
    let variables = Variables { settings, next: None };
    let config = PoolConfig::deserialize(MapAccessDeserializer::new(variables));
    config.map_err(|error| Error::config(error.to_string()))
}

/// Variables, each by its name and what it holds, as a map of settings.
struct Variables<I> {
    settings: I,
    next: Option<(String, OsString)>,
}

impl<'de, I: Iterator<Item = (String, (String, OsString))>> MapAccess<'de> for Variables<I> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let Some((setting, (name, text))) = self.settings.next() else { return Ok(None) };
        let key = seed.deserialize(setting.into_deserializer());
        let key = key.map_err(|error: Failure| named(&name, &error))?;
        self.next = Some((name, text));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let next = self.next.take();
        let (name, text) = next.ok_or_else(|| Failure::custom("there is no variable"))?;
        let text = text.into_string();
        let text = text.map_err(|_| named(&name, &Failure::custom("is not UTF-8")))?;
        seed.deserialize(Text(text)).map_err(|error| named(&name, &error))
    }
}

fn named(variable: &str, error: &Failure) -> Failure {
    Failure::custom(format!("{variable}: {error}"))
}

/// What a variable holds. Where text is expected it is that; lists and maps are in YAML.
struct Text(String);

impl Text {
    fn parse<T: FromStr>(&self, expected: &str) -> Result<T, Failure> {
        self.0.trim().parse().map_err(|_| Failure::custom(format!("must be {expected}")))
    }

    fn yaml<'de>(self) -> serde_yaml_ng::Deserializer<'de> {
        serde_yaml_ng::Deserializer::from_reader(Cursor::new(self.0.into_bytes()))
    }
}

/// Instead of an error that may hold the text.
fn other_form<E>(_: E) -> Failure {
    Failure::custom("has a value of another form")
}

impl<'de> Deserializer<'de> for Text {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str::<Failure>(&self.0).map_err(|error| {
            // As it is, or as errors quote it.
            let quoted = format!("{:?}", self.0);
            let (shown, quoted) = (error.to_string(), quoted.trim_matches('"'));
            let shows_text = shown.contains(&self.0) || shown.contains(quoted);
            if shows_text { other_form(error) } else { error }
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.parse("true or false")?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_u64(self.parse("a whole number")?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_u32(self.parse("a whole number")?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.yaml().deserialize_seq(visitor).map_err(other_form)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.yaml().deserialize_map(visitor).map_err(other_form)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.yaml().deserialize_struct(name, fields, visitor).map_err(other_form)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<PoolConfig, Error> {
        super::read("API", variables.iter().map(|(name, text)| (name.into(), text.into())))
    }

    #[test]
    fn each_form_of_a_setting_is_read_from_text() {
        let config = read(&[
            ("API_BASE_URL", "https://api.example.com/v1"),
            ("API_WORKERS", "7"),
            ("API_RATE_LIMIT", "2.5"),
            ("API_BURST", " 3 "),
            ("API_GZIP", "false"),
            ("API_CALL_TIMEOUT", "1m 30s"),
            ("API_CONNECT_TIMEOUT", "2"),
            ("API_PROXY", "http://user:1234@proxy:3128"),
            ("API_AUTH", "{ bearer: [a, b] }"),
            ("API_DEFAULT_HEADERS", "{ x-tenant: blue }"),
            ("API_LIMIT_STATUSES", "[403, 420]"),
            ("API_CIRCUIT_BREAKER", "{ open_time: 2s }"),
            ("API_SIGNING_KEY", "00000000000000000000000000000001"),
            ("API_NO_PROXY", ""),
            ("API_HEDGE", ""),
            ("APIARY", "not ours"),
            ("OTHER_WORKERS", "not ours"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.base_url, "https://api.example.com/v1");
        assert_eq!((config.workers, config.burst, config.gzip), (7, Some(3), false));
        assert_eq!(config.rate_limit, Some("2.5".parse().unwrap()));
        assert_eq!(config.call_timeout, Duration::from_secs(90));
        assert_eq!(config.connect_timeout, Duration::from_secs(2));
        assert_eq!(config.default_headers, [("x-tenant".to_owned(), "blue".to_owned())]);
        assert!(config.proxy.is_some() && config.auth.is_some() && config.signer.is_some());
        assert!(config.limit_statuses.contains(&420) && config.circuit_breaker.is_some());
        config.validate().unwrap();
    }

    #[test]
    fn a_bad_value_is_named_by_its_variable_and_is_not_echoed() {
        for (name, text, reason) in [
            ("API_WORKERS", "s3cret", "a whole number"),
            ("API_BURST", "-1", "a whole number"),
            ("API_GZIP", "s3cret", "true or false"),
            ("API_RATE_LIMIT", "s3cret", "another form"),
            ("API_RATE_LIMIT", "a \"s3cret\"\n\\", "another form"),
            ("API_ROOT_CERTIFICATES", "s3cret", "root_certificate"),
            ("API_CALL_TIMEOUT", "s3cret", "another form"),
            ("API_AUTH", "s3cret", "one of the keys"),
            ("API_AUTH", "{ bearer: { s3cret: 7 } }", "bearer"),
            ("API_AUTH", "{ bearer: s3cret, basic: s3cret }", "one of the keys"),
            ("API_DEFAULT_HEADERS", "s3cret", "a map of names"),
            // NVIDIA-NeMo/Guardrails#2220: a value that YAML takes for a number or a flag.
            ("API_DEFAULT_HEADERS", "{ s3cret: 30 }", "a map of names"),
            ("API_DEFAULT_HEADERS", "{ s3cret: true }", "a map of names"),
            ("API_DEFAULT_HEADERS", "[s3cret]", "a map of names"),
            ("API_AUTH", "[s3cret]", "one of the keys"),
            ("API_LIMIT_STATUSES", "[s3cret]", "another form"),
            ("API_WORKER", "7", "unknown field `worker`"),
        ] {
            let config = read(&[("API_BASE_URL", "http://x"), (name, text)]);
            let error = config.and_then(|config| config.validate()).map(drop).unwrap_err();
            let shown = format!("{error} {error:?}");
            let is_named = shown.contains(name) || name == "API_ROOT_CERTIFICATES";
            assert!(is_named && shown.contains(reason), "{shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn a_rate_in_yaml_is_the_decimal_that_is_written() {
        for rate in ["0.1", "7.5", "3", "'0.3'", "0.000000001", "123456789.123"] {
            let yaml = format!("base_url: http://x\nrate_limit: {rate}");
            let config = PoolConfig::from_yaml(&yaml).unwrap();
            assert_eq!(config.rate_limit, Some(rate.trim_matches('\'').parse().unwrap()));
        }
    }

    #[test]
    fn the_prefix_may_end_with_its_underscore() {
        let config = super::read("API_", [("API_WORKERS".into(), "7".into())]);
        assert_eq!(config.unwrap().workers, 7);
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf_8_is_named() {
        use std::os::unix::ffi::OsStringExt;

        let bad = OsString::from_vec(vec![0xff]);
        let error = super::read("API", [("API_BASE_URL".into(), bad)]).map(drop).unwrap_err();
        assert!(error.to_string().contains("API_BASE_URL: is not UTF-8"), "{error}");
    }
}

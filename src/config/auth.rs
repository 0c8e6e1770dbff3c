//! [pure] How a pool signs in, as data. Knows nothing of the tokens that come of it.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Value};

use super::forms::refuse;
use crate::data::{OneOrMany, optional_duration};

/// How a pool signs in.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Auth {
    Bearer(Secrets),
    Basic {
        user: String,
        password: Secrets,
    },
    Header {
        name: String,
        value: Secrets,
    },
    Query {
        name: String,
        value: Secrets,
    },
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
}

/// Where secrets are.
#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Secrets {
    Fixed(OneOrMany<String>),
    /// In environment variables.
    Env {
        env: OneOrMany<String>,
    },
    /// In files.
    File {
        file: OneOrMany<PathBuf>,
        #[serde(default, with = "optional_duration")]
        reread_every: Option<Duration>,
    },
}

/// The client credentials grant.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "oauth2"), expect(dead_code, reason = "read, and then refused"))]
pub(crate) struct OAuth2 {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) credentials_in_body: bool,
}

/// Reads how a pool signs in. An error names keys alone, since what else is there may be a secret.
pub(super) fn auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Auth>, D::Error> {
    deserializer.deserialize_any(AuthVisitor)
}

const FORM: &str = "must be a map with one of the keys bearer, basic, header, query and oauth2";

struct AuthVisitor;

impl<'de> Visitor<'de> for AuthVisitor {
    type Value = Option<Auth>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Auth>, E> {
        Ok(None)
    }

    /// A map as text is what a variable of the environment holds.
    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Auth>, E> {
        match serde_yaml_ng::from_str(text) {
            Ok(map) => in_map(map).map(Some),
            Err(_) => Err(E::custom(FORM)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Auth>, A::Error> {
        in_map(Map::deserialize(MapAccessDeserializer::new(map))?).map(Some)
    }

    refuse!(FORM; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

fn in_map<E: Error>(map: Map<String, Value>) -> Result<Auth, E> {
    let mut schemes = map.keys().cloned();
    let (Some(scheme), None) = (schemes.next(), schemes.next()) else {
        return Err(E::custom(FORM));
    };
    serde_json::from_value(Value::Object(map)).map_err(|error| {
        let what = error.to_string();
        let is_about_keys = ["unknown", "missing"].iter().any(|start| what.starts_with(start));
        match is_about_keys {
            true => E::custom(format!("{scheme}: {what}")),
            false => E::custom(format!("{scheme}: has a value of another form")),
        }
    })
}

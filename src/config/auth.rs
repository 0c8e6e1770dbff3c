//! [pure] How a pool signs in, as data. Knows nothing of the tokens that come of it.

mod oauth2;
mod secrets;
mod signatures;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Value};

use super::forms::refuse_scalars;

pub(crate) use oauth2::OAuth2;
pub(crate) use secrets::{Secrets, TokenRequestData};
pub(crate) use signatures::{AwsData, Encoding, HmacData, TimestampData};

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
        /// Stands before the value.
        #[serde(default)]
        prefix: String,
    },
    Query {
        name: String,
        value: Secrets,
    },
    Cookie {
        name: String,
        value: Secrets,
    },
    /// A bearer token of OAuth 2.0.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
    /// A signature of each request by HMAC.
    Hmac(Box<HmacData>),
    /// A signature of each request for AWS.
    Aws(AwsData),
}

/// Reads how a pool signs in. An error names keys alone, since what else is there may be a secret.
pub(super) fn auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Auth>, D::Error> {
    deserializer.deserialize_any(AuthVisitor)
}

/// Its errors are made while the value is visited, so that they get its place.
struct AuthVisitor;

impl<'de> Visitor<'de> for AuthVisitor {
    type Value = Option<Auth>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, or a list of maps")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Auth>, E> {
        Ok(None)
    }

    /// A variable of the environment.
    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Auth>, E> {
        match serde_yaml_ng::from_str(text) {
            Ok(Value::Object(map)) => the_only(map).map(Some),
            Ok(Value::Array(ways)) => first_of(ways).map(Some),
            _ => Err(E::custom(FORM)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Auth>, A::Error> {
        the_only(Map::deserialize(MapAccessDeserializer::new(map))?).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, ways: A) -> Result<Option<Auth>, A::Error> {
        first_of(Vec::deserialize(SeqAccessDeserializer::new(ways))?).map(Some)
    }

    refuse_scalars!(|_| FORM);
}

/// The one way there is, which has its token.
fn the_only<E: Error>(map: Map<String, Value>) -> Result<Auth, E> {
    match map.get("bearer") {
        Some(Value::String(token)) if token.is_empty() => Err(E::custom("bearer: is empty")),
        _ => in_map(map),
    }
}

/// The first way in which no text is empty. A mistake in one that is not used is one all the same.
fn first_of<E: Error>(ways: Vec<Value>) -> Result<Auth, E> {
    let (mut first, mut all_empty) = (None, Vec::new());
    for way in ways {
        let Value::Object(map) = way else { return Err(E::custom(FORM)) };
        let mut empty = Vec::new();
        map.iter().for_each(|(key, value)| find_empty(key, value, &mut empty));
        let auth = in_map(map)?;
        if empty.is_empty() && first.is_none() {
            first = Some(auth);
        }
        all_empty.push(empty.join(" and "));
    }
    first.ok_or_else(|| {
        let empty = all_empty.join(", or else ");
        E::custom(format!("none of the ways to sign in has all its values: give {empty}"))
    })
}

/// Adds the places of the empty texts in a value, which is at `place`.
fn find_empty(place: &str, value: &Value, empty: &mut Vec<String>) {
    match value {
        Value::String(text) if text.is_empty() => empty.push(format!("`{place}`")),
        Value::Array(items) => items.iter().for_each(|item| find_empty(place, item, empty)),
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| {
                find_empty(&format!("{place}.{key}"), value, empty);
            });
        }
        _ => {}
    }
}

const FORM: &str = "must be a map with one of the keys bearer, basic, header, query, cookie, oauth2, hmac and aws, \
     or a list of such maps";

fn in_map<E: Error>(map: Map<String, Value>) -> Result<Auth, E> {
    let mut schemes = map.keys().cloned();
    let (Some(scheme), None) = (schemes.next(), schemes.next()) else {
        return Err(E::custom(FORM));
    };
    serde_json::from_value(Value::Object(map)).map_err(|error| {
        let what = error.to_string();
        // An unknown variant of a setting is its value, which may be a secret.
        let own = format!("unknown variant `{scheme}`");
        let is_about_keys =
            ["unknown field", "missing", &own].iter().any(|start| what.starts_with(*start));
        match is_about_keys {
            true => E::custom(format!("{scheme}: {what}")),
            false => E::custom(format!("{scheme}: has a value of another form")),
        }
    })
}

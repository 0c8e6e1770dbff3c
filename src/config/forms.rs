//! [pure] Forms of single settings as data. What may be a secret is in no error.

use std::fmt;

use indexmap::IndexMap;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

use crate::{data::OneOrMany, signer::Signer};

/// Refuses scalars of these types without showing them.
macro_rules! refuse {
    ($what:expr; $($visit:ident: $type:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(E::custom($what))
        })*
    };
}
pub(super) use refuse;

/// A text that is in no error, whatever is there instead of one.
struct SecretText(String);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText(text.to_owned()))
    }

    refuse! {
        "must be a text, in quotes if it looks like a number";
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64
    }
}

pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<SecretText>::deserialize(deserializer)?;
    Ok(text.map(|text| text.0.into()))
}

type Headers = Vec<(String, String)>;

pub(super) fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
    deserializer.deserialize_any(HeadersVisitor)
}

const HEADERS: &str = "must be a map of names to values";

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    /// A map as text is what a variable of the environment holds.
    fn visit_str<E: Error>(self, text: &str) -> Result<Headers, E> {
        let map: IndexMap<String, SecretText> =
            serde_yaml_ng::from_str(text).map_err(|_| E::custom(HEADERS))?;
        Ok(map.into_iter().map(|(name, value)| (name, value.0)).collect())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, SecretText>()? {
            headers.push((name, value.0));
        }
        Ok(headers)
    }

    refuse!(HEADERS; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

pub(super) fn certificates<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = OneOrMany::<String>::deserialize(deserializer)?;
    Ok(texts.into_iter().map(String::into_bytes).collect())
}

/// The signer with a key; `None` if that is too short.
pub(super) fn signer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Signer>, D::Error> {
    Ok(match Option::<SecretText>::deserialize(deserializer)? {
        Some(key) => Signer::new(key.0.as_bytes()),
        None => Some(Signer::of_this_process()),
    })
}

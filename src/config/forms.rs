//! [pure] Forms of single settings as data. What may be a secret is in no error.

use std::{fmt, marker::PhantomData};

use indexmap::IndexMap;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{data::one_or_many, signer::Signer};

/// Refuses numbers and flags without showing them, with the text that `$what` has for the visitor.
macro_rules! refuse_scalars {
    ($what:expr) => {
        refuse_scalars!($what; visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
    };
    ($what:expr; $($visit:ident: $type:ty),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(E::custom(($what)(self)))
        })*
    };
}

pub(super) use refuse_scalars;

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

    refuse_scalars!(|_| "must be a text, in quotes if it looks like a number");
}

pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<SecretText>::deserialize(deserializer)?;
    Ok(text.map(|text| text.0.into()))
}

/// Reads a map or nothing. Text that holds a map in YAML, as a variable of the environment does, is
/// one as well, and the error for anything else is `refusal`.
pub(super) fn map<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
    refusal: &'static str,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(MapVisitor { refusal, map: PhantomData })
}

struct MapVisitor<T> {
    refusal: &'static str,
    map: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for MapVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        serde_yaml_ng::from_str(text).map(Some).map_err(|_| E::custom(self.refusal))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    refuse_scalars!(|visitor: Self| visitor.refusal);
}

pub(super) fn headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, String)>, D::Error> {
    let headers: Option<IndexMap<String, SecretText>> =
        map(deserializer, "must be a map of names to values")?;
    Ok(headers.into_iter().flatten().map(|(name, value)| (name, value.0)).collect())
}

pub(super) fn certificates<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = one_or_many::<String, D>(deserializer)?;
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

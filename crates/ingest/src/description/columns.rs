//! [pure] What becomes of the columns of a stream between the API and the sink, as data.

use std::fmt;

use ciborium::Value;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::{column_type, condition::Scalar};
use crate::schema::ColumnType;

/// What becomes of a column between the API and the sink: `drop`, or how it is made, as
/// [`ColumnRule`] says.
///
/// ```yaml
/// columns:
///   debug: drop
///   email: { hash: sha256 }
///   phone: { mask: last4 }
///   name: { from: profile.full_name }
///   price: { type: "decimal(18,4)" }
///   source: { const: crm }
/// ```
///
/// It holds from the next run on, also for a column that the table has already. One that is left out
/// by then, or whose field another one has by its `from`, stays in the table and is null in the rows
/// that are written from then on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ColumnChange {
    /// It is left out, and what is in its field. With `nested: flatten` or `nested: children` that is also
    /// the field or the list in an object whose keys, joined by `_`, are its name. What another column has
    /// by its `from` is there all the same.
    Drop,
    /// It is made by a rule.
    Make(ColumnRule),
}

/// How a column is made: a map of at least one of these keys.
///
/// | key | value |
/// |---|---|
/// | `from` | where it is in an item, keys joined by dots; by default its name. The field has no column besides; if it is an object, only those below it that have a `from` of their own |
/// | `const` | the same value in every row: a text, a number, true or false. Not with `from`, `hash` or `mask` |
/// | `hash` | `sha256`: instead of the value, the hash of its text in hexadecimal digits |
/// | `mask` | `last4`: instead of the value, its text with `*` for all but the last four characters. Not with `hash` |
/// | `type` | its type, as in [`ColumnDescription`](super::ColumnDescription) |
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ColumnRule {
    /// Where it is in an item, unless at its name.
    pub from: Option<String>,
    /// Its value in every row: a text, a number, true or false.
    pub constant: Option<Value>,
    /// Whether its values are replaced by hashes.
    pub hash: Option<Hash>,
    /// Whether its values are masked.
    pub mask: Option<Mask>,
    /// The type of its values.
    pub kind: Option<ColumnType>,
}

/// What makes a hash of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256, in hexadecimal digits.
    Sha256,
}

/// What stays of a value that is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mask {
    /// The last four characters, if there are more than four.
    Last4,
}

/// Without the constant and the path, which may come of variables.
impl fmt::Debug for ColumnRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnRule")
            .field("is_constant", &self.constant.is_some())
            .field("hash", &self.hash)
            .field("mask", &self.mask)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for ColumnChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChangeVisitor)
    }
}

struct ChangeVisitor;

impl<'de> Visitor<'de> for ChangeVisitor {
    type Value = ColumnChange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("drop, or a map of from, const, hash, mask and type")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ColumnChange, E> {
        match word {
            "drop" => Ok(ColumnChange::Drop),
            word => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnChange, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Data {
            #[serde(default)]
            from: Option<String>,
            #[serde(default, rename = "const")]
            constant: Option<Scalar>,
            #[serde(default)]
            hash: Option<Hash>,
            #[serde(default)]
            mask: Option<Mask>,
            #[serde(default, rename = "type", deserialize_with = "column_type::optional")]
            kind: Option<ColumnType>,
        }

        let Data { from, constant, hash, mask, kind } =
            Data::deserialize(MapAccessDeserializer::new(map))?;
        let constant = constant.map(|Scalar(value)| value);
        let rule = ColumnRule { from, constant, hash, mask, kind };
        match rule.fault() {
            Some(fault) => Err(A::Error::custom(fault)),
            None => Ok(ColumnChange::Make(rule)),
        }
    }
}

impl ColumnRule {
    /// What contradicts itself, or says nothing.
    fn fault(&self) -> Option<&'static str> {
        let is_read = self.from.is_some() || self.hash.is_some() || self.mask.is_some();
        if self.constant.is_some() && is_read {
            return Some("`const` is the value, so there is no `from`, `hash` or `mask`");
        }
        if self.hash.is_some() && self.mask.is_some() {
            return Some("a value is hashed or masked, not both");
        }
        (*self == Self::default()).then_some("says nothing of the column")
    }
}

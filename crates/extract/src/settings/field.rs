//! [pure] A field as data.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{error::ExtractError, field::Field};

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a field is its place, or a map of `at` or `const` and the like")]
pub(super) enum FieldData {
    At(String),
    Full(Box<FullField>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FullField {
    at: Option<String>,
    attr: Option<String>,
    #[serde(rename = "type")]
    kind: Option<FieldType>,
    format: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    list: bool,
    matching: Option<String>,
    #[serde(rename = "const", default, deserialize_with = "present")]
    constant: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FieldType {
    Text,
    #[serde(alias = "int")]
    Integer,
    #[serde(alias = "float")]
    Number,
    #[serde(alias = "bool")]
    Boolean,
    Date,
}

/// A value that is there, even if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub(super) fn fields<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, FieldData)>, D::Error> {
    struct Visitor;

    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<(String, FieldData)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map of fields by their names")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }

    deserializer.deserialize_map(Visitor)
}

impl FieldData {
    pub(super) fn field(self, name: &str) -> Result<Field, ExtractError> {
        let full = match self {
            Self::At(at) => return Ok(Field::new(at)),
            Self::Full(full) => *full,
        };
        let refused = |reason: &str| Err(ExtractError::setting(format!("field {name}"), reason));
        let FullField { at, attr, kind, format, required, list, matching, constant } = full;
        if let Some(value) = constant {
            let is_alone = at.is_none()
                && attr.is_none()
                && kind.is_none()
                && format.is_none()
                && matching.is_none()
                && !required
                && !list;
            return if is_alone {
                Ok(Field::constant(value))
            } else {
                refused("`const` has nothing beside it")
            };
        }
        if format.is_some() != (kind == Some(FieldType::Date)) {
            return refused("a `date`, and nothing else, has a `format`");
        }
        let Some(at) = at else { return refused("it has neither `at` nor `const`") };
        let mut field = Field::new(at);
        if let Some(attr) = attr {
            field = field.attr(attr);
        }
        if let Some(pattern) = matching {
            field = field.matching(pattern);
        }
        field = match kind {
            None | Some(FieldType::Text) => field,
            Some(FieldType::Integer) => field.integer(),
            Some(FieldType::Number) => field.number(),
            Some(FieldType::Boolean) => field.boolean(),
            Some(FieldType::Date) => field.date(format.unwrap_or_default()),
        };
        field = if required { field.required() } else { field };
        Ok(if list { field.list() } else { field })
    }
}

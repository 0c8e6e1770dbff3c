//! [pure] What a schema says, as far as a draft needs it.

use indexmap::IndexMap;
use serde_json::Value;

use super::document::Document;
use crate::types::Kind;

/// How deep schemas that are merged may lie in each other.
const DEEPEST: usize = 16;
/// The most properties that are taken of an object.
const MOST_PROPERTIES: usize = 1_000;
/// The most choices and types of a schema that are looked at.
const MOST_CHOICES: usize = 100;
/// The longest name of a property, in bytes.
const LONGEST_NAME: usize = 256;

/// What a schema describes.
#[derive(Clone, Debug)]
pub(super) enum Shape<'d> {
    Object(IndexMap<&'d str, &'d Value>),
    List(&'d Value),
    Scalar(Kind),
    /// Anything, or one of several.
    Any,
}

impl Document {
    /// What a schema describes: with all that `allOf` brings together. `oneOf` and `anyOf` are
    /// anything, unless all but one of their schemas are null.
    pub(super) fn shape<'d>(&'d self, schema: &'d Value) -> Shape<'d> {
        let mut properties = IndexMap::new();
        let shape = self.merged(schema, &mut properties, 0);
        match shape {
            Shape::Any if !properties.is_empty() => Shape::Object(properties),
            Shape::Object(_) => Shape::Object(properties),
            shape => shape,
        }
    }

    fn merged<'d>(
        &'d self,
        schema: &'d Value,
        properties: &mut IndexMap<&'d str, &'d Value>,
        depth: usize,
    ) -> Shape<'d> {
        if depth > DEEPEST {
            return Shape::Any;
        }
        let Some(schema) = self.resolve(schema) else { return Shape::Any };
        let own = schema.get("properties").and_then(Value::as_object);
        let room = MOST_PROPERTIES.saturating_sub(properties.len());
        let named = own.into_iter().flatten().take(room);
        let named = named.filter(|(name, _)| name.len() <= LONGEST_NAME);
        properties.extend(named.map(|(name, property)| (name.as_str(), property)));
        let mut shape = Shape::Any;
        let all = schema.get("allOf").and_then(Value::as_array);
        for part in all.into_iter().flatten() {
            match self.merged(part, properties, depth + 1) {
                Shape::Any => {}
                part => shape = part,
            }
        }
        if let Some(only) = self.only_choice(schema) {
            return self.merged(only, properties, depth + 1);
        }
        match type_of(schema) {
            Some("object") => Shape::Object(IndexMap::new()),
            Some("array") => schema.get("items").map_or(Shape::Any, Shape::List),
            Some(kind) => scalar(kind, schema),
            None if own.is_some() => Shape::Object(IndexMap::new()),
            None if schema.get("items").is_some() => {
                schema.get("items").map_or(Shape::Any, Shape::List)
            }
            None => shape,
        }
    }

    /// The schema of a choice that is not null.
    fn only_choice<'d>(&'d self, schema: &'d Value) -> Option<&'d Value> {
        let choice = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array())?;
        let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
        let mut others = choice.iter().take(MOST_CHOICES).filter(|schema| !is_null(schema));
        let only = others.next()?;
        others.next().is_none().then_some(only)
    }

    /// The type of a column with this schema.
    pub(super) fn kind(&self, schema: &Value) -> Kind {
        match self.shape(schema) {
            Shape::Scalar(kind) => kind,
            Shape::Object(_) | Shape::List(_) | Shape::Any => Kind::Json,
        }
    }
}

/// The type, of which OpenAPI 3.1 may name several.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let kinds = kinds.iter().take(MOST_CHOICES).filter_map(Value::as_str);
            let mut kinds = kinds.filter(|kind| *kind != "null");
            let only = kinds.next()?;
            kinds.next().is_none().then_some(only)
        }
        _ => None,
    }
}

fn scalar<'d>(kind: &str, schema: &Value) -> Shape<'d> {
    let format = schema.get("format").and_then(Value::as_str);
    Shape::Scalar(match (kind, format) {
        ("integer", _) => Kind::Int,
        ("number", _) => Kind::Float,
        ("boolean", _) => Kind::Bool,
        ("string", Some("date-time")) => Kind::Timestamp,
        ("string", Some("date")) => Kind::Date,
        ("string", _) => Kind::Text,
        _ => return Shape::Any,
    })
}

//! [pure] Reads types from the tree of a file. An error has the place, the way to it, and no value
//! of a variable.

use std::slice;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess,
        SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    failure::{Failure, Key, KeyPath, Position},
    node::{Entry, Expanded, Kind, Node, Scalar, Value},
    redact::redacted,
    words::wanted,
};

/// Reads a type.
///
/// # Errors
/// If the tree is not that of the type.
pub(super) fn read<T: DeserializeOwned>(root: &Node) -> Result<T, Failure> {
    T::deserialize(Of(root)).map_err(|failure| located(failure, root))
}

/// A failure to read `node`, which is there unless something in it is to blame.
fn located(mut failure: Failure, node: &Node) -> Failure {
    if failure.at.is_some() {
        return failure;
    }
    if let Value::Scalar(Scalar { variables: Some(variables), .. }) = &node.value {
        failure.message = format!("the value of {} is refused", variables.source);
        return failure.at(node.at);
    }
    failure.message = redacted(failure.message, node);
    // serde reads some maps as a whole before it looks at their keys.
    let unknown = failure.message.split_once("unknown key `");
    let unknown = unknown.and_then(|(_, rest)| rest.split_once('`')).map(|(key, _)| key);
    match unknown.and_then(|key| way_to(key, node)) {
        Some((keys, at)) => Failure { keys, ..failure }.at(at),
        None => failure.at(node.at),
    }
}

/// The way to a key somewhere below `node`, and its place.
fn way_to(key: &str, node: &Node) -> Option<(KeyPath, Position)> {
    let below = |step: Key, node: &Node| {
        let (mut keys, at) = way_to(key, node)?;
        keys.0.insert(0, step);
        Some((keys, at))
    };
    match &node.value {
        Value::Null | Value::Scalar(_) => None,
        Value::List(items) => {
            items.iter().enumerate().find_map(|(index, item)| below(index.into(), item))
        }
        Value::Map(entries) => {
            let own = entries.iter().find(|entry| entry.key == key);
            let own = own.map(|entry| (KeyPath::default().to(key), entry.at));
            own.or_else(|| {
                entries.iter().find_map(|entry| below(entry.key.as_str().into(), &entry.value))
            })
        }
    }
}

/// A node as what serde reads from.
struct Of<'a>(&'a Node);

impl Of<'_> {
    /// Hands a scalar to the visitor as it is `kind`. Who refuses the value of a variable does
    /// not get to say how it looks.
    fn visit<'de, V: Visitor<'de>>(
        &self,
        scalar: &Scalar,
        kind: Kind,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let refusal = scalar.variables.as_ref().map(|variables| self.refusal(variables, &visitor));
        let read = match kind {
            Kind::Text => visitor.visit_str(&scalar.text),
            Kind::Bool(flag) => visitor.visit_bool(flag),
            Kind::Unsigned(number) => visitor.visit_u64(number),
            Kind::Signed(number) => visitor.visit_i64(number),
            Kind::Float(number) => visitor.visit_f64(number),
        };
        read.map_err(|failure| refusal.unwrap_or(failure))
    }

    fn refusal(&self, variables: &Expanded, expected: &dyn Expected) -> Failure {
        let (expected, source) = (expected.to_string(), &variables.source);
        let message = format!("expected {}, which the value of {source} is not", wanted(&expected));
        Failure::new(message).at(self.0.at)
    }

    /// As a text, whatever it looks like.
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Scalar(scalar) => self.visit(scalar, Kind::Text, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    /// As a number, or true or false, which a text is only if it came of a variable.
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Scalar(scalar) => {
                let is_expanded = scalar.variables.is_some();
                let kind = if is_expanded { Kind::of(&scalar.text) } else { scalar.kind };
                self.visit(scalar, kind, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// As a map. A struct would take a list for its fields in their order.
    fn map<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0.value {
            Value::List(_) => Err(Failure::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }
}

macro_rules! read_by {
    ($read:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.$read(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Of<'_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(scalar) => self.visit(scalar, scalar.kind, visitor),
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Map(entries) => visitor.visit_map(Entries::of(entries)),
        }
    }

    read_by! { text: deserialize_str deserialize_string deserialize_char deserialize_identifier }

    read_by! {
        number: deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64
    }

    read_by! { map: deserialize_map }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Scalar(scalar) => {
                let variables = scalar.variables.as_ref();
                let refusal = variables.map(|variables| self.refusal(variables, &visitor));
                let read = visitor.visit_enum(scalar.text.as_str().into_deserializer());
                read.map_err(|failure: Failure| refusal.unwrap_or(failure))
            }
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries::of(entries)))
            }
            Value::Map(entries) => {
                Err(Failure::new(format!("expected a map with one key, found {}", entries.len())))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct
    }
}

/// The items of a list.
struct Items<'a>(std::iter::Enumerate<slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some((index, item)) = self.0.next() else { return Ok(None) };
        let read = seed.deserialize(Of(item));
        read.map(Some).map_err(|failure| located(failure, item).within(index))
    }
}

/// The keys and values of a map.
struct Entries<'a> {
    rest: slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        Self { rest: entries.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key = entry.key.as_str();
        let read = seed.deserialize(key.into_deserializer());
        read.map(Some).map_err(|failure: Failure| failure.at(entry.at).within(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let entry = self.current.take();
        let entry = entry.ok_or_else(|| Failure::custom("there is no value"))?;
        let read = seed.deserialize(Of(&entry.value));
        read.map_err(|failure| located(failure, &entry.value).within(entry.key.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use serde::Deserialize;

    use super::*;
    use crate::description::file::node;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct All {
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        number: Option<u16>,
        #[serde(default)]
        list: Vec<Choice>,
        #[serde(default)]
        tagged: Option<Tagged>,
        #[serde(default)]
        nested: IndexMap<String, f64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Plain,
        With(u8),
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
    enum Tagged {
        Page { size: u8 },
    }

    fn parsed(yaml: &str) -> Result<All, Failure> {
        read(&node::parse(yaml)?)
    }

    #[test]
    fn every_form_is_read() {
        let yaml = "text: 1.10\nnumber: 7\nlist: [plain, { with: 3 }]\n\
                    tagged: { by: page, size: 5 }\nnested: { a: 1, b: 2.5 }";
        let all = parsed(yaml).unwrap();
        assert_eq!((all.text.as_deref(), all.number), (Some("1.10"), Some(7)));
        assert!(matches!(all.list[..], [Choice::Plain, Choice::With(3)]));
        assert!(matches!(all.tagged, Some(Tagged::Page { size: 5 })));
        assert_eq!(all.nested["a"], 1.0);
        assert!(parsed("text:\nnumber: ~").unwrap().text.is_none());
    }

    #[test]
    fn a_failure_has_its_place_and_the_way_to_it() {
        for (yaml, line, keys, words) in [
            ("number: 1\ntxt: a", 2, "txt", "unknown key `txt`"),
            ("text: a\nnumber: 70000", 2, "number", "`70000`"),
            ("text: a\nnumber: '7'", 2, "number", "the text \"7\""),
            ("list:\n  - plain\n  - plan", 3, "list[1]", "unknown value `plan`"),
            ("list:\n  - with: 1\n    plain: 1", 2, "list[0]", "one key, found 2"),
            ("list:\n  - with: a", 2, "list[0].with", "a whole number"),
            ("list:\n  - wit: 1", 2, "list[0].wit", "unknown value `wit`"),
            ("text: a\ntagged:\n  by: page", 2, "tagged", "`size` is missing"),
            ("tagged:\n  by: page\n  size: 1\n  siez: 2", 4, "tagged.siez", "unknown key `siez`"),
            ("nested:\n  a: 1\n  b: [1]", 3, "nested.b", "a number, found a list"),
            ("[1]", 1, "", "a map, found a list"),
        ] {
            let failure = parsed(yaml).map(drop).unwrap_err();
            let place = (failure.at.map(|at| at.line), failure.keys.to_string());
            assert_eq!(place, (Some(line), keys.to_owned()), "{yaml}: {failure}");
            assert!(failure.message.contains(words), "{yaml}: {failure}");
        }
    }
}

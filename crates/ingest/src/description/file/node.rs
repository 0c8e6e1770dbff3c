//! [pure] The YAML of a file as a tree, whose nodes know where they are.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as DeError, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::failure::{Failure, Key, KeyPath, Position};

/// A value of the file.
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where it is; of a map or a list below a key, where the key is.
    pub(crate) at: Position,
}

pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A text, a number, or true or false.
pub(crate) struct Scalar {
    /// As it is spelled in the file, or with its variables replaced.
    pub(crate) text: String,
    pub(crate) kind: Kind,
    pub(crate) variables: Option<Expanded>,
}

/// What a scalar was before its variables were replaced.
pub(crate) struct Expanded {
    /// As it is in the file.
    pub(crate) source: String,
    /// The values of its variables.
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

impl Kind {
    /// What a text is where a number, or true or false, is expected.
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        if let Ok(flag) = text.parse() {
            return Self::Bool(flag);
        }
        if let Ok(number) = text.parse() {
            return Self::Unsigned(number);
        }
        if let Ok(number) = text.parse() {
            return Self::Signed(number);
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Float(number),
            _ => Self::Text,
        }
    }
}

/// Parses a file.
///
/// # Errors
/// If it is not YAML, or has a key twice.
pub(super) fn parse(file: &str) -> Result<Node, Failure> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let raw: Result<Spanned<Raw>, _> = serde_saphyr::from_str_with_options(file, options);
    raw.map(|raw| Node::of(raw, file)).map_err(|error| unreadable(&error, file))
}

fn unreadable(error: &serde_saphyr::Error, file: &str) -> Failure {
    let error = error.without_snippet();
    let mut failure = Failure::new(UserMessageFormatter.format_message(error));
    let Some(at) = error.location().map(position) else { return failure };
    let line = at.line.checked_sub(1).and_then(|line| file.lines().nth(line));
    if line.is_some_and(|line| line.contains("${") && line.contains(": {")) {
        failure.message += "; within braces a variable is in quotes, as in \"${NAME}\"";
    }
    failure.at(at)
}

fn position(location: Location) -> Position {
    let number = |number| usize::try_from(number).unwrap_or_default();
    Position {
        line: number(location.line()),
        column: number(location.column()),
        offset: location.span().byte_offset().map_or(0, number),
    }
}

impl Node {
    fn of(raw: Spanned<Raw>, file: &str) -> Self {
        let Spanned { value, referenced, defined } = raw;
        let scalar = |kind, text: String| {
            let text = spelling(file, defined).map_or(text, str::to_owned);
            Value::Scalar(Scalar { text, kind, variables: None })
        };
        let value = match value {
            Raw::Null => Value::Null,
            Raw::Text(text) => Value::Scalar(Scalar { text, kind: Kind::Text, variables: None }),
            Raw::Bool(flag) => scalar(Kind::Bool(flag), flag.to_string()),
            Raw::Unsigned(number) => scalar(Kind::Unsigned(number), number.to_string()),
            Raw::Signed(number) => scalar(Kind::Signed(number), number.to_string()),
            Raw::Float(number) => scalar(Kind::Float(number), number.to_string()),
            Raw::List(items) => {
                Value::List(items.into_iter().map(|item| Self::of(item, file)).collect())
            }
            Raw::Map(entries) => {
                let entries = entries.into_iter();
                Value::Map(entries.map(|(key, value)| Entry::of(key, value, file)).collect())
            }
        };
        Self { value, at: position(referenced) }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// The items of a list, to be changed.
    pub(crate) fn items_mut(&mut self) -> &mut [Self] {
        match &mut self.value {
            Value::List(items) => items,
            _ => &mut [],
        }
    }

    /// A text, to be changed.
    pub(crate) fn text_mut(&mut self) -> Option<&mut String> {
        match &mut self.value {
            Value::Scalar(Scalar { text, kind: Kind::Text, .. }) => Some(text),
            _ => None,
        }
    }

    /// Takes a key out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index))
    }

    /// The value at the end of the way, if it is there.
    pub(crate) fn find(&self, keys: &KeyPath) -> Option<&Self> {
        keys.0.iter().try_fold(self, Self::step)
    }

    /// The last value that is there on the way.
    pub(crate) fn nearest(&self, keys: &KeyPath) -> &Self {
        let mut node = self;
        for key in &keys.0 {
            let Some(next) = node.step(key) else { break };
            node = next;
        }
        node
    }

    fn step(&self, key: &Key) -> Option<&Self> {
        match (key, &self.value) {
            (Key::Name(name), _) => self.get(name),
            (Key::Index(index), Value::List(items)) => items.get(*index),
            (Key::Index(_), _) => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }
}

impl Entry {
    fn of(key: Spanned<String>, value: Spanned<Raw>, file: &str) -> Self {
        let at = position(key.referenced);
        let mut value = Node::of(value, file);
        if !matches!(value.value, Value::Scalar(_)) {
            value.at = at;
        }
        Self { key: key.value, at, value }
    }
}

/// How a number, or true or false, is spelled: `1.10` is another text than `1.1`.
fn spelling(file: &str, location: Location) -> Option<&str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    let text = file.get(start..start.checked_add(length)?)?.trim();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
    (is_plain && !text.is_empty()).then_some(text)
}

/// A value as the parser hands it out.
enum Raw {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: DeError>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E: DeError>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(flag))
    }

    fn visit_u64<E: DeError>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Unsigned(number))
    }

    fn visit_i64<E: DeError>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Signed(number))
    }

    fn visit_f64<E: DeError>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Float(number))
    }

    fn visit_str<E: DeError>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(root: &'a Node, key: &str) -> (&'a str, usize, usize) {
        let node = root.get(key).unwrap();
        (node.text().unwrap(), node.at.line, node.at.column)
    }

    #[test]
    fn scalars_keep_their_spelling_and_their_place() {
        let root =
            parse("a: 1.10\nb: '007'\nc: 007\nd:   true\ne: no\nf: 0x1F\ng: &x 1e3\nh: *x\n");
        let root = root.unwrap();
        assert_eq!(text(&root, "a"), ("1.10", 1, 4));
        assert_eq!(text(&root, "b"), ("007", 2, 4));
        assert_eq!(text(&root, "c"), ("007", 3, 4));
        assert_eq!(text(&root, "d"), ("true", 4, 6));
        assert_eq!(text(&root, "e"), ("no", 5, 4));
        assert_eq!(text(&root, "f"), ("0x1F", 6, 4));
        assert_eq!(text(&root, "g").0, "1e3");
        assert_eq!(text(&root, "h"), ("1e3", 8, 4));
    }

    #[test]
    fn a_map_below_a_key_is_where_the_key_is() {
        let root = parse("a:\n  b:\n    - c: 1\n    - d\n").unwrap();
        let b = KeyPath::default().to("a").to("b");
        assert_eq!(root.find(&b).unwrap().at.line, 2);
        assert_eq!(root.find(&b.to(0)).unwrap().at.line, 3);
        assert_eq!(root.nearest(&b.to(1).to("x")).at.line, 4);
        assert!(root.find(&b.to(7)).is_none());
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        for (yaml, line) in
            [("a: [1\nb: 2", 2), ("a: 1\na: 2", 2), ("a: 1\n---\nb: 2", 3), ("a: *x", 1)]
        {
            let failure = parse(yaml).map(drop).unwrap_err();
            assert_eq!(failure.at.map(|at| at.line), Some(line), "{yaml}: {failure}");
            assert_eq!(failure.message.contains("in quotes"), yaml.contains('$'), "{failure}");
        }
    }
}

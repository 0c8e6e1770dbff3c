//! [pure] Lenient JSON: 0 and 1 are booleans where a type reads one, `7.0` is a whole number, and
//! an error names the place of the value that does not fit. Knows nothing of tables.

use std::{borrow::Cow, cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{kind::MAX_WHOLE, map_key::read_key};
use crate::path::Key;

/// The longest key of a path that is shown.
const LONGEST_KEY: usize = 64;

/// The path of a value that did not fit, from the inside out.
#[derive(Debug, Default)]
pub(super) struct Trace(RefCell<Vec<String>>);

impl Trace {
    fn leave_key(&self, key: &str) {
        let is_name = |c: char| c.is_alphanumeric() || "_-$@: ".contains(c);
        let is_shown = key.len() <= LONGEST_KEY && key.chars().all(is_name);
        self.0.borrow_mut().push(if is_shown { key.to_owned() } else { "…".to_owned() });
    }

    fn leave_item(&self, index: usize) {
        self.0.borrow_mut().push(index.to_string());
    }

    /// Adds the path to the error, if it is known.
    pub(super) fn told<E: Error>(&self, error: E) -> E {
        let mut keys = self.0.take();
        if keys.is_empty() {
            return error;
        }
        keys.reverse();
        let said = error.to_string();
        let (what, place) = match said.rfind(" at line ") {
            Some(at) => said.split_at(at),
            None => (said.as_str(), ""),
        };
        E::custom(format!("{what} in `{}`{place}", keys.join(".")))
    }
}

/// A deserializer, a visitor or a seed, and what is below it.
pub(super) struct Lenient<'a, T> {
    inner: T,
    trace: &'a Trace,
}

impl<'a, T> Lenient<'a, T> {
    pub(super) fn new(inner: T, trace: &'a Trace) -> Self {
        Self { inner, trace }
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $of:ty),*)),+ $(,)?) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($name: $of,)* visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$method($($name,)* Lenient::new(visitor, self.trace))
            }
        )+
    };
}

macro_rules! whole {
    ($($method:ident)+) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
                self.inner.deserialize_any(Loose { visitor, is_flag: false })
            }
        )+
    };
}

macro_rules! forward_plain {
    ($($method:ident($($name:ident: $of:ty),*)),+ $(,)?) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($name: $of,)* visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$method($($name,)* visitor)
            }
        )+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<'_, D> {
    type Error = D::Error;

    forward!(
        deserialize_any(),
        deserialize_option(),
        deserialize_seq(),
        deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
    );

    whole!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    );

    forward_plain!(
        deserialize_i128(), deserialize_u128(), deserialize_f32(), deserialize_f64(),
        deserialize_char(), deserialize_str(), deserialize_string(), deserialize_bytes(),
        deserialize_byte_buf(), deserialize_unit(), deserialize_identifier(),
        deserialize_ignored_any(),
        deserialize_unit_struct(name: &'static str),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Loose { visitor, is_flag: true })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // A value that is kept as it is written.
        if name.starts_with("$serde_json::private::") {
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! pass {
    ($($method:ident($of:ty))+) => {
        $(
            fn $method<E: Error>(self, value: $of) -> Result<V::Value, E> {
                self.inner.$method(value)
            }
        )+
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Lenient<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    pass!(
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128)
        visit_f64(f64) visit_char(char) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8])
        visit_byte_buf(Vec<u8>)
    );

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Lenient::new(inner, self.trace))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Lenient::new(inner, self.trace))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(LenientItems { items, trace: self.trace, index: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(LenientFields::new(map, self.trace, None))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(data)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lenient<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Lenient::new(inner, self.trace))
    }
}

/// A boolean, which may be 0 or 1, or a whole number, which may be written as `7.0`.
struct Loose<V> {
    visitor: V,
    is_flag: bool,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Loose<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(flag)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<V::Value, E> {
        self.visitor.visit_i64(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<V::Value, E> {
        match number {
            0 | 1 if self.is_flag => self.visitor.visit_bool(number == 1),
            number => self.visitor.visit_u64(number),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<V::Value, E> {
        if !self.is_flag && number.fract() == 0.0 && number.abs() <= MAX_WHOLE {
            return self.visitor.visit_i64(number as i64);
        }
        self.visitor.visit_f64(number)
    }
}

struct LenientItems<'a, A> {
    items: A,
    trace: &'a Trace,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for LenientItems<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let index = self.index;
        self.index += 1;
        let item = self.items.next_element_seed(Lenient::new(seed, self.trace));
        item.inspect_err(|_| self.trace.leave_item(index))
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.size_hint()
    }
}

/// A field whose value is kept as it is written, besides being read, and where it is kept.
pub(super) type Kept<'a, 'de> = Option<(&'a str, &'a mut Option<&'de RawValue>)>;

pub(super) struct LenientFields<'a, 'de, A> {
    map: A,
    trace: &'a Trace,
    kept: Kept<'a, 'de>,
    key: Cow<'de, str>,
}

impl<'a, 'de, A> LenientFields<'a, 'de, A> {
    pub(super) fn new(map: A, trace: &'a Trace, kept: Kept<'a, 'de>) -> Self {
        Self { map, trace, kept, key: Cow::Borrowed("") }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for LenientFields<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = self.map.next_key::<Key<'de>>()? else { return Ok(None) };
        self.key = key.0;
        read_key(&self.key, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = Lenient::new(seed, self.trace);
        let value = match &mut self.kept {
            Some((field, kept)) if *field == self.key => {
                let json: &'de RawValue = self.map.next_value()?;
                **kept = Some(json);
                seed.deserialize(json).map_err(A::Error::custom)
            }
            _ => self.map.next_value_seed(seed),
        };
        value.inspect_err(|_| self.trace.leave_key(&self.key))
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, de::DeserializeOwned};
    use serde_json::json;

    use super::*;

    fn read<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
        let trace = Trace::default();
        let mut json = serde_json::Deserializer::from_str(json);
        T::deserialize(Lenient::new(&mut json, &trace)).map_err(|error| trace.told(error))
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Point,
        Circle { r: f64 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        flags: Vec<Option<bool>>,
        by: BTreeMap<u8, bool>,
        shape: Vec<Shape>,
        pair: (bool, f32),
        wide: u128,
    }

    #[test]
    fn types_read_what_serde_json_reads_and_flags_of_0_and_1_besides() {
        let json = |yes: &str, no: &str| {
            format!(
                r#"{{"flags":[{yes},null,{no}],"by":{{"1":{yes},"2":{no}}},"shape":["Point",{{"Circle":{{"r":1}}}}],
                "pair":[{no},1],"wide":18446744073709551616}}"#
            )
        };
        let expected: All = serde_json::from_str(&json("true", "false")).unwrap();
        assert_eq!(read::<All>(&json("true", "false")).unwrap(), expected);
        assert_eq!(read::<All>(&json("1", "0")).unwrap(), expected);
        assert!(read::<bool>("2").is_err() && read::<bool>(r#""1""#).is_err());
        assert_eq!((read::<u8>("7.0").unwrap(), read::<i64>("-7e3").unwrap()), (7, -7000));
        assert!(read::<u8>("7.5").is_err() && read::<u8>("-7.0").is_err());
        assert!(read::<u8>("300").is_err() && read::<u64>(r#""7""#).is_err());
        let any = json!({ "a": [1, 2.5, null, true, { "b": "x" }] });
        assert_eq!(read::<serde_json::Value>(&any.to_string()).unwrap(), any);
        let raw: BTreeMap<String, Box<RawValue>> = read(r#"{"a": [1,  2]}"#).unwrap();
        assert_eq!(raw["a"].get(), "[1,  2]");
    }

    #[test]
    fn what_does_not_fit_is_told_by_where_it_is() {
        let told = |json: &str| {
            read::<BTreeMap<String, Vec<BTreeMap<String, bool>>>>(json).unwrap_err().to_string()
        };
        assert!(told(r#"{"a":[{"b":1},{"c":2}]}"#).contains("in `a.1.c` at line 1"));
        assert!(told(r#"{"a\n":2}"#).contains("in `…`"));
    }
}

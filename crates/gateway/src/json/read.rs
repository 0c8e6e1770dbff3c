//! [pure] Reads a JSON body as a CBOR value. What would be lost silently is refused: a key that
//! occurs twice, and an integer that does not fit 64 bits.

use std::{collections::HashSet, fmt};

use ciborium::Value;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::Problem;

/// Objects with more members than this are checked for doubles by a set.
const FEW: usize = 16;

/// A JSON text as a value, with arrays and objects nested at most `depth` deep.
///
/// # Errors
/// 400 if it is not JSON, and 422 if something would be lost.
pub(crate) fn parse(text: &[u8], depth: usize) -> Result<Value, Problem> {
    if text.is_empty() {
        return Err(Problem::bad_request("invalid_json", "a JSON body is required"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Nested(depth)
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            let place = format!("at line {}, column {}", error.line(), error.column());
            match error.classify() {
                serde_json::error::Category::Data => {
                    let text = error.to_string();
                    let what = text.split(" at line ").next().unwrap_or_default();
                    Problem::unprocessable("invalid_json", "the JSON body cannot be taken as it is")
                        .with_detail(format!("{what}, {place}"))
                }
                _ => Problem::bad_request("invalid_json", "the body is not JSON")
                    .with_detail(format!("the fault is {place}")),
            }
        })?;
    match long_integer(text) {
        Some(at) => {
            Err(Problem::unprocessable("invalid_json", "the JSON body cannot be taken as it is")
                .with_detail(format!(
                    "the integer at byte {at} does not fit 64 bits; send it as a text"
                )))
        }
        None => Ok(value),
    }
}

/// Where an integer begins that does not fit 64 bits: it would be read as a float, and rounded.
fn long_integer(text: &[u8]) -> Option<usize> {
    let (mut at, mut is_in_string) = (0, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if is_in_string => at += 1,
            b'"' => is_in_string = !is_in_string,
            b'0'..=b'9' | b'-' if !is_in_string => {
                let is_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let number: Vec<u8> = text.iter().skip(at).take_while(is_number).copied().collect();
                let is_integer = !number.iter().any(|byte| b".eE".contains(byte));
                if is_integer && number.len() > 18 {
                    let number = std::str::from_utf8(&number).unwrap_or_default();
                    if number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                        return Some(at);
                    }
                }
                at += number.len().saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// How many more levels there may be.
#[derive(Clone, Copy)]
struct Nested(usize);

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Nested {
    fn within<E: serde::de::Error>(self) -> Result<Self, E> {
        let inner = self.0.checked_sub(1).map(Self);
        inner.ok_or_else(|| E::custom("arrays and objects are nested too deep"))
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.within()?;
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.within()?;
        let mut all: Vec<(Value, Value)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let is_double = if all.len() < FEW {
                all.iter().any(|(other, _)| other.as_text() == Some(name.as_str()))
            } else {
                if seen.is_empty() {
                    seen.extend(
                        all.iter().filter_map(|(name, _)| name.as_text()).map(str::to_owned),
                    );
                }
                !seen.insert(name.clone())
            };
            if is_double {
                return Err(A::Error::custom("a key occurs twice in an object"));
            }
            all.push((Value::Text(name), members.next_value_seed(inner)?));
        }
        Ok(Value::Map(all))
    }
}

//! [pure] CBOR values as JSON text. Tags, bytes and numbers that JSON does not have are written as
//! Vantage presents them.

use ciborium::Value;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use vantage_types::{CborDialect, PresentationDialect, cbor_to_json};

/// Appends a value as JSON.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    // What most values are, without the machinery.
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Text(text) if is_plain(text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        value => {
            // Neither a `Vec` nor a `Cell` fails.
            let _ = serde_json::to_writer(out, &Cell(value));
        }
    }
}

/// Whether a text is written as it is. It looks at every byte, many at a time.
fn is_plain(text: &str) -> bool {
    let is_other = |b: u8| (b < b' ') | (b == b'"') | (b == b'\\');
    !text.bytes().fold(false, |has_other, byte| has_other | is_other(byte))
}

/// A value that serializes as JSON.
struct Cell<'a>(&'a Value);

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => match i128::from(*value) {
                value if i64::try_from(value).is_ok() => {
                    serializer.serialize_i64(i64::try_from(value).unwrap_or_default())
                }
                value => match u64::try_from(value) {
                    Ok(value) => serializer.serialize_u64(value),
                    Err(_) => serializer.serialize_str(&value.to_string()),
                },
            },
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(_) => serializer.serialize_unit(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Array(items) => {
                let mut all = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    all.serialize_element(&Cell(item))?;
                }
                all.end()
            }
            Value::Map(members) => {
                let mut all = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    match key {
                        Value::Text(key) => all.serialize_entry(key, &Cell(value))?,
                        key => {
                            let key = PresentationDialect.map_key_to_string(key.clone());
                            all.serialize_entry(&key, &Cell(value))?;
                        }
                    }
                }
                all.end()
            }
            other => cbor_to_json(&PresentationDialect, other.clone()).serialize(serializer),
        }
    }
}

//! [pure] Values of a record as JSON: as text with all their digits, or as the body of a write.

use ciborium::Value;
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap},
};
use serde_json::value::RawValue;
use vantage_core::{VantageError, error};
use vantage_types::Record;

use super::{kind::uuid_text, number::wide_digits};

/// The fields of a record that was read from JSON, as the text of an object.
///
/// # Errors
/// If a field holds a value without a JSON form.
pub(super) fn text_of(record: &Record<Value>) -> Result<String, VantageError> {
    let mut text = Vec::new();
    let fields = record.iter().map(|(field, value)| (field, AsJson { value, is_strict: false }));
    let written = serde_json::Serializer::new(&mut text).collect_map(fields);
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    text.ok_or_else(|| error!("a value of the row has no form in JSON"))
}

/// One value as JSON; `None` if it has no JSON form. A UUID is its text.
pub(super) fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(_) => uuid_text(value).map(|text| serde_json::Value::from(text).to_string()),
        value => serde_json::to_string(&AsJson { value, is_strict: false }).ok(),
    }
}

/// One value as any reader of JSON takes it.
///
/// # Errors
/// Why it has no such form.
pub(super) fn to_value(value: &Value) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(AsJson { value, is_strict: true })
}

const NO_TYPE: &str = "a value has no form in JSON unless the column's type is declared";

struct AsJson<'a> {
    value: &'a Value,
    /// Whether integers beyond 64 bits, and addresses as their bytes, have no form.
    is_strict: bool,
}

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_strict = self.is_strict;
        let below = |value| AsJson { value, is_strict };
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Integer(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                _ if is_strict => Err(S::Error::custom("an integer is beyond 64 bits")),
                _ => serializer.serialize_i128((*number).into()),
            },
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Float(_) => Err(S::Error::custom("JSON has no number that is not finite")),
            // RFC 8949 section 3.4.1: a date as text.
            Value::Tag(0, date) if date.is_text() => below(date).serialize(serializer),
            Value::Array(values) => serializer.collect_seq(values.iter().map(below)),
            Value::Map(fields) if is_strict && is_address(fields) => Err(S::Error::custom(NO_TYPE)),
            Value::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    let no_text = || S::Error::custom("a key of an object is not text");
                    map.serialize_entry(key.as_text().ok_or_else(no_text)?, &below(value))?;
                }
                map.end()
            }
            value => {
                let digits = wide_digits(value).filter(|_| !is_strict);
                let digits = digits.and_then(|digits| RawValue::from_string(digits).ok());
                digits.ok_or_else(|| S::Error::custom(NO_TYPE))?.serialize(serializer)
            }
        }
    }
}

/// Whether this is serde's form of an `IpAddr` in CBOR.
fn is_address(fields: &[(Value, Value)]) -> bool {
    let [(version, Value::Array(bytes))] = fields else { return false };
    matches!((version.as_text(), bytes.len()), (Some("V4"), 4) | (Some("V6"), 16))
}

#[cfg(test)]
mod tests {
    use super::{super::number::exact, *};

    #[test]
    fn every_digit_is_written() {
        let wide = exact("-18446744073709551616").unwrap();
        let nested = Value::Map(vec![("a".into(), Value::Array(vec![wide, 0.5.into()]))]);
        let record =
            Record::from_iter([("n".to_owned(), u64::MAX.into()), ("o".to_owned(), nested)]);
        let expected = r#"{"n":18446744073709551615,"o":{"a":[-18446744073709551616,0.5]}}"#;
        assert_eq!(text_of(&record).unwrap(), expected);
        let bytes = Record::from_iter([("n".to_owned(), Value::Bytes(vec![1]))]);
        assert!(text_of(&bytes).is_err());
    }
}

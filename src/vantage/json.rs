//! [pure] Values of a record as JSON text, with all their digits.

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
    serde_json::to_string(&Object(record))
        .map_err(|_| error!("a value of the row has no form in JSON"))
}

/// One value as JSON; `None` if it has no JSON form. A UUID is its text.
pub(super) fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(_) => uuid_text(value).map(|text| serde_json::Value::from(text).to_string()),
        value => serde_json::to_string(&AsJson(value)).ok(),
    }
}

struct Object<'a>(&'a Record<Value>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, value)| (field, AsJson(value))))
    }
}

struct AsJson<'a>(&'a Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Integer(number) => serializer.serialize_i128((*number).into()),
            Value::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Value::Tag(0, date) if date.is_text() => AsJson(date).serialize(serializer),
            Value::Array(values) => serializer.collect_seq(values.iter().map(AsJson)),
            Value::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    let key = key.as_text().ok_or_else(|| S::Error::custom("a key is no text"))?;
                    map.serialize_entry(key, &AsJson(value))?;
                }
                map.end()
            }
            value => {
                let digits =
                    wide_digits(value).and_then(|digits| RawValue::from_string(digits).ok());
                digits.ok_or_else(|| S::Error::custom("no form in JSON"))?.serialize(serializer)
            }
        }
    }
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

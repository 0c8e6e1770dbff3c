//! [pure] From a JSON object to a record in one pass, and the id of a row.

use std::fmt;

use ciborium::Value;
use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use vantage_types::Record;

use crate::pager::ItemDecoder;

/// A row as the server sent it.
#[derive(Debug)]
pub(super) struct Row {
    /// The text of its id, when it has a usable one.
    pub(super) id: Option<String>,
    pub(super) record: Record<Value>,
}

/// Reads rows of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct RowDecoder {
    id_field: Option<String>,
    /// The columns declared as floats.
    floats: Vec<String>,
}

impl RowDecoder {
    /// For rows with their id in `id_field`; `columns` gives the name and the
    /// Rust type name of each declared column.
    pub(super) fn new<'a>(
        id_field: Option<String>,
        columns: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let is_float = |kind: &str| {
            matches!(kind.trim_end_matches('>').rsplit(['<', ':']).next(), Some("f64" | "f32"))
        };
        let floats = columns
            .into_iter()
            .filter(|(_, kind)| is_float(kind))
            .map(|(name, _)| name.to_owned())
            .collect();
        Self { id_field, floats }
    }
}

impl ItemDecoder for RowDecoder {
    type Item = Row;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Row, D::Error> {
        let mut record = deserializer.deserialize_map(Fields)?;
        for field in &self.floats {
            if let Some(value) = record.get_mut(field)
                && let Value::Integer(number) = value
            {
                *value = Value::Float(i128::from(*number) as f64);
            }
        }
        let id = self.id_field.as_ref().and_then(|field| id_text(record.get(field)?));
        Ok(Row { id, record })
    }
}

/// The fields of an object, in its own order.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Record<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Record<Value>, M::Error> {
        let mut record = Record::with_capacity(map.size_hint().unwrap_or(8));
        while let Some((field, value)) = map.next_entry::<String, Value>()? {
            record.insert(field, value);
        }
        Ok(record)
    }
}

/// The text of an id: a text that is not empty, an integer or a boolean.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Integer(number) => Some(i128::from(*number).to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Row, serde_json::Error> {
        let columns = [
            ("area", "f64"),
            ("share", "core::option::Option<f32>"),
            ("population", "i64"),
            ("name", "alloc::string::String"),
        ];
        let decoder = RowDecoder::new(Some("id".into()), columns);
        decoder.decode(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn an_object_becomes_a_record_in_its_own_order() {
        let row = read(r#"{"z":null,"id":7,"a":{"b":[true,"x",-1,0.5]}}"#).unwrap();
        assert_eq!(row.id.as_deref(), Some("7"));
        assert_eq!(row.record.keys().collect::<Vec<_>>(), ["z", "id", "a"]);
        let list = vec![true.into(), "x".into(), (-1).into(), Value::Float(0.5)];
        assert_eq!(row.record["a"], Value::Map(vec![("b".into(), Value::Array(list))]));
    }

    #[test]
    fn integers_keep_their_digits() {
        let row =
            read(r#"{"a":18446744073709551615,"b":9007199254740993,"c":-9223372036854775808}"#)
                .unwrap();
        assert_eq!(row.record["a"], Value::from(u64::MAX));
        assert_eq!(row.record["b"], Value::from(9_007_199_254_740_993_u64));
        assert_eq!(row.record["c"], Value::from(i64::MIN));
    }

    #[test]
    fn a_whole_number_in_a_float_column_is_a_float() {
        let row = read(r#"{"area":7,"share":8,"population":9,"name":null}"#).unwrap();
        assert_eq!(row.record["area"], Value::Float(7.0));
        assert_eq!(row.record["share"], Value::Float(8.0));
        assert_eq!(row.record["population"], Value::from(9));
    }

    #[test]
    fn an_id_is_a_text_an_integer_or_a_boolean() {
        for (json, id) in [
            (r#"{"id":"x"}"#, Some("x")),
            (r#"{"id":18446744073709551615}"#, Some("18446744073709551615")),
            (r#"{"id":false}"#, Some("false")),
            (r#"{"id":""}"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"id":[1]}"#, None),
            (r#"{"id":1.5}"#, None),
            ("{}", None),
        ] {
            assert_eq!(read(json).unwrap().id.as_deref(), id, "{json}");
        }
    }

    #[test]
    fn a_row_that_is_no_object_is_an_error_that_says_so() {
        for json in ["7", "null", "[]", r#""x""#] {
            let error = read(json).unwrap_err();
            assert!(error.to_string().contains("expected a row"), "{error}");
        }
    }
}

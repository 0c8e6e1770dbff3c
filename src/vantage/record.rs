//! [pure] From a JSON object to a record in one pass, and the id of a row.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ciborium::Value;
use serde::{
    Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use vantage_types::Record;

use super::columns::Columns;
use crate::pager::ItemDecoder;

/// Room for more fields than this is made as they come.
const MOST_FIELDS: usize = 64;

/// A row with the columns of its table, before [`Columns::finish`].
#[derive(Debug)]
pub(super) struct Row<T = Record<Value>> {
    /// The text of its id, when it has a usable one.
    pub(super) id: Option<String>,
    pub(super) record: T,
}

/// Reads rows of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct RowDecoder {
    columns: Columns,
    /// How many fields the last row had: most rows of a table have as many.
    width: Arc<AtomicUsize>,
}

impl RowDecoder {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns, width: Arc::default() }
    }
}

impl ItemDecoder for RowDecoder {
    type Item = Row;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Row, D::Error> {
        let width = self.width.load(Ordering::Relaxed);
        let fields = Fields { exact: self.columns.exact().collect(), width };
        let mut record = deserializer.deserialize_map(fields)?;
        self.width.store(record.len().min(MOST_FIELDS), Ordering::Relaxed);
        self.columns.lift(&mut record);
        let id = self.columns.id().and_then(|column| id_text(record.get(column)?));
        Ok(Row { id, record })
    }
}

/// The fields of an object, in its own order. Numbers at the `exact` paths, from the
/// object down, are the text of their digits.
struct Fields<'a> {
    exact: Vec<&'a [String]>,
    /// How many there may be.
    width: usize,
}

impl<'a> Fields<'a> {
    /// What is exact below `field`.
    fn below(&self, field: &str) -> Fields<'a> {
        let below = |path: &&'a [String]| path.split_first().filter(|(first, _)| *first == field);
        let exact = self.exact.iter().filter_map(below).map(|(_, rest)| rest).collect();
        Fields { exact, width: 0 }
    }

    fn value(self, json: &RawValue) -> Result<Value, serde_json::Error> {
        let text = json.get();
        let is_exact = self.exact.iter().any(|path| path.is_empty());
        match text.as_bytes() {
            [b'-' | b'0'..=b'9', ..] if is_exact => Ok(Value::from(text)),
            [b'{', ..] => {
                let fields = serde_json::Deserializer::from_str(text).deserialize_map(self)?;
                Ok(fields.into())
            }
            _ => serde_json::from_str(text),
        }
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Record<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Record<Value>, M::Error> {
        let mut record = Record::with_capacity(self.width);
        while let Some(field) = map.next_key::<String>()? {
            let below = self.below(&field);
            let value = if below.exact.is_empty() {
                map.next_value()?
            } else {
                let json: &RawValue = map.next_value()?;
                below.value(json).map_err(M::Error::custom)?
            };
            record.insert(field, value);
        }
        Ok(record)
    }
}

/// The text of an id: a text that is not empty, an integer or a boolean.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Integer(number) => Some(match u64::try_from(*number) {
            Ok(number) => number.to_string(),
            Err(_) => i128::from(*number).to_string(),
        }),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    fn read(json: &str) -> Result<Row, serde_json::Error> {
        let columns = [
            ("area", "f64"),
            ("share", "core::option::Option<f32>"),
            ("population", "i64"),
            ("name", "alloc::string::String"),
            ("price", "rust_decimal::decimal::Decimal"),
            ("fee", "core::option::Option<rust_decimal::decimal::Decimal>"),
        ];
        let aliases = IndexMap::from([("price".into(), "offer.price".into())]);
        let columns = Columns::new(Some("id".into()), columns, &aliases).unwrap();
        let decoder = RowDecoder::new(columns);
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
    fn a_decimal_keeps_its_digits_wherever_it_is() {
        let row = read(
            r#"{"fee":0.10,"offer":{"price":-12345678901234567890.123456789,"x":{"y":1.50}}}"#,
        );
        let row = row.unwrap();
        assert_eq!(row.record["fee"], Value::from("0.10"));
        assert_eq!(row.record["price"], Value::from("-12345678901234567890.123456789"));
        let x = Value::Map(vec![("y".into(), 1.5.into())]);
        assert_eq!(row.record["offer"], Value::Map(vec![("x".into(), x)]));
        for (json, fee) in [
            ("null", Value::Null),
            ("\"1.0\"", "1.0".into()),
            ("[1]", Value::Array(vec![1.into()])),
        ] {
            assert_eq!(read(&format!("{{\"fee\":{json}}}")).unwrap().record["fee"], fee);
        }
        assert!(read(r#"{"fee":1.}"#).is_err());
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

//! [pure] Turns a JSON object into a record in one pass, and finds the id of a row. An object with
//! numbers whose digits CBOR may lose is read again, from its text.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ciborium::Value;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use vantage_types::Record;

use super::{
    columns::Columns,
    number::{Number, exact, wide_digits},
};
use crate::{
    error::{Error as CallError, ErrorKind},
    pager::{Envelope, ItemDecoder, decode_item, decode_only_item},
    response::Response,
};

/// From this value on a float may be an integer beyond 64 bits.
const WIDE: f64 = 9_223_372_036_854_775_808.0;

/// Capacity for at most this many fields is reserved in advance.
const MOST_FIELDS: usize = 64;

/// A row with the columns of its table, before [`Columns::finish`].
#[derive(Debug)]
pub(super) struct Row<T = Record<Value>> {
    /// The text of its id, if it has a usable one.
    pub(super) id: Option<String>,
    pub(super) record: T,
    /// Whether its numbers may lack digits.
    pub(super) is_inexact: bool,
}

/// Reads rows of one table.
#[derive(Clone, Debug, Default)]
pub(super) struct RowDecoder {
    columns: Columns,
    /// How many fields the last row had: most rows of a table have the same number.
    width: Arc<AtomicUsize>,
    /// Whether integers beyond 64 bits stay numbers if no column declares them.
    keeps_wide: bool,
}

impl RowDecoder {
    /// The row that the API returns alone as `id`.
    ///
    /// # Errors
    /// Those of [`decode_item`].
    pub(super) fn single(
        &self,
        envelope: &Envelope,
        response: &Response,
        id: &str,
    ) -> Result<Row, CallError> {
        if envelope.extraction().is_some() {
            let only = decode_only_item(self, envelope, response);
            return only.ok_or_else(|| {
                let what = "the page at the endpoint of one item has none, or several";
                CallError::new(ErrorKind::Decode, what).with_response(response.without_body())
            });
        }
        match decode_item(self, envelope, response) {
            Ok(row) if row.id.is_some() => Ok(row),
            // Some APIs respond with a page that lists one item.
            row => decode_only_item(self, envelope, response)
                .filter(|only| only.id.as_ref().is_some_and(|own| own == id))
                .map_or(row, Ok),
        }
    }

    pub(super) fn new(columns: Columns) -> Self {
        Self { columns, width: Arc::default(), keeps_wide: false }
    }

    /// For rows that a type reads from the JSON of their records.
    pub(super) fn keeping_wide(self) -> Self {
        Self { keeps_wide: true, ..self }
    }
}

impl ItemDecoder for RowDecoder {
    type Item = Row;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Row, D::Error> {
        let width = self.width.load(Ordering::Relaxed);
        let has_wide = Cell::new(false);
        let exact = self.columns.exact().collect();
        let fields = RowFields { exact, id: None, width, has_wide: Some(&has_wide) };
        let mut record = deserializer.deserialize_map(fields)?;
        self.width.store(record.len().min(MOST_FIELDS), Ordering::Relaxed);
        self.columns.lift(&mut record);
        let own = self.columns.id().and_then(|column| record.get(column));
        let may_lack = || matches!(own, Some(Value::Float(_))) && self.columns.id_path().is_some();
        let is_inexact = has_wide.get() || may_lack();
        let id = own.and_then(id_text);
        Ok(Row { id, record, is_inexact })
    }

    fn is_inexact(&self, row: &Row) -> bool {
        row.is_inexact
    }

    fn decode_exactly(&self, text: &str) -> Result<Row, serde_json::Error> {
        let (exact, id) = (self.columns.exact().collect(), self.columns.id_path());
        let fields = RowFields { exact, id, width: 0, has_wide: None };
        let mut record = serde_json::Deserializer::from_str(text).deserialize_map(fields)?;
        self.columns.lift(&mut record);
        for (column, value) in &mut record {
            if !self.keeps_wide && !self.columns.is_lifted(column) {
                as_text(value);
            }
        }
        let id = self.columns.id().and_then(|column| id_text(record.get(column)?));
        Ok(Row { id, record, is_inexact: false })
    }
}

/// The fields of an object, in its own order. Numbers at the `exact` paths, from the object down,
/// are the text of their digits.
struct RowFields<'a> {
    exact: Vec<&'a [String]>,
    /// The path of the id, which is text if it would lose digits: only where all are kept.
    id: Option<&'a [String]>,
    /// The expected number of fields.
    width: usize,
    /// Where it is noted that a number may have more digits than its value. Without it integers
    /// keep all of theirs, and every value is read from its text.
    has_wide: Option<&'a Cell<bool>>,
}

impl<'a> RowFields<'a> {
    /// The exact paths below `field`, and that of the id.
    fn below(&self, field: &str) -> RowFields<'a> {
        let rest = |path: &&'a [String]| {
            path.split_first().filter(|(first, _)| *first == field).map(|(_, rest)| rest)
        };
        let exact = self.exact.iter().filter_map(rest).collect();
        RowFields { exact, id: self.id.as_ref().and_then(rest), width: 0, has_wide: self.has_wide }
    }

    fn value(self, text: &str) -> Result<Value, serde_json::Error> {
        let is_here = |path: &&[String]| path.is_empty();
        let mut json = serde_json::Deserializer::from_str(text);
        match (text.as_bytes(), self.has_wide) {
            ([b'-' | b'0'..=b'9', ..], _) if self.exact.iter().any(is_here) => Ok(text.into()),
            ([b'{', ..], _) => json.deserialize_map(self).map(Into::into),
            (_, Some(has_wide)) => Plain(has_wide).deserialize(&mut json),
            ([b'-' | b'0'..=b'9', ..], None) if self.id.as_ref().is_some_and(is_here) => {
                Ok(id_value(text))
            }
            ([b'-' | b'0'..=b'9', ..], None) => {
                exact(text).ok_or_else(|| serde_json::Error::custom("number out of range"))
            }
            ([b'[', ..], None) => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let item = || RowFields { exact: vec![], id: None, width: 0, has_wide: None };
                let values = items.into_iter().map(|json| item().value(json.get()));
                values.collect::<Result<_, _>>().map(Value::Array)
            }
            _ => Value::deserialize(&mut json),
        }
    }
}

impl<'de> Visitor<'de> for RowFields<'_> {
    type Value = Record<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Record<Value>, M::Error> {
        let mut record = Record::with_capacity(self.width);
        while let Some(field) = map.next_key::<String>()? {
            let below = self.below(&field);
            let value = match below.has_wide {
                Some(has_wide) if below.exact.is_empty() => map.next_value_seed(Plain(has_wide))?,
                _ => {
                    let json: &RawValue = map.next_value()?;
                    below.value(json.get()).map_err(M::Error::custom)?
                }
            };
            record.insert(field, value);
        }
        Ok(record)
    }
}

/// Any value, in the order it comes, and whether a number in it may have more digits.
#[derive(Clone, Copy)]
struct Plain<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Plain<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.abs() >= WIDE {
            self.0.set(true);
        }
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            fields.push((Value::Text(key), map.next_value_seed(self)?));
        }
        Ok(Value::Map(fields))
    }
}

/// The value of an id that is a number: the text of its digits if a value would lose any.
fn id_value(text: &str) -> Value {
    let (number, value) = (Number::parse(text), exact(text));
    match (value, number) {
        // Wide integers become text later, like any others.
        (Some(value), Some(number)) if id_text(&value).is_some_and(|id| id == number.plain()) => {
            value
        }
        (_, Some(number)) => number.plain().into(),
        (_, None) => text.into(),
    }
}

/// Turns integers beyond 64 bits into text.
fn as_text(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(as_text),
        Value::Map(fields) => fields.iter_mut().for_each(|(_, value)| as_text(value)),
        value => {
            if let Some(digits) = wide_digits(value) {
                *value = digits.into();
            }
        }
    }
}

/// The text of an id in JSON, if it is a valid id.
pub(super) fn id_of_json(json: &str) -> Option<String> {
    match json.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Number::parse(json).map(|number| number.plain()),
        _ => id_text(&Value::deserialize(&mut serde_json::Deserializer::from_str(json)).ok()?),
    }
}

/// The text of an id: a string that is not empty, a number or a boolean. A number has one
/// canonical form: `1e0`, `1.0` and `1` are `1`, `-0` is `0`.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Integer(number) => Some(match u64::try_from(*number) {
            Ok(number) => number.to_string(),
            Err(_) => i128::from(*number).to_string(),
        }),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Float(number) => Number::parse(&number.to_string()).map(|number| number.plain()),
        value => wide_digits(value),
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
        decoder.decode_whole(json)
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
    fn an_id_is_a_text_a_number_or_a_boolean() {
        for (json, id) in [
            (r#"{"id":"x"}"#, Some("x")),
            (r#"{"id":18446744073709551615}"#, Some("18446744073709551615")),
            (r#"{"id":false}"#, Some("false")),
            (r#"{"id":""}"#, None),
            (r#"{"id":null}"#, None),
            (r#"{"id":[1]}"#, None),
            (r#"{"id":1.5}"#, Some("1.5")),
            (r#"{"id":1e0}"#, Some("1")),
            (r#"{"id":-0}"#, Some("0")),
            (r#"{"id":18446744073709551616}"#, Some("18446744073709551616")),
            (r#"{"id":0.12345678901234567891}"#, Some("0.12345678901234567891")),
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

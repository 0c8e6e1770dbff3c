//! [pure] Bodies of writes, and what their answers say of the row.

use ciborium::Value;
use http::header;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value as Json, value::RawValue};
use vantage_core::{VantageError, error};
use vantage_types::Record;

use crate::{
    http::Response,
    pager::{Envelope, ItemDecoder, decode_item},
    vantage::record::{Row, RowDecoder},
};

/// The body that holds an item with these fields, under `key` if there is one.
///
/// # Errors
/// Those of [`json_of`].
pub(super) fn body(item: &Record<Value>, key: Option<&str>) -> Result<Json, VantageError> {
    let item = json_of(item)?;
    Ok(match key {
        Some(key) => Json::Object(Map::from_iter([(key.to_owned(), item)])),
        None => item,
    })
}

/// The JSON object with these fields.
///
/// # Errors
/// `IncorrectUsage` that names the field, when it holds what JSON cannot.
fn json_of(item: &Record<Value>) -> Result<Json, VantageError> {
    let mut fields = Map::with_capacity(item.len());
    for (field, value) in item {
        let value = json(value).map_err(|what| error!(what, field = field).mark_incorrect_usage());
        fields.insert(field.clone(), value?);
    }
    Ok(Json::Object(fields))
}

const NO_TYPE: &str = "a value has no form in JSON unless the column's type is declared";

fn json(value: &Value) -> Result<Json, &'static str> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => {
            let number = i128::from(*number);
            let small = i64::try_from(number).map(Json::from);
            small
                .or_else(|_| u64::try_from(number).map(Json::from))
                .map_err(|_| "an integer is beyond 64 bits")?
        }
        Value::Float(number) => {
            Number::from_f64(*number).ok_or("JSON has no number that is not finite")?.into()
        }
        // RFC 8949 section 3.4.1: a date as text.
        Value::Tag(0, date) if date.is_text() => json(date)?,
        Value::Array(values) => Json::Array(values.iter().map(json).collect::<Result<_, _>>()?),
        Value::Map(fields) if is_address(fields) => return Err(NO_TYPE),
        Value::Map(fields) => {
            let mut object = Map::with_capacity(fields.len());
            for (key, value) in fields {
                let key = key.as_text().ok_or("a key of an object is no text")?;
                object.insert(key.to_owned(), json(value)?);
            }
            Json::Object(object)
        }
        _ => return Err(NO_TYPE),
    })
}

/// Whether this is what serde makes of an `IpAddr` in CBOR.
fn is_address(fields: &[(Value, Value)]) -> bool {
    let [(version, Value::Array(bytes))] = fields else { return false };
    matches!((version.as_text(), bytes.len()), (Some("V4"), 4) | (Some("V6"), 16))
}

/// The row that an answer holds: under `key` if there is one, or as an item endpoint
/// hands it out. `None` when the answer holds no row.
pub(super) fn row(
    decoder: &RowDecoder,
    envelope: &Envelope,
    key: Option<&str>,
    response: &Response,
) -> Option<Row> {
    let under = |key: &str| {
        let fields: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_slice(response.body()).ok()?;
        decoder.decode_whole(fields.get(key)?.get()).ok()
    };
    key.and_then(under).or_else(|| decode_item(decoder, envelope, response).ok())
}

/// The id in the `Location` of an answer: its last segment, decoded (RFC 9110 section 10.2.2).
pub(super) fn located(response: &Response) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let path = location.split(['?', '#']).next()?;
    // The authority of a URL without a path is no id.
    let path = path
        .split_once("://")
        .map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let last = path.trim_end_matches('/').rsplit('/').next()?;
    let id = percent_decode_str(last).decode_utf8().ok()?;
    (!id.is_empty()).then(|| id.into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::{HeaderValue, StatusCode};
    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use crate::vantage::columns::Columns;

    fn sent(value: impl Into<Value>) -> Result<Json, VantageError> {
        body(&Record::from_iter([("n".to_owned(), value.into())]), None)
    }

    #[test]
    fn what_json_has_is_sent_as_it_is() {
        for value in [
            json!(null),
            json!(true),
            json!(-7),
            json!(u64::MAX),
            json!(0.5),
            json!("é"),
            json!([1, { "a": null }]),
            json!({ "V4": [1, 2, 3] }),
        ] {
            assert_eq!(sent(Value::serialized(&value).unwrap()).unwrap(), json!({ "n": value }));
        }
        let date = Value::Tag(0, Box::new("2024-01-01T00:00:00Z".into()));
        assert_eq!(sent(date).unwrap(), json!({ "n": "2024-01-01T00:00:00Z" }));
        let item = Record::from_iter([("n".to_owned(), 7.into())]);
        assert_eq!(body(&item, Some("row")).unwrap(), json!({ "row": { "n": 7 } }));
    }

    #[test]
    fn what_json_cannot_hold_is_refused_and_the_field_named() {
        let address = Value::serialized(&IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        for value in [
            Value::Bytes(vec![0; 16]),
            Value::Float(f64::NAN),
            Value::Float(f64::INFINITY),
            Value::Tag(1, Box::new(7.into())),
            Value::Map(vec![(1.into(), 2.into())]),
            Value::Array(vec![Value::Bytes(vec![])]),
            Value::from(ciborium::value::Integer::try_from(i128::from(i64::MIN) - 1).unwrap()),
            address,
        ] {
            let error = sent(value.clone()).unwrap_err();
            assert!(error.is_incorrect_usage(), "{value:?}");
            assert!(error.context["field"].contains('n'), "{error}");
        }
    }

    #[test]
    fn an_id_is_the_last_segment_of_the_location() {
        for (location, id) in [
            ("/rows/7", Some("7")),
            ("http://host/v1/rows/a%2Fb%20c?x=1#y", Some("a/b c")),
            ("7", Some("7")),
            ("/rows/7/", Some("7")),
            ("http://host", None),
            ("http://host/", None),
            ("/", None),
            ("/rows/%ff", None),
        ] {
            let mut response = Response::new(StatusCode::CREATED, "");
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
            assert_eq!(located(&response).as_deref(), id, "{location}");
        }
        assert_eq!(located(&Response::new(StatusCode::CREATED, "")), None);
    }

    #[test]
    fn a_row_is_found_bare_or_wrapped() {
        let columns = Columns::new(Some("id".into()), [], &IndexMap::new()).unwrap();
        let id = |key: Option<&str>, body: &'static str| {
            let response = Response::new(StatusCode::OK, body);
            row(&RowDecoder::new(columns.clone()), &Envelope::default(), key, &response)?.id
        };
        assert_eq!(id(None, r#"{"id":7}"#).as_deref(), Some("7"));
        assert_eq!(id(None, r#"{"data":{"id":7}}"#).as_deref(), Some("7"));
        assert_eq!(id(Some("row"), r#"{"row":{"id":7}}"#).as_deref(), Some("7"));
        assert_eq!(id(Some("row"), r#"{"id":7}"#).as_deref(), Some("7"));
        for none in ["", "OK", "[]", "{}", r#"{"row":{"id":7}}"#] {
            assert_eq!(id(None, none), None, "{none}");
        }
    }
}

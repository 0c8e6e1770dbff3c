//! [pure] Bodies of writes: which parts of a row are sent, and where they are in the body.

use ciborium::Value;
use serde_json::{Map, Value as Json};
use vantage_core::{VantageError, error};
use vantage_types::Record;

use crate::vantage::{alias, json::to_value, settings::Writes};

/// Where a body has the row and its id, and what else it contains.
#[derive(Debug, Default, PartialEq)]
pub(super) struct BodyLayout {
    /// Keys down to the row; empty if the body is the row.
    pub(super) row: Vec<String>,
    id: Option<Vec<String>>,
    members: Vec<(Vec<String>, Json)>,
}

impl BodyLayout {
    /// # Errors
    /// `IncorrectUsage` that names the path, if it has an empty key.
    pub(super) fn of(writes: &Writes) -> Result<Self, VantageError> {
        let path = |text: &String| {
            let unusable = || {
                let what = "a path into the body of writes has an empty key";
                error!(what, path = text).mark_incorrect_usage()
            };
            alias::parse(text).ok_or_else(unusable)
        };
        let members = writes.members.iter();
        writes.etag_at.as_ref().map(path).transpose()?;
        Ok(Self {
            row: writes.wrapped_in.as_ref().map(path).transpose()?.unwrap_or_default(),
            id: writes.id_at.as_ref().map(path).transpose()?,
            members: members
                .map(|(text, value)| Ok((path(text)?, value.clone())))
                .collect::<Result<_, VantageError>>()?,
        })
    }

    /// Whether the id has its own path.
    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The body with `item`, and with `id` at its own path if it has one.
    ///
    /// # Errors
    /// Those of [`json_of`], and `IncorrectUsage` that names the member of the body for
    /// which the row has another value.
    pub(super) fn body(
        &self,
        item: &Record<Value>,
        id: Option<&Value>,
    ) -> Result<Json, VantageError> {
        let mut body = Json::Null;
        put(&mut body, &self.row, &json_of(item)?)?;
        if let (Some(path), Some(id)) = (&self.id, id) {
            put(&mut body, path, &field("id", id)?)?;
        }
        for (path, value) in &self.members {
            put(&mut body, path, value)?;
        }
        Ok(body)
    }
}

/// Puts `value` at `path`, creating objects as needed.
fn put(body: &mut Json, path: &[String], value: &Json) -> Result<(), VantageError> {
    let mut whole = value.clone();
    for key in path.iter().rev() {
        whole = Json::Object(Map::from_iter([(key.clone(), whole)]));
    }
    if merge(body, whole) {
        return Ok(());
    }
    let what = "the row has another value where the body of writes has a fixed one";
    Err(error!(what, member = path.join(".")).mark_incorrect_usage())
}

/// Merges `value` into the existing value; false if that is different.
fn merge(place: &mut Json, value: Json) -> bool {
    match (place, value) {
        (Json::Object(place), Json::Object(value)) => value
            .into_iter()
            .all(|(key, value)| merge(place.entry(key).or_insert(Json::Null), value)),
        (place, value) if place.is_null() => {
            *place = value;
            true
        }
        (place, value) => *place == value,
    }
}

/// The JSON object with these fields.
///
/// # Errors
/// `IncorrectUsage` that names the field, if it holds a value without a JSON form.
pub(in crate::vantage) fn json_of(item: &Record<Value>) -> Result<Json, VantageError> {
    let fields = item.iter().map(|(name, value)| Ok((name.clone(), field(name, value)?)));
    fields.collect::<Result<Map<_, _>, _>>().map(Json::Object)
}

fn field(name: &str, value: &Value) -> Result<Json, VantageError> {
    to_value(value).map_err(|what| error!(what.to_string(), field = name).mark_incorrect_usage())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::json;

    use super::*;

    fn sent(value: impl Into<Value>) -> Result<Json, VantageError> {
        BodyLayout::default().body(&Record::from_iter([("n".to_owned(), value.into())]), None)
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
    fn a_row_its_id_and_what_is_fixed_each_have_their_place() {
        let item = Record::from_iter([("n".to_owned(), 7.into())]);
        let body = |writes: &Writes, id: Option<&str>| {
            BodyLayout::of(writes).unwrap().body(&item, id.map(Value::from).as_ref())
        };
        let writes = Writes::rest().wrapped_in("row");
        assert_eq!(body(&writes, Some("1")).unwrap(), json!({ "row": { "n": 7 } }));
        let writes = Writes::rest().wrapped_in("d.a").id_at("d.id").member("d.type", "t");
        let whole = json!({ "d": { "a": { "n": 7 }, "id": "1", "type": "t" } });
        assert_eq!(body(&writes, Some("1")).unwrap(), whole);
        assert_eq!(body(&writes, None).unwrap(), json!({ "d": { "a": { "n": 7 }, "type": "t" } }));
        for (path, value, fits) in [
            ("n", json!(7), true),
            ("n", json!(8), false),
            ("n.x", json!(7), false),
            ("m", json!({}), true),
        ] {
            let body = body(&Writes::rest().member(path, value), None);
            assert_eq!(body.is_ok(), fits, "{path}");
            assert!(body.is_ok_and(|body| body["n"] == 7) || !fits);
        }
    }
}

//! [pure] Deserializes a JSON object straight into a type, and picks up the id of the row.

use std::{fmt, marker::PhantomData};

use ciborium::Value;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::value::RawValue;
use vantage_core::{VantageError, error};
use vantage_types::Record;

use super::{
    columns::Columns,
    json::text_of,
    lenient::{Kept, LenientFields, Trace},
    record::{Row, RowDecoder, id_of_json},
};
use crate::{pager::ItemDecoder, response::Mismatch};

/// Reads rows of one table as `E`.
pub(super) struct EntityDecoder<E> {
    columns: Columns,
    rows: RowDecoder,
    entity: PhantomData<fn() -> E>,
}

impl<E> EntityDecoder<E> {
    pub(super) fn new(columns: Columns) -> Self {
        Self { rows: RowDecoder::new(columns.clone()).keeping_wide(), columns, entity: PhantomData }
    }
}

impl<E: DeserializeOwned + Send + 'static> ItemDecoder for EntityDecoder<E> {
    type Item = Row<E>;

    fn decode<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<Row<E>, D::Error> {
        if self.columns.is_as_sent() {
            let (record, id) = entity(deserializer, self.columns.id())?;
            return Ok(Row { id, record, is_inexact: false });
        }
        let json = <&RawValue>::deserialize(deserializer)?;
        let read = || {
            let Row { id, record, .. } = self.rows.decode_whole(json.get())?;
            let text = text_of(&record).map_err(serde_json::Error::custom)?;
            let record = entity(&mut serde_json::Deserializer::from_str(&text), None)?.0;
            Ok(Row { id, record, is_inexact: false })
        };
        read().map_err(|error: serde_json::Error| D::Error::custom(error))
    }
}

/// The entity of the finished row `id`.
pub(super) fn from_record<E: DeserializeOwned>(
    columns: &Columns,
    id: &str,
    mut record: Record<Value>,
) -> Result<E, VantageError> {
    columns.unfinish(&mut record);
    let text = text_of(&record)?;
    let read = entity(&mut serde_json::Deserializer::from_str(&text), None);
    read.map(|(entity, _)| entity).map_err(|source| {
        let why = Mismatch::from(source).to_string();
        error!("a row does not fit the entity", id = id, why = why)
    })
}

/// An entity, and the text of its id in `column`.
fn entity<'de, E: Deserialize<'de>, D: Deserializer<'de>>(
    json: D,
    column: Option<&str>,
) -> Result<(E, Option<String>), D::Error> {
    let (mut id, trace) = (None, Trace::default());
    let kept = column.map(|column| (column, &mut id));
    let entity = E::deserialize(TopLevel { inner: json, trace: &trace, kept });
    let entity = entity.map_err(|error| trace.told(error))?;
    Ok((entity, id.and_then(|json: &RawValue| id_of_json(json.get()))))
}

/// The deserializer of a row, which is an object whatever its type, and its visitor.
struct TopLevel<'a, 'de, T> {
    inner: T,
    trace: &'a Trace,
    kept: Kept<'a, 'de>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for TopLevel<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, trace, kept } = self;
        inner.deserialize_map(TopLevel { inner: visitor, trace, kept })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for TopLevel<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, which is an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<V::Value, M::Error> {
        self.inner.visit_map(LenientFields::new(map, self.trace, self.kept))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, net::IpAddr};

    use indexmap::IndexMap;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn read<E: DeserializeOwned + Send + 'static>(
        declared: &[(&str, &str)],
        aliases: &[(&str, &str)],
        json: &str,
    ) -> Result<Row<E>, serde_json::Error> {
        let aliases =
            aliases.iter().map(|(column, path)| ((*column).into(), (*path).into())).collect();
        let columns = Columns::new(Some("id".into()), declared.iter().copied(), &aliases).unwrap();
        EntityDecoder::<E>::new(columns).decode_whole(json)
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Host {
        id: Uuid,
        address: IpAddr,
        #[serde(default)]
        load: f64,
    }

    const HOST: &str =
        r#"{"address":"::1","x":[{}],"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","load":7}"#;

    #[test]
    fn a_type_is_read_from_json_and_its_id_seen_on_the_way() {
        let row = read::<Host>(&[], &[], HOST).unwrap();
        assert_eq!(row.id.as_deref(), Some("67e55044-10b1-426f-9247-bb680e5fe0c8"));
        assert_eq!(row.record, serde_json::from_str(HOST).unwrap());
        let row = read::<HashMap<String, serde_json::Value>>(&[], &[], r#"{"id":7}"#).unwrap();
        assert_eq!((row.id.as_deref(), &row.record["id"]), (Some("7"), &json!(7)));
    }

    #[test]
    fn wrappers_and_flattened_types_are_read_too() {
        #[derive(Deserialize)]
        struct Wrapper(Host);
        #[derive(Deserialize)]
        struct Flat {
            load: f64,
            #[serde(flatten)]
            rest: HashMap<String, serde_json::Value>,
        }
        let row = read::<Wrapper>(&[], &[], HOST).unwrap();
        assert_eq!((row.record.0.load, row.id.is_some()), (7.0, true));
        let row = read::<Flat>(&[], &[], HOST).unwrap();
        assert_eq!((row.record.load, row.record.rest.len(), row.id.is_some()), (7.0, 3, true));
    }

    #[test]
    fn aliased_and_exact_columns_are_read_as_in_records() {
        #[derive(Deserialize)]
        struct Offer {
            price: Decimal,
            host: IpAddr,
        }
        let declared =
            [("price", "rust_decimal::decimal::Decimal"), ("host", "core::net::ip_addr::IpAddr")];
        let json = r#"{"id":"a","at":{"price":12345678901234567.890,"host":"10.0.0.7"}}"#;
        let aliases = [("price", "at.price"), ("host", "at.host")];
        let row = read::<Offer>(&declared, &aliases, json).unwrap();
        assert_eq!(row.id.as_deref(), Some("a"));
        assert_eq!(row.record.price.to_string(), "12345678901234567.890");
        assert_eq!(row.record.host.to_string(), "10.0.0.7");
    }

    #[test]
    fn what_is_no_such_row_is_an_error() {
        for json in ["7", "[]", "null", r#"{"address":7}"#, r#"{"id":7}"#, "{"] {
            assert!(read::<Host>(&[], &[], json).is_err(), "{json}");
            let aliased = read::<Host>(&[("load", "f64")], &[("load", "a.b")], json);
            assert!(aliased.is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_the_one_that_a_record_has(id in "-?[0-9]{1,22}(\\.[0-9]+)?|\"[a-z\\\\\"]{0,3}\"|true|null|\\[\\]|\\{\\}") {
            let json = format!(r#"{{"n":1,"id":{id}}}"#);
            let columns = Columns::new(Some("id".into()), [], &IndexMap::new()).unwrap();
            let record = RowDecoder::new(columns).decode_whole(&json);
            let entity = read::<serde_json::Value>(&[], &[], &json);
            prop_assert_eq!(record.is_ok(), entity.is_ok());
            if let (Ok(record), Ok(entity)) = (record, entity) {
                prop_assert_eq!(record.id, entity.id);
                prop_assert_eq!(entity.record, serde_json::from_str::<serde_json::Value>(&json).unwrap());
            }
        }
    }
}

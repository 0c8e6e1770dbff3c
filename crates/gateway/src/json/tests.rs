use ciborium::Value;
use proptest::prelude::*;
use serde_json::json;
use vantage_types::{PresentationDialect, cbor_to_json};

use super::{fit, parse, write_value};
use crate::table_config::{Bounds, Kind};

fn written(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_body_is_read_to_the_last_digit() {
    let read = |text: &str| parse(text.as_bytes(), 32).unwrap();
    assert_eq!(read("18446744073709551615"), Value::from(u64::MAX));
    assert_eq!(read("-9223372036854775808"), Value::from(i64::MIN));
    assert_eq!(read("1e3"), Value::Float(1000.0));
    assert_eq!(read("100000000000000000000e0"), Value::Float(1e20));
    let text = "\"99999999999999999999999\"";
    assert_eq!(read(text), Value::Text(text.trim_matches('"').to_owned()));
    for text in ["18446744073709551616", "-9223372036854775809", "[\"\\\\\", 99999999999999999999]"]
    {
        assert_eq!(parse(text.as_bytes(), 32).unwrap_err().status(), 422, "{text}");
    }
}

#[test]
fn a_body_that_is_not_json_says_where() {
    for (text, place) in [("{\"a\":1", "line 1, column 6"), ("[1,\n2 3]", "line 2, column 3")] {
        let error = parse(text.as_bytes(), 32).unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.to_json(None).to_string().contains(place), "{}", error.to_json(None));
    }
    let many: Vec<String> = (0..50).map(|n| format!("\"k{}\":1", n % 49)).collect();
    let error = parse(format!("{{{}}}", many.join(",")).as_bytes(), 32).unwrap_err();
    assert!(error.to_json(None).to_string().contains("a key occurs twice"));
}

#[test]
fn values_are_presented_as_vantage_presents_them() {
    let id = Value::Array(vec![Value::Text("city".into()), Value::Text("riga".into())]);
    for (value, expected) in [
        (Value::Tag(8, Box::new(id)), "\"city:riga\""),
        (Value::Bytes(vec![1, 255]), "\"01ff\""),
        (Value::Float(f64::NAN), "null"),
        (Value::Float(f64::INFINITY), "null"),
        (Value::Float(7.0), "7.0"),
        (
            Value::Tag(0, Box::new(Value::Text("2026-01-01T00:00:00Z".into()))),
            "\"2026-01-01T00:00:00Z\"",
        ),
        (Value::Map(vec![(Value::from(7), Value::Null)]), "{\"7\":null}"),
    ] {
        assert_eq!(written(&value), expected);
    }
}

#[test]
fn a_value_fits_a_column_or_says_what_it_should_be() {
    assert_eq!(fit(Value::from(7), Kind::Float), Ok(Value::Float(7.0)));
    assert!(fit(Value::from(i64::MAX), Kind::Float).is_err());
    let integer = Kind::Integer(Bounds::I64);
    assert_eq!(fit(Value::from(i64::MAX), integer), Ok(Value::from(i64::MAX)));
    assert!(fit(Value::Float(7.5), integer).is_err());
    let wanted = "it must be an integer from -9223372036854775808 to 9223372036854775807";
    assert_eq!(fit(Value::from(1_u64 << 63), integer), Err(wanted.to_owned()));
    assert!(fit(Value::Text("12.50".into()), Kind::Decimal).is_ok());
    assert!(fit(Value::Text("12.5.0".into()), Kind::Decimal).is_err());
    assert_eq!(fit(Value::Null, Kind::Bool), Ok(Value::Null));
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| json!(value)),
        ".{0,12}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| json!(items)),
            prop::collection::btree_map(".{0,6}", inner, 0..5).prop_map(|items| json!(items)),
        ]
    })
}

proptest! {
    /// What is read is written as it was, and as Vantage would write it.
    #[test]
    fn json_is_kept(value in values()) {
        let text = value.to_string();
        let read = parse(text.as_bytes(), 32).unwrap();
        let back: serde_json::Value = serde_json::from_str(&written(&read)).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(cbor_to_json(&PresentationDialect, read), value);
    }

    /// No bytes are too odd.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes, 4);
    }
}

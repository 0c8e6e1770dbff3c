use ciborium::Value;
use proptest::prelude::*;
use vantage_vista::FilterOp;

use super::{filter::parse, pairs};
use crate::table_config::{Bounds, Kind};

const INTEGER: Kind = Kind::Integer(Bounds::I64);

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn values_are_read_as_the_types_of_their_columns() {
    for (written, kind, expected) in [
        ("7", INTEGER, Value::from(7)),
        ("-7", Kind::Float, Value::from(-7)),
        ("0.5", Kind::Decimal, Value::Float(0.5)),
        ("-019.990", Kind::Decimal, Value::Float(-19.99)),
        ("1e3", Kind::Decimal, Value::Float(1000.0)),
        ("7", Kind::Decimal, Value::from(7)),
        ("18446744073709551615", Kind::Decimal, Value::from(u64::MAX)),
        // TracecatHQ/tracecat#3376 and geldata/gel#5848: one of more digits was rounded.
        ("0.1234567890123456789", Kind::Decimal, text("0.1234567890123456789")),
        ("36893488147419103233", Kind::Decimal, text("36893488147419103233")),
        (
            "18446744073709551615",
            Kind::Integer(Bounds { least: 0, most: u64::MAX }),
            Value::from(u64::MAX),
        ),
        ("7", Kind::Text, text("7")),
        ("true", Kind::Bool, Value::Bool(true)),
        ("7", Kind::Any, Value::from(7)),
        ("7.5", Kind::Any, Value::Float(7.5)),
        ("true", Kind::Any, Value::Bool(true)),
        ("007", Kind::Any, text("007")),
        ("+1", Kind::Any, text("+1")),
        ("nan", Kind::Any, text("nan")),
        ("inf", Kind::Any, text("inf")),
        ("\"7\"", Kind::Any, text("7")),
        ("null", Kind::Any, text("null")),
    ] {
        let filter = parse(&format!("eq.{written}"), kind, 10).unwrap();
        assert_eq!(filter, (FilterOp::Eq, expected), "{written} {kind:?}");
    }
    for (written, kind) in [
        ("x", INTEGER),
        ("7.0", INTEGER),
        ("9223372036854775808", INTEGER),
        ("-9223372036854775809", INTEGER),
        ("-1", Kind::Integer(Bounds { least: 0, most: u64::MAX })),
        ("", Kind::Float),
        ("NaN", Kind::Float),
        ("1", Kind::Bool),
    ] {
        assert!(parse(&format!("eq.{written}"), kind, 10).is_err(), "{written} {kind:?}");
    }
}

#[test]
fn a_list_has_values_and_texts_with_commas() {
    for (written, expected) in [
        ("()", vec![]),
        ("(a)", vec!["a"]),
        ("(a,b)", vec!["a", "b"]),
        ("(\"a,b\",c)", vec!["a,b", "c"]),
        ("(\"say \\\"hi\\\"\",\"\\\\\")", vec!["say \"hi\"", "\\"]),
        ("(,)", vec!["", ""]),
        ("(a\"b,c)", vec!["a\"b", "c"]),
        ("((x))", vec!["(x)"]),
        ("(\"\")", vec![""]),
    ] {
        let (op, values) = parse(&format!("in.{written}"), Kind::Text, 10).unwrap();
        let expected: Vec<Value> = expected.into_iter().map(text).collect();
        assert_eq!((op, values), (FilterOp::InSet, Value::Array(expected)), "{written}");
    }
    for written in ["", "a,b", "(a", "(\"a)", "(\"a\"b)", "(\"a\\\")"] {
        assert!(parse(&format!("in.{written}"), Kind::Text, 10).is_err(), "{written}");
    }
}

#[test]
fn parameters_keep_their_order_and_doubles() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let found = pairs("b=1&a=%26%3D&b=2+3&&c").unwrap();
    assert_eq!(found, [pair("b", "1"), pair("a", "&="), pair("b", "2 3"), pair("c", "")]);
    assert!(pairs(&"a=1&".repeat(201)).is_err());
}

proptest! {
    /// Whatever a client writes is read or refused.
    #[test]
    fn no_filter_is_too_odd(written in ".{0,40}", most in 0_usize..5) {
        for kind in [INTEGER, Kind::Float, Kind::Text, Kind::Bool, Kind::Any] {
            let _ = parse(&written, kind, most);
            let _ = parse(&format!("in.({written})"), kind, most);
        }
        let _ = pairs(&written);
    }

    /// Any texts can be listed, if they are quoted.
    #[test]
    fn a_list_of_quoted_texts_is_read_back(texts in prop::collection::vec(".{0,8}", 0..5)) {
        let quote = |text: &String| {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let written: Vec<String> = texts.iter().map(quote).collect();
        let written = format!("in.({})", written.join(","));
        let expected: Vec<Value> = texts.into_iter().map(Value::Text).collect();
        let (_, read) = parse(&written, Kind::Any, 10).unwrap();
        prop_assert_eq!(read, Value::Array(expected));
    }
}

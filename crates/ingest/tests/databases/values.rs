//! Values of every type, and what becomes of them in wider columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray,
};
use vantage_api_ingest::schema::{
    ColumnType::{self, Bool, Date, Float, Int, Json, Text, Timestamp},
    Schema,
};

use crate::{
    database::{Database, Row},
    support::{STREAM, batch_of, ints, schema, texts},
};

pub(crate) const PRICE: ColumnType = ColumnType::Decimal { precision: 20, scale: 3 };
pub(crate) const ALL: [ColumnType; 8] = [Bool, Int, Float, PRICE, Date, Timestamp, Text, Json];

/// Values of a type: the ends of what it holds, and what is easily mistaken.
pub(crate) fn values(kind: ColumnType) -> ArrayRef {
    match kind {
        Bool => Arc::new(BooleanArray::from(vec![None, Some(true), Some(false)])),
        Int => Arc::new(Int64Array::from(vec![
            None,
            Some(0),
            Some(-7),
            Some(i64::MAX),
            Some(i64::MIN),
        ])),
        Float => Arc::new(Float64Array::from(
            [0.0, -1.5, 0.1, 0.1 + 0.2, 1e15, 1e-5, 123_456_789.0, f64::MAX, f64::MIN_POSITIVE]
                .into_iter()
                .map(Some)
                .chain([None])
                .collect::<Vec<_>>(),
        )),
        ColumnType::Decimal { .. } => Arc::new(
            Decimal128Array::from(vec![
                None,
                Some(0),
                Some(-5),
                Some(1_500),
                Some(99_999_999_999_999_999_999),
            ])
            .with_data_type(kind.arrow()),
        ),
        Date => Arc::new(Date32Array::from(vec![None, Some(0), Some(19_782), Some(-719_162)])),
        Timestamp => Arc::new(
            TimestampMicrosecondArray::from(vec![
                None,
                Some(0),
                Some(-1),
                Some(1_709_210_096_123_456),
                Some(253_402_300_799_999_999),
            ])
            .with_timezone("UTC"),
        ),
        Text => texts([
            None,
            Some(""),
            Some("007"),
            Some("1e3"),
            Some(" true "),
            Some("a\"b\\c\n\t\u{1}\u{7f}é\u{1f600}"),
            Some("{\"a\": 1}"),
            Some("null"),
        ]),
        Json => texts([
            None,
            Some("null"),
            Some("\"007\""),
            Some("[1.50, 12345678901234567890.123]"),
            Some("{\"b\": 1, \"a\": {\"é\": [true, null]}}"),
        ]),
        other => panic!("{other}"),
    }
}

/// Rows of `id` and `c`.
pub(crate) fn rows(from: i64, kind: ColumnType, values: ArrayRef) -> RecordBatch {
    let ids = ints(from..from + values.len() as i64);
    batch_of(&columns(kind), vec![ids, values])
}

pub(crate) fn columns(kind: ColumnType) -> Schema {
    schema(&[("id", Int), ("c", kind)])
}

/// The values of `c` from an id on, with the type that they are stored as.
pub(crate) fn stored(database: &dyn Database, table: &str, from: i64) -> Vec<Row> {
    let (kind, text) = match database.is_sqlite() {
        true => ("typeof", "c"),
        false => ("pg_typeof", "c::text"),
    };
    database.query(&format!(
        "SELECT {text}, CASE WHEN c IS NOT NULL THEN {kind}(c) END FROM {table} \
         WHERE id >= {from} AND id < {from} + 100 ORDER BY id"
    ))
}

/// Values as texts.
pub(crate) fn plain(rows: &[Row]) -> Vec<Option<&str>> {
    rows.iter().map(|row| row[0].as_deref()).collect()
}

/// What values become in a wider column.
pub(crate) fn widened(
    database: &dyn Database,
    from: ColumnType,
    to: ColumnType,
) -> Vec<Option<&'static str>> {
    let is_sqlite = database.is_sqlite();
    match (from, to) {
        (Bool, Int) => vec![None, Some("1"), Some("0")],
        (Bool, Float) => vec![None, Some("1"), Some("0")],
        (Bool, Text | Json) => vec![None, Some("true"), Some("false")],
        (Int, Float) if is_sqlite => vec![
            None,
            Some("0"),
            Some("-7"),
            Some("9223372036854775807"),
            Some("-9223372036854775808"),
        ]
        .into_iter()
        .map(|text| text.map(|text: &str| &*text.parse::<f64>().unwrap().to_string().leak()))
        .collect(),
        (Int, Float) => vec![
            None,
            Some("0"),
            Some("-7"),
            Some("9.223372036854776e+18"),
            Some("-9.223372036854776e+18"),
        ],
        (Int, _) => vec![
            None,
            Some("0"),
            Some("-7"),
            Some("9223372036854775807"),
            Some("-9223372036854775808"),
        ],
        (Float, Json) if !is_sqlite => {
            let old = stored(database, STREAM, 0);
            let read: Vec<Option<f64>> =
                plain(&old).iter().map(|text| text.map(|text| text.parse().unwrap())).collect();
            let expected = values(Float);
            let expected = expected.as_any().downcast_ref::<Float64Array>().unwrap();
            assert_eq!(read, expected.iter().collect::<Vec<_>>());
            plain(&old).into_iter().map(|text| text.map(|text| &*text.to_owned().leak())).collect()
        }
        (Float, _) => vec![
            Some("0"),
            Some("-1.5"),
            Some("0.1"),
            Some("0.30000000000000004"),
            Some("1e+15"),
            Some("1e-05"),
            Some("123456789"),
            Some("1.7976931348623157e+308"),
            Some("2.2250738585072014e-308"),
            None,
        ],
        (ColumnType::Decimal { .. }, _) => {
            vec![None, Some("0.000"), Some("-0.005"), Some("1.500"), Some("99999999999999999.999")]
        }
        (Date, Text) => vec![None, Some("1970-01-01"), Some("2024-02-29"), Some("0001-01-01")],
        (Date, _) => {
            vec![None, Some("\"1970-01-01\""), Some("\"2024-02-29\""), Some("\"0001-01-01\"")]
        }
        (Timestamp, Text) => vec![
            None,
            Some("1970-01-01T00:00:00.000000Z"),
            Some("1969-12-31T23:59:59.999999Z"),
            Some("2024-02-29T12:34:56.123456Z"),
            Some("9999-12-31T23:59:59.999999Z"),
        ],
        (Timestamp, _) => vec![
            None,
            Some("\"1970-01-01T00:00:00.000000Z\""),
            Some("\"1969-12-31T23:59:59.999999Z\""),
            Some("\"2024-02-29T12:34:56.123456Z\""),
            Some("\"9999-12-31T23:59:59.999999Z\""),
        ],
        (Text, Json) => vec![
            None,
            Some("\"\""),
            Some("\"007\""),
            Some("\"1e3\""),
            Some("\" true \""),
            Some("\"a\\\"b\\\\c\\n\\t\\u0001\u{7f}é\u{1f600}\""),
            Some("\"{\\\"a\\\": 1}\""),
            Some("\"null\""),
        ],
        (from, to) => panic!("{from} does not become {to}"),
    }
}

/// One value of a type.
pub(crate) fn one(kind: ColumnType) -> ArrayRef {
    match kind {
        Bool => Arc::new(BooleanArray::from(vec![true])),
        Int => ints([7]),
        Float => Arc::new(Float64Array::from(vec![0.5])),
        Text => texts(["007"]),
        _ => texts(["[7]"]),
    }
}

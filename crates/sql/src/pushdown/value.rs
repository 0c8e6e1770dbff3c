//! [pure] Constants of a query as values of conditions, and back.

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};
use ciborium::Value;
use datafusion::{
    arrow::datatypes::{Decimal128Type, DecimalType, TimeUnit},
    common::ScalarValue,
};
use vantage_api_ingest::schema::ColumnType;

/// A constant as the value that a column of this type is compared to; `None` if it is null, or if it
/// is not known how the API has such a value.
pub(crate) fn value_of(scalar: &ScalarValue, kind: ColumnType) -> Option<Value> {
    match kind {
        ColumnType::Bool => match scalar {
            ScalarValue::Boolean(Some(flag)) => Some(Value::Bool(*flag)),
            _ => None,
        },
        ColumnType::Int => whole(scalar).map(Value::from),
        ColumnType::Float => match scalar {
            ScalarValue::Float64(Some(number)) => {
                number.is_finite().then_some(Value::Float(*number))
            }
            _ => None,
        },
        ColumnType::Decimal { .. } => match scalar {
            ScalarValue::Decimal128(Some(digits), precision, scale) => {
                Some(Value::Text(Decimal128Type::format_decimal(*digits, *precision, *scale)))
            }
            _ => None,
        },
        ColumnType::Date => match scalar {
            ScalarValue::Date32(Some(days)) => date(*days).map(|day| Value::Text(day.to_string())),
            _ => None,
        },
        ColumnType::Timestamp => moment(scalar),
        ColumnType::Text => text(scalar).map(Value::from),
        _ => None,
    }
}

/// A value that rows were asked for as the constant of their column; `None` if it is none of this
/// type.
pub(crate) fn scalar_of(value: &Value, kind: ColumnType) -> Option<ScalarValue> {
    Some(match (kind, value) {
        (ColumnType::Bool, Value::Bool(flag)) => ScalarValue::Boolean(Some(*flag)),
        (ColumnType::Int, Value::Integer(number)) => {
            ScalarValue::Int64(Some(i64::try_from(*number).ok()?))
        }
        (ColumnType::Float, Value::Float(number)) => ScalarValue::Float64(Some(*number)),
        (ColumnType::Text, Value::Text(text)) => ScalarValue::Utf8(Some(text.clone())),
        (ColumnType::Date | ColumnType::Timestamp | ColumnType::Decimal { .. }, Value::Text(_)) => {
            let Value::Text(text) = value else { return None };
            ScalarValue::try_from_string(text.clone(), &kind.arrow()).ok()?
        }
        _ => return None,
    })
}

/// The text of a constant.
pub(super) fn text(scalar: &ScalarValue) -> Option<&str> {
    match scalar {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

fn whole(scalar: &ScalarValue) -> Option<i64> {
    match scalar {
        ScalarValue::Int8(number) => number.map(i64::from),
        ScalarValue::Int16(number) => number.map(i64::from),
        ScalarValue::Int32(number) => number.map(i64::from),
        ScalarValue::Int64(number) => *number,
        ScalarValue::UInt8(number) => number.map(i64::from),
        ScalarValue::UInt16(number) => number.map(i64::from),
        ScalarValue::UInt32(number) => number.map(i64::from),
        ScalarValue::UInt64(number) => number.and_then(|number| i64::try_from(number).ok()),
        _ => None,
    }
}

fn date(days: i32) -> Option<NaiveDate> {
    let (epoch, distance) = (NaiveDate::default(), Days::new(u64::from(days.unsigned_abs())));
    if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) }
}

/// A moment in the form of RFC 3339, with as many digits as it needs.
fn moment(scalar: &ScalarValue) -> Option<Value> {
    let (number, unit) = match scalar {
        ScalarValue::TimestampSecond(number, _) => (*number, TimeUnit::Second),
        ScalarValue::TimestampMillisecond(number, _) => (*number, TimeUnit::Millisecond),
        ScalarValue::TimestampMicrosecond(number, _) => (*number, TimeUnit::Microsecond),
        ScalarValue::TimestampNanosecond(number, _) => (*number, TimeUnit::Nanosecond),
        _ => return None,
    };
    let number = number?;
    let moment = match unit {
        TimeUnit::Second => DateTime::from_timestamp_secs(number),
        TimeUnit::Millisecond => DateTime::from_timestamp_millis(number),
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(number),
        TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(number)),
    };
    Some(Value::Text(moment?.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_is_a_value_of_its_column_or_none() {
        let micros = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        let decimal = ColumnType::Decimal { precision: 9, scale: 2 };
        for (scalar, kind, expected) in [
            (ScalarValue::Int64(Some(-7)), ColumnType::Int, Some(Value::from(-7))),
            (ScalarValue::Int64(None), ColumnType::Int, None),
            (ScalarValue::Int64(Some(1)), ColumnType::Text, None),
            (ScalarValue::UInt64(Some(u64::MAX)), ColumnType::Int, None),
            (ScalarValue::Float64(Some(0.5)), ColumnType::Float, Some(Value::Float(0.5))),
            (ScalarValue::Float64(Some(f64::NAN)), ColumnType::Float, None),
            (ScalarValue::Boolean(Some(true)), ColumnType::Bool, Some(Value::Bool(true))),
            (ScalarValue::Utf8View(Some("é".into())), ColumnType::Text, Some("é".into())),
            (ScalarValue::Utf8(Some("{}".into())), ColumnType::Json, None),
            (ScalarValue::Date32(Some(-1)), ColumnType::Date, Some("1969-12-31".into())),
            (ScalarValue::Decimal128(Some(-150), 9, 2), decimal, Some("-1.50".into())),
            (micros(0), ColumnType::Timestamp, Some("1970-01-01T00:00:00Z".into())),
            (micros(1_500), ColumnType::Timestamp, Some("1970-01-01T00:00:00.001500Z".into())),
        ] {
            let value = value_of(&scalar, kind);
            assert_eq!(value, expected, "{scalar:?}");
            if let Some(value) = value.filter(|_| !matches!(scalar, ScalarValue::Utf8View(_))) {
                assert_eq!(scalar_of(&value, kind).as_ref(), Some(&scalar));
            }
        }
    }
}

//! [pure] A cell as a value of its column's type, if it is one.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;

use super::cell::Cell;
use crate::schema::ColumnType;

/// Up to here every whole number is a float.
const MAX_WHOLE: u64 = 1 << 53;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A decimal without its point.
    Decimal(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Text or JSON.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// `cell` in a column of this type; `None` if the column cannot hold it without loss.
    pub(crate) fn of(cell: &Cell<'a>, kind: ColumnType) -> Option<Self> {
        if matches!(cell, Cell::Null) {
            return Some(Self::Null);
        }
        match kind {
            ColumnType::Bool => bool_of(cell).map(Self::Bool),
            ColumnType::Int => int_of(cell).map(Self::Int),
            ColumnType::Float => float_of(cell).map(Self::Float),
            ColumnType::Decimal { precision, scale } => {
                decimal_of(cell.text()?, precision, scale).map(Self::Decimal)
            }
            ColumnType::Date => date_of(cell.text()?).map(Self::Date),
            ColumnType::Timestamp => timestamp_of(cell).map(Self::Timestamp),
            ColumnType::Text => text_of(cell).map(Self::Text),
            ColumnType::Json => json_of(cell).map(Self::Text),
        }
    }
}

impl Value<'_> {
    /// Whether it is a whole number that a float does not hold.
    pub(crate) fn is_wide(&self) -> bool {
        matches!(self, Self::Int(value) if value.unsigned_abs() > MAX_WHOLE)
    }
}

fn bool_of(cell: &Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Bool(flag) => Some(*flag),
        _ => None,
    }
}

fn int_of(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Bool(flag) => Some(i64::from(*flag)),
        Cell::Number(text) => {
            // `7.0` is a whole number in a column that is declared one.
            let whole = text.split_once('.').map_or(Some(&**text), |(whole, fraction)| {
                fraction.bytes().all(|digit| digit == b'0').then_some(whole)
            });
            whole?.parse().ok()
        }
        _ => None,
    }
}

fn float_of(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Cell::Number(text) => {
            let is_whole = cell.kind() == Some(ColumnType::Int);
            let fits = match is_whole {
                true => text.parse::<i64>().is_ok_and(|whole| whole.unsigned_abs() <= MAX_WHOLE),
                false => cell.kind() == Some(ColumnType::Float),
            };
            fits.then(|| text.parse().ok())?
        }
        _ => None,
    }
}

fn decimal_of(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let decimal = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()?;
    let decimal = decimal.normalize();
    let scale = u32::try_from(scale).ok()?;
    let more = scale.checked_sub(decimal.scale())?;
    let unscaled = decimal.mantissa().checked_mul(10_i128.checked_pow(more)?)?;
    let bound = 10_u128.checked_pow(u32::from(precision))?;
    (unscaled.unsigned_abs() < bound).then_some(unscaled)
}

fn date_of(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// A moment in RFC 3339, or without a zone, which means UTC; or a number of seconds since 1970,
/// or of milliseconds if that is the year 5138 or later.
fn timestamp_of(cell: &Cell<'_>) -> Option<i64> {
    match cell {
        Cell::Text(text) => {
            let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
            let moment = moment.or_else(|_| naive(text).map(|naive| naive.and_utc())).ok()?;
            Some(moment.timestamp_micros())
        }
        Cell::Number(text) => {
            let number = Decimal::from_str_exact(text).ok()?;
            let micros = match number.abs() < Decimal::from(100_000_000_000_i64) {
                true => 1_000_000,
                false => 1000,
            };
            i64::try_from((number * Decimal::from(micros)).round().mantissa()).ok()
        }
        _ => None,
    }
}

fn naive(text: &str) -> chrono::ParseResult<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
}

fn text_of<'a>(cell: &Cell<'a>) -> Option<Cow<'a, str>> {
    Some(match cell {
        Cell::Null | Cell::Json(_) => return None,
        Cell::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Cell::Number(text) | Cell::Text(text) => text.clone(),
    })
}

fn json_of<'a>(cell: &Cell<'a>) -> Option<Cow<'a, str>> {
    match cell {
        Cell::Json(text) => Some(Cow::Borrowed(text)),
        Cell::Text(text) => serde_json::to_string(text).ok().map(Cow::Owned),
        scalar => text_of(scalar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &'static str, kind: ColumnType) -> Option<Value<'static>> {
        Value::of(&serde_json::from_str(json).unwrap(), kind)
    }

    fn text(text: &str) -> Option<Value<'_>> {
        Some(Value::Text(Cow::Borrowed(text)))
    }

    #[test]
    fn a_value_is_read_as_its_column_or_not_at_all() {
        use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};
        let price = ColumnType::Decimal { precision: 5, scale: 2 };
        for (json, kind, expected) in [
            ("null", Int, Some(Value::Null)),
            ("true", Bool, Some(Value::Bool(true))),
            ("1", Bool, None),
            ("true", Int, Some(Value::Int(1))),
            ("7.0", Int, Some(Value::Int(7))),
            ("7.5", Int, None),
            ("\"7\"", Int, None),
            ("9007199254740992", Float, Some(Value::Float(9_007_199_254_740_992.0))),
            ("9007199254740993", Float, None),
            ("1.25", price, Some(Value::Decimal(125))),
            ("\"999.99\"", price, Some(Value::Decimal(99_999))),
            ("1e2", price, Some(Value::Decimal(10_000))),
            ("1000", price, None),
            ("0.001", price, None),
            ("\"2024-02-29\"", Date, Some(Value::Date(19_782))),
            ("\"2023-02-29\"", Date, None),
            ("\"1970-01-01T01:00:00+01:00\"", Timestamp, Some(Value::Timestamp(0))),
            ("\"1970-01-01 00:00:00.5\"", Timestamp, Some(Value::Timestamp(500_000))),
            ("1.5", Timestamp, Some(Value::Timestamp(1_500_000))),
            ("1700000000000", Timestamp, Some(Value::Timestamp(1_700_000_000_000_000))),
            ("\"soon\"", Timestamp, None),
            ("7", Text, text("7")),
            ("{}", Text, None),
            ("\"a\\\"b\"", Json, text("\"a\\\"b\"")),
            ("7", Json, text("7")),
            ("{ }", Json, text("{ }")),
        ] {
            assert_eq!(value(json, kind), expected, "{json} as {kind}");
        }
    }
}

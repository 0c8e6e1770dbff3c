//! [pure] A cell as a value of its column's type, if it is one.

use std::{borrow::Cow, ops::RangeInclusive};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::cell::{Cell, Digits};
use crate::{
    description::{day_of, moment_of},
    schema::ColumnType,
};

/// Up to here every whole number is a float.
const MAX_WHOLE: u64 = 1 << 53;
/// The years 1 to 9999, in days since 1970: the days that every sink holds.
pub(crate) const DAYS: RangeInclusive<i32> = -719_162..=2_932_896;
/// The same years in microseconds: the moments that every sink holds.
pub(crate) const MOMENTS: RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

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
        // In a column of whole numbers, `7.0` and `7e0` are such as well.
        Cell::Number(text) => {
            let plain = text.parse::<i64>().ok();
            plain.or_else(|| i64::try_from(Digits::of(text)?.scaled(0)?).ok())
        }
        _ => None,
    }
}

fn float_of(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Cell::Number(text) => {
            let fits = match cell.kind() {
                Some(ColumnType::Int) => {
                    text.parse::<i64>().is_ok_and(|whole| whole.unsigned_abs() <= MAX_WHOLE)
                }
                kind => kind == Some(ColumnType::Float),
            };
            fits.then(|| text.parse().ok())?
        }
        _ => None,
    }
}

fn decimal_of(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let unscaled = Digits::of(text)?.scaled(i64::from(scale))?;
    let bound = 10_u128.checked_pow(u32::from(precision))?;
    (unscaled.unsigned_abs() < bound).then_some(unscaled)
}

/// A day from the year 1 to the year 9999.
fn date_of(text: &str) -> Option<i32> {
    let days = day_of(text)?.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).ok().filter(|days| DAYS.contains(days))
}

/// A moment from the year 1 to the year 9999: a text as [`moment_of`] reads it, or a number since 1970.
fn timestamp_of(cell: &Cell<'_>) -> Option<i64> {
    let micros = match cell {
        Cell::Text(text) => moment_of(text)?.timestamp_micros(),
        Cell::Number(text) => micros_of(text)?,
        _ => return None,
    };
    MOMENTS.contains(&micros).then_some(micros)
}

/// The microseconds in a number of seconds; of milliseconds, if so many seconds would be the year 5138
/// or later; and in the same way of microseconds and of nanoseconds.
fn micros_of(text: &str) -> Option<i64> {
    let number: Decimal = text.parse().ok()?;
    let magnitude = number.abs().trunc().mantissa().checked_ilog10();
    let micros = match magnitude.unwrap_or_default() {
        0..11 => number.checked_mul(Decimal::from(1_000_000))?,
        11..14 => number.checked_mul(Decimal::from(1000))?,
        14..17 => number,
        _ => number.checked_div(Decimal::from(1000))?,
    };
    i64::try_from(micros.round().mantissa()).ok()
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
        Value::of(&Cell::of(json), kind)
    }

    fn text(text: &str) -> Option<Value<'_>> {
        Some(Value::Text(Cow::Borrowed(text)))
    }

    #[test]
    fn a_value_is_read_as_its_column_or_not_at_all() {
        use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};
        const WIDE: i128 = 999_995_881_114_744_959_800_000_000_134;
        const MOST: i128 = 10_i128.pow(38) - 1;
        /// 2024-01-31T12:00:00Z.
        const NOON: i64 = 1_706_702_400_000_000;
        let price = ColumnType::Decimal { precision: 5, scale: 2 };
        let wide = ColumnType::Decimal { precision: 38, scale: 18 };
        for (json, kind, expected) in [
            ("null", Int, Some(Value::Null)),
            ("true", Bool, Some(Value::Bool(true))),
            ("1", Bool, None),
            ("true", Int, Some(Value::Int(1))),
            ("7.0", Int, Some(Value::Int(7))),
            ("7.5", Int, None),
            ("1e3", Int, Some(Value::Int(1000))),
            ("1.55E10", Int, Some(Value::Int(15_500_000_000))),
            ("120e-1", Int, Some(Value::Int(12))),
            ("-9223372036854775808.0", Int, Some(Value::Int(i64::MIN))),
            ("9223372036854775808", Int, None),
            ("1e30", Int, None),
            ("\"7\"", Int, None),
            ("9007199254740992", Float, Some(Value::Float(9_007_199_254_740_992.0))),
            ("9007199254740993", Float, None),
            ("123.31999999999999", Float, Some(Value::Float(123.32))),
            ("123.319999999999991", Float, None),
            ("1.25", price, Some(Value::Decimal(125))),
            ("\"999.99\"", price, Some(Value::Decimal(99_999))),
            ("1e2", price, Some(Value::Decimal(10_000))),
            ("1000", price, None),
            ("0.001", price, None),
            ("\"\"", price, None),
            ("true", price, None),
            ("999995881114.744959800000000134", wide, Some(Value::Decimal(WIDE))),
            ("-99999999999999999999.999999999999999999", wide, Some(Value::Decimal(-MOST))),
            ("100000000000000000000", wide, None),
            ("1e99999", wide, None),
            ("\"2024-02-29\"", Date, Some(Value::Date(19_782))),
            ("\"2023-02-29\"", Date, None),
            ("\"0001-01-01\"", Date, Some(Value::Date(-719_162))),
            ("\"9999-12-31\"", Date, Some(Value::Date(2_932_896))),
            ("\"0000-12-31\"", Date, None),
            ("\"10000-01-01\"", Date, None),
            ("\"-9999-01-01\"", Date, None),
            ("\"91-04-15\"", Date, None),
            ("\"1970-01-01T01:00:00+01:00\"", Timestamp, Some(Value::Timestamp(0))),
            ("\"1970-01-01 00:00:00.5\"", Timestamp, Some(Value::Timestamp(500_000))),
            ("1.5", Timestamp, Some(Value::Timestamp(1_500_000))),
            ("1700000000000", Timestamp, Some(Value::Timestamp(1_700_000_000_000_000))),
            ("1700000000000000", Timestamp, Some(Value::Timestamp(1_700_000_000_000_000))),
            ("1700000000000000000", Timestamp, Some(Value::Timestamp(1_700_000_000_000_000))),
            ("1.521835103E9", Timestamp, Some(Value::Timestamp(1_521_835_103_000_000))),
            ("-99999999999", Timestamp, None),
            ("10000000000000000000000000000", Timestamp, None),
            ("-79228162514264337593543950335", Timestamp, None),
            ("1e400", Timestamp, None),
            ("\"2024-01-31T12:00:00.000+0000\"", Timestamp, Some(Value::Timestamp(NOON))),
            ("\"2024-01-31T13:00:00+01\"", Timestamp, Some(Value::Timestamp(NOON))),
            ("\"0001-01-01T00:00:00Z\"", Timestamp, Some(Value::Timestamp(*MOMENTS.start()))),
            ("\"0001-01-01T00:00:00+00:01\"", Timestamp, None),
            ("\"9999-12-31T23:59:59.9999999Z\"", Timestamp, Some(Value::Timestamp(*MOMENTS.end()))),
            ("\"9999-12-31T23:59:60Z\"", Timestamp, None),
            ("\"-0001-11-30T00:00:00Z\"", Timestamp, None),
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

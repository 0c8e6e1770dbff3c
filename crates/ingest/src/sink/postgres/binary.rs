//! [pure] Rows in the binary format of PostgreSQL's `COPY`: each value with its length before it, all in
//! the order of bytes of the network.

use std::{any::Any, iter};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};

use crate::schema::ColumnType;

/// The signature, no flags, and no extension of the header.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(super) const END: [u8; 2] = (-1_i16).to_be_bytes();

const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// 2000-01-01 in days and in microseconds since 1970: PostgreSQL counts from there.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Before the text of a value of `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The digits of a `numeric` come in groups of four.
const GROUP: u128 = 10_000;
/// No decimal of 128 bits has more groups.
const MAX_GROUPS: usize = 11;
const NEGATIVE: u16 = 0x4000;

/// The values of a column.
#[derive(Debug)]
pub(super) enum Values<'a> {
    /// The numbers of the rows from this one on.
    Positions(i64),
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
    Json(&'a StringArray),
}

impl<'a> Values<'a> {
    /// Those of an array in a column of this type; `None` if Arrow holds that type in other arrays.
    pub(super) fn of(array: &'a ArrayRef, kind: ColumnType) -> Option<Self> {
        let array = array.as_any();
        Some(match kind {
            ColumnType::Bool => Self::Bool(typed(array)?),
            ColumnType::Int => Self::Int(typed(array)?),
            ColumnType::Float => Self::Float(typed(array)?),
            ColumnType::Decimal { scale, .. } => Self::Decimal(typed(array)?, scale),
            ColumnType::Date => Self::Date(typed(array)?),
            ColumnType::Timestamp => Self::Timestamp(typed(array)?),
            ColumnType::Text => Self::Text(typed(array)?),
            ColumnType::Json => Self::Json(typed(array)?),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Positions(_) => false,
            Self::Bool(values) => values.is_null(row),
            Self::Int(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Decimal(values, _) => values.is_null(row),
            Self::Date(values) => values.is_null(row),
            Self::Timestamp(values) => values.is_null(row),
            Self::Text(values) | Self::Json(values) => values.is_null(row),
        }
    }

    fn push(&self, row: usize, out: &mut Vec<u8>) -> Option<()> {
        if self.is_null(row) {
            out.extend_from_slice(&NULL);
            return Some(());
        }
        match self {
            Self::Positions(first) => {
                push_i64(out, first.checked_add(i64::try_from(row).ok()?)?);
            }
            Self::Bool(values) => push_sized(out, [u8::from(values.value(row))]),
            Self::Int(values) => push_i64(out, values.value(row)),
            Self::Float(values) => push_sized(out, values.value(row).to_be_bytes()),
            Self::Decimal(values, scale) => push_numeric(out, values.value(row), *scale),
            Self::Date(values) => {
                push_sized(out, values.value(row).checked_sub(EPOCH_DAYS)?.to_be_bytes());
            }
            Self::Timestamp(values) => {
                push_i64(out, values.value(row).checked_sub(EPOCH_MICROS)?);
            }
            Self::Text(values) => {
                let text = values.value(row);
                out.extend_from_slice(&i32::try_from(text.len()).ok()?.to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::Json(values) => {
                let text = values.value(row);
                out.extend_from_slice(&i32::try_from(text.len() + 1).ok()?.to_be_bytes());
                out.push(JSONB_VERSION);
                out.extend_from_slice(text.as_bytes());
            }
        }
        Some(())
    }
}

fn typed<T: 'static>(array: &dyn Any) -> Option<&T> {
    array.downcast_ref()
}

/// Adds a row of these columns. `None` for a value that does not fit into the format: one of two GiB, or
/// a moment that PostgreSQL does not have.
pub(super) fn push_row(columns: &[Values<'_>], row: usize, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&i16::try_from(columns.len()).ok()?.to_be_bytes());
    columns.iter().try_for_each(|column| column.push(row, out))
}

fn push_i64(out: &mut Vec<u8>, value: i64) {
    push_sized(out, value.to_be_bytes());
}

fn push_sized<const N: usize>(out: &mut Vec<u8>, value: [u8; N]) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&value);
}

/// A decimal without its point, of whose digits `scale` are behind that.
fn push_numeric(out: &mut Vec<u8>, value: i128, scale: i8) {
    // Groups begin at the point, to whose left the exponent of the last digit may be.
    let exponent = -i32::from(scale);
    let zeros = exponent.rem_euclid(4).unsigned_abs();
    let bases = iter::once(GROUP / 10_u128.pow(zeros)).chain(iter::repeat(GROUP));
    let (mut groups, mut count, mut rest) = ([0_u16; MAX_GROUPS], 0_u16, value.unsigned_abs());
    for (group, base) in groups.iter_mut().zip(bases) {
        if rest == 0 {
            break;
        }
        // A group is below the base.
        *group = (rest % base * (GROUP / base)) as u16;
        (rest, count) = (rest / base, count + 1);
    }
    let weight = if count == 0 { 0 } else { exponent.div_euclid(4) + i32::from(count) - 1 };
    let sign = if value < 0 { NEGATIVE } else { 0 };
    out.extend_from_slice(&(8 + 2 * i32::from(count)).to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&i16::from(scale.max(0)).to_be_bytes());
    for group in groups.iter().take(usize::from(count)).rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn written(array: &ArrayRef, kind: ColumnType) -> Vec<u8> {
        let columns = [Values::of(array, kind).unwrap()];
        let mut out = Vec::new();
        for row in 0..array.len() {
            push_row(&columns, row, &mut out).unwrap();
        }
        out
    }

    /// What PostgreSQL reads in a `numeric`.
    fn read(numeric: &[u8]) -> String {
        let words: Vec<i16> =
            numeric.chunks(2).map(|word| i16::from_be_bytes([word[0], word[1]])).collect();
        let [_, length, count, weight, sign, scale] = words[..6] else { panic!("{words:?}") };
        let groups = &words[6..];
        assert_eq!(
            (usize::try_from(count), usize::try_from(length)),
            (Ok(groups.len()), Ok(numeric.len() - 4))
        );
        let group = |exponent: i16| {
            let place = usize::try_from(weight - exponent).ok();
            place.and_then(|place| groups.get(place)).copied().unwrap_or(0)
        };
        let whole: String =
            (0..=weight.max(0)).rev().map(|at| format!("{:04}", group(at))).collect();
        let behind: String = (1..=12).map(|at| format!("{:04}", group(-at))).collect();
        let whole = whole.trim_start_matches('0');
        let behind = &behind[..usize::try_from(scale).unwrap()];
        let point = if behind.is_empty() { "" } else { "." };
        let sign = if sign == 0 { "" } else { "-" };
        format!("{sign}{}{point}{behind}", if whole.is_empty() { "0" } else { whole })
    }

    fn numeric(value: i128, scale: i8) -> String {
        let mut out = Vec::new();
        push_numeric(&mut out, value, scale);
        read(&out)
    }

    /// From altaurog/pgcopy#10, cockroachdb/cockroach#82492, adriangb/pgpq#85, oven-sh/bun#31211,
    /// oven-sh/bun#42748, supabase/etl#341: decimals that others have written or read as another number.
    #[test]
    fn decimals_keep_their_digits_and_zeros() {
        for (value, scale, expected) in [
            (1_456_312_800_000_000, 0, "1456312800000000"),
            (1_456_312_800_000_001, 0, "1456312800000001"),
            (100, 1, "10.0"),
            (1_000_010, 5, "10.00010"),
            (100_000_000, 4, "10000.0000"),
            (-10_000, 0, "-10000"),
            (11, -3, "11000"),
            (1, 9, "0.000000001"),
            (1234, 12, "0.000000001234"),
            (5, 2, "0.05"),
            (10_005, 8, "0.00010005"),
            (0, 4, "0.0000"),
            (0, -2, "0"),
            (0, 38, "0.00000000000000000000000000000000000000"),
            (-1, 38, "-0.00000000000000000000000000000000000001"),
            (i128::MAX, 3, "170141183460469231731687303715884105.727"),
            (i128::MIN, 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(numeric(value, scale), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_decimal_is_read_as_it_is(value: i128, scale in 0..=38_i8) {
            let digits = format!("{:039}", value.unsigned_abs());
            let (whole, behind) = digits.split_at(digits.len() - usize::try_from(scale).unwrap());
            let whole = match whole.trim_start_matches('0') { "" => "0", whole => whole };
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            proptest::prop_assert_eq!(numeric(value, scale), format!("{sign}{whole}{point}{behind}"));
        }
    }

    #[test]
    fn values_have_their_lengths_and_null_has_none() {
        use ColumnType::{Bool, Date, Float, Int, Json, Text, Timestamp};
        let cases: Vec<(ColumnType, ArrayRef, &[u8])> = vec![
            (Bool, Arc::new(BooleanArray::from(vec![true])), &[0, 0, 0, 1, 1]),
            (
                Int,
                Arc::new(Int64Array::from(vec![-2])),
                &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            ),
            (Int, Arc::new(Int64Array::from(vec![None])), &[255, 255, 255, 255]),
            (
                Float,
                Arc::new(Float64Array::from(vec![1.5])),
                &[0, 0, 0, 8, 63, 248, 0, 0, 0, 0, 0, 0],
            ),
            (Date, Arc::new(Date32Array::from(vec![EPOCH_DAYS + 1])), &[0, 0, 0, 4, 0, 0, 0, 1]),
            (
                Timestamp,
                Arc::new(TimestampMicrosecondArray::from(vec![EPOCH_MICROS - 1])),
                &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255],
            ),
            (Text, Arc::new(StringArray::from(vec!["é"])), &[0, 0, 0, 2, 195, 169]),
            (Text, Arc::new(StringArray::from(vec![""])), &[0, 0, 0, 0]),
            (Json, Arc::new(StringArray::from(vec!["[]"])), &[0, 0, 0, 3, 1, b'[', b']']),
        ];
        for (kind, array, expected) in cases {
            assert_eq!(written(&array, kind), [&[0, 1], expected].concat(), "{kind}");
        }
    }

    #[test]
    fn rows_are_numbered_from_the_first_on() {
        let mut out = Vec::new();
        push_row(&[Values::Positions(250)], 7, &mut out).unwrap();
        assert_eq!(out, [0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(push_row(&[Values::Positions(i64::MAX)], 1, &mut out), None);
    }

    #[test]
    fn what_is_no_array_of_its_type_has_no_values() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(Values::of(&array, ColumnType::Text).is_none());
    }
}

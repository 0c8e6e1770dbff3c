//! [pure] The values of a column as texts and as JSON.

use std::fmt::{self, Write};

use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use chrono::{DateTime, SecondsFormat};
use serde_json::Number;

use crate::schema::ColumnType;

const SECONDS_PER_DAY: i64 = 86_400;
/// What some program takes for the end of a line: JSON may have the last two in its texts.
const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

/// The values of a column, whose type is found out once and not for each of them.
#[derive(Debug)]
pub(super) enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
    Json(&'a StringArray),
}

impl<'a> Cells<'a> {
    /// The values of `array`; `None` if it is not how Arrow holds a column of this type.
    pub(super) fn of(array: &'a dyn Array, kind: ColumnType) -> Option<Self> {
        let any = array.as_any();
        match kind {
            ColumnType::Bool => any.downcast_ref().map(Self::Bool),
            ColumnType::Int => any.downcast_ref().map(Self::Int),
            ColumnType::Float => any.downcast_ref().map(Self::Float),
            ColumnType::Decimal { .. } => any.downcast_ref().map(Self::Decimal),
            ColumnType::Date => any.downcast_ref().map(Self::Date),
            ColumnType::Timestamp => any.downcast_ref().map(Self::Timestamp),
            ColumnType::Text => any.downcast_ref().map(Self::Text),
            ColumnType::Json => any.downcast_ref().map(Self::Json),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Bool(values) => values,
            Self::Int(values) => values,
            Self::Float(values) => values,
            Self::Decimal(values) => values,
            Self::Date(values) => values,
            Self::Timestamp(values) => values,
            Self::Text(values) | Self::Json(values) => values,
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// The text itself, in a column of texts or JSON.
    pub(super) fn str(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(values) | Self::Json(values) => Some(values.value(row)),
            _ => None,
        }
    }

    /// Writes a value that is not null as a text.
    pub(super) fn write_text(&self, row: usize, out: &mut dyn Write) -> fmt::Result {
        match self {
            Self::Bool(values) => write!(out, "{}", values.value(row)),
            Self::Int(values) => write!(out, "{}", values.value(row)),
            Self::Float(values) => write_float(values.value(row), out),
            Self::Decimal(values) => out.write_str(&values.value_as_string(row)),
            Self::Date(values) => write_date(values.value(row), out),
            Self::Timestamp(values) => write_moment(values.value(row), out),
            Self::Text(values) | Self::Json(values) => out.write_str(values.value(row)),
        }
    }

    /// Writes a value, also null, as JSON on one line.
    pub(super) fn write_json(&self, row: usize, out: &mut dyn Write) -> fmt::Result {
        if self.is_null(row) {
            return out.write_str("null");
        }
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Decimal(_) => self.write_text(row, out),
            Self::Float(values) if values.value(row).is_finite() => self.write_text(row, out),
            // JSON has no other floats.
            Self::Float(_) => out.write_str("null"),
            Self::Date(_) | Self::Timestamp(_) => {
                out.write_char('"')?;
                self.write_text(row, out)?;
                out.write_char('"')
            }
            Self::Text(values) => write_quoted(values.value(row), out),
            Self::Json(values) => write_on_one_line(values.value(row), out),
        }
    }
}

/// Writes a float in the fewest digits that make it again.
fn write_float(value: f64, out: &mut dyn Write) -> fmt::Result {
    match Number::from_f64(value) {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "{value}"),
    }
}

/// Writes a day. Those that no calendar has stay numbers.
fn write_date(days: i32, out: &mut dyn Write) -> fmt::Result {
    match DateTime::from_timestamp(i64::from(days) * SECONDS_PER_DAY, 0) {
        Some(moment) => write!(out, "{}", moment.date_naive()),
        None => write!(out, "{days}"),
    }
}

/// Writes a moment by RFC 3339. All have the same length, so that they are sorted as texts.
fn write_moment(micros: i64, out: &mut dyn Write) -> fmt::Result {
    match DateTime::from_timestamp_micros(micros) {
        Some(moment) => out.write_str(&moment.to_rfc3339_opts(SecondsFormat::Micros, true)),
        None => write!(out, "{micros}"),
    }
}

/// Writes a text as a JSON string on one line.
pub(super) fn write_quoted(text: &str, out: &mut dyn Write) -> fmt::Result {
    // U+2028 and U+2029 begin with 0xe2.
    if text.bytes().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\' | 0xe2)) {
        return write_on_one_line(&serde_json::to_string(text).map_err(|_| fmt::Error)?, out);
    }
    out.write_char('"')?;
    out.write_str(text)?;
    out.write_char('"')
}

/// Writes JSON as it is, but for what ends a line: line breaks can only be between its tokens, and the
/// separators of lines and paragraphs only in its texts, where they are escaped.
pub(super) fn write_on_one_line(json: &str, out: &mut dyn Write) -> fmt::Result {
    json.split_inclusive(LINE_ENDS).try_for_each(|line| {
        let text = line.trim_end_matches(LINE_ENDS);
        out.write_str(text)?;
        out.write_str(match line.strip_prefix(text) {
            None | Some("") => "",
            Some("\u{2028}") => "\\u2028",
            Some("\u{2029}") => "\\u2029",
            Some(_) => " ",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cells: &Cells<'_>, row: usize) -> String {
        let mut text = String::new();
        cells.write_text(row, &mut text).unwrap();
        text
    }

    fn json(cells: &Cells<'_>, row: usize) -> String {
        let mut json = String::new();
        cells.write_json(row, &mut json).unwrap();
        json
    }

    #[test]
    fn numbers_keep_every_digit() {
        let ints = Int64Array::from(vec![i64::MIN, i64::MAX]);
        let ints = Cells::Int(&ints);
        assert_eq!(text(&ints, 0), "-9223372036854775808");
        assert_eq!(json(&ints, 1), "9223372036854775807");
        let floats = Float64Array::from(vec![0.1, 1e300, 7.0, -0.0, f64::NAN, f64::INFINITY]);
        let floats = Cells::Float(&floats);
        for (row, expected) in ["0.1", "1e300", "7.0", "-0.0", "null", "null"].iter().enumerate() {
            assert_eq!(json(&floats, row).replace("e+", "e"), *expected);
        }
        assert_eq!(text(&floats, 4), "NaN");
        let decimals =
            Decimal128Array::from(vec![5, -123_456]).with_precision_and_scale(38, 2).unwrap();
        let decimals = Cells::Decimal(&decimals);
        assert_eq!((json(&decimals, 0), text(&decimals, 1)), ("0.05".into(), "-1234.56".into()));
    }

    #[test]
    fn days_and_moments_are_those_of_rfc_3339() {
        let moments = TimestampMicrosecondArray::from(vec![0, 1_500_000, -1, i64::MAX]);
        let moments = Cells::Timestamp(&moments);
        assert_eq!(text(&moments, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(json(&moments, 1), "\"1970-01-01T00:00:01.500000Z\"");
        assert_eq!(text(&moments, 2), "1969-12-31T23:59:59.999999Z");
        assert!(!text(&moments, 3).is_empty());
        let days = Date32Array::from(vec![19_782, -1, i32::MAX]);
        let days = Cells::Date(&days);
        assert_eq!(text(&days, 0), "2024-02-29");
        assert_eq!(json(&days, 1), "\"1969-12-31\"");
        assert_eq!(text(&days, 2), "2147483647");
    }

    #[test]
    fn json_stays_as_it_is_on_one_line() {
        let values =
            StringArray::from(vec![Some("{\n \"a\": 1.00000000000000000001,\r\n\"a\":2}"), None]);
        let cells = Cells::Json(&values);
        assert_eq!(json(&cells, 0), "{  \"a\": 1.00000000000000000001,  \"a\":2}");
        assert_eq!(json(&cells, 1), "null");
        let texts = StringArray::from(vec!["a\"\n\u{0}é"]);
        assert_eq!(json(&Cells::Text(&texts), 0), "\"a\\\"\\n\\u0000é\"");
    }

    #[test]
    fn separators_of_lines_and_paragraphs_are_escaped() {
        let texts = StringArray::from(vec!["“\u{2028}\u{2029}\""]);
        assert_eq!(json(&Cells::Text(&texts), 0), "\"“\\u2028\\u2029\\\"\"");
        let values = StringArray::from(vec!["{\"\u{2028}\":\n\"\u{2029}“\"}"]);
        assert_eq!(json(&Cells::Json(&values), 0), "{\"\\u2028\": \"\\u2029“\"}");
    }
}

//! [pure] One value of a row, as its JSON has it, and the narrowest type that holds it.

use std::borrow::Cow;

use crate::schema::ColumnType;

/// Up to this many significant digits every decimal is the shortest text of its own float.
const SAFE_DIGITS: usize = 15;
/// No float has more significant digits.
const MOST_DIGITS: usize = 767;

/// A value of a row. Numbers and JSON are the text that came, so no digit is lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Null, or not there.
    #[default]
    Null,
    Bool(bool),
    /// The text of a number in JSON.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// The text of an object or a list.
    Json(&'a str),
}

impl<'a> Cell<'a> {
    /// The value that a JSON text is.
    pub(crate) fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::Text(unquoted(text)),
            Some(b'{' | b'[') => Self::Json(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(Cow::Borrowed(text)),
        }
    }

    /// The narrowest type that holds the value; `None` for null.
    pub(crate) fn kind(&self) -> Option<ColumnType> {
        match self {
            Self::Null => None,
            Self::Bool(_) => Some(ColumnType::Bool),
            Self::Number(text) => Some(number_kind(text)),
            Self::Text(_) => Some(ColumnType::Text),
            Self::Json(_) => Some(ColumnType::Json),
        }
    }

    /// The value as text, as a `text` column holds it; `None` for null.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Json(text) => Some(text),
            Self::Number(text) | Self::Text(text) => Some(text),
        }
    }
}

/// The text in a JSON string.
fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = text.get(1..text.len() - 1).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // It was parsed before; what cannot be unescaped, such as half a surrogate pair, stays as it is.
    serde_json::from_str(text).map_or(Cow::Borrowed(inner), Cow::Owned)
}

fn number_kind(text: &str) -> ColumnType {
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return match text.parse::<i64>() {
            Ok(_) if text != "-0" => ColumnType::Int,
            Ok(_) => ColumnType::Float,
            Err(_) => ColumnType::Text,
        };
    }
    if keeps_its_digits(text) { ColumnType::Float } else { ColumnType::Text }
}

/// Whether a float keeps every digit of a number.
fn keeps_its_digits(text: &str) -> bool {
    let Ok(float) = text.parse::<f64>() else { return false };
    if !float.is_finite() {
        return false;
    }
    if text.len() <= SAFE_DIGITS && float.is_normal() {
        return true;
    }
    let Some(own) = Digits::of(text) else { return false };
    let count = own.significant.len();
    if count <= SAFE_DIGITS && (float.is_normal() || count == 0) {
        return true;
    }
    if count > MOST_DIGITS {
        return false;
    }
    // Some programs write the fewest digits that make the float again, and others as many as they are
    // told to.
    let precision = count.saturating_sub(1);
    let is_own = |written: String| Digits::of(&written).as_ref() == Some(&own);
    is_own(format!("{float:e}")) || is_own(format!("{float:.precision$e}"))
}

/// A decimal number by its digits, however it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digits {
    is_negative: bool,
    /// Its digits without the zeros around them; empty for zero.
    significant: String,
    /// The power of ten of the last one; 0 for zero.
    exponent: i64,
}

impl Digits {
    /// The number that a text is; `None` if it is not one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let upper = all.trim_end_matches('0');
        let zeros = all.len() - upper.len();
        let significant = upper.trim_start_matches('0').to_owned();
        let exponent = match significant.is_empty() {
            true => 0,
            false => exponent.checked_sub(fraction.len() as i64)?.checked_add(zeros as i64)?,
        };
        Some(Self { is_negative: text.starts_with('-'), significant, exponent })
    }

    /// The number times ten to the power of `scale`, if that is whole and has no more digits than fit.
    pub(super) fn scaled(&self, scale: i64) -> Option<i128> {
        if self.significant.is_empty() {
            return Some(0);
        }
        let zeros = u32::try_from(self.exponent.checked_add(scale)?).ok()?;
        let magnitude = self.significant.parse::<i128>().ok()?;
        let magnitude = magnitude.checked_mul(10_i128.checked_pow(zeros)?)?;
        Some(if self.is_negative { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType::{Bool, Float, Int, Json, Text};

    fn kind(json: &str) -> Option<ColumnType> {
        Cell::of(json).kind()
    }

    #[test]
    fn a_value_has_the_narrowest_type_that_loses_nothing() {
        for (json, expected) in [
            ("null", None),
            ("true", Some(Bool)),
            ("7", Some(Int)),
            ("-9223372036854775808", Some(Int)),
            ("9223372036854775808", Some(Text)),
            ("-0", Some(Float)),
            ("7.0", Some(Float)),
            ("0.1", Some(Float)),
            ("0.30000000000000004", Some(Float)),
            ("0.300000000000000041", Some(Text)),
            ("123.31999999999999", Some(Float)),
            ("123.319999999999991", Some(Text)),
            ("-20.510000000000001563194018672220408916473388671875", Some(Float)),
            ("20.510000000000001563194018672220408916473388671876", Some(Text)),
            ("1234567890.123456789", Some(Text)),
            ("1e400", Some(Text)),
            ("1e-400", Some(Text)),
            ("0e-400", Some(Float)),
            ("5e-324", Some(Float)),
            ("1.23456789e-320", Some(Text)),
            ("0.000", Some(Float)),
            ("100000000000000000000.0", Some(Float)),
            ("1.7976931348623157e308", Some(Float)),
            ("\"7\"", Some(Text)),
            ("{}", Some(Json)),
            ("[1]", Some(Json)),
        ] {
            assert_eq!(kind(json), expected, "{json}");
        }
    }

    #[test]
    fn a_number_of_a_megabyte_is_text() {
        let one = format!("0.{}", "1".repeat(1 << 20));
        assert_eq!(kind(&one), Some(Text));
        let half = format!("0.5{}", "0".repeat(1 << 20));
        assert_eq!(kind(&half), Some(Float));
    }

    #[test]
    fn a_number_is_scaled_without_loss_or_not_at_all() {
        for (text, scale, expected) in [
            ("7", 0, Some(7)),
            ("-7.50", 2, Some(-750)),
            ("+.5", 1, Some(5)),
            ("5.", 0, Some(5)),
            ("1.55E10", 0, Some(15_500_000_000)),
            ("1e+2", 0, Some(100)),
            ("120e-1", 0, Some(12)),
            ("120e-2", 0, None),
            ("1200", -2, Some(12)),
            ("0.000", 0, Some(0)),
            ("-0e9999999999", 9, Some(0)),
            ("007", 0, Some(7)),
            ("170141183460469231731687303715884105727", 0, Some(i128::MAX)),
            ("170141183460469231731687303715884105728", 0, None),
            ("1e9223372036854775807", 1, None),
            ("1e99999999999999999999", 0, None),
            ("1e-9223372036854775808", 0, None),
            ("", 0, None),
            ("-", 0, None),
            (".", 0, None),
            ("--1", 0, None),
            ("1e", 0, None),
            ("1e+-1", 0, None),
            ("1.2.3", 0, None),
            ("1_000", 0, None),
            (" 1", 0, None),
            ("inf", 0, None),
            ("\u{661}", 0, None),
        ] {
            let scaled = Digits::of(text).and_then(|digits| digits.scaled(scale));
            assert_eq!(scaled, expected, "{text} by {scale}");
        }
    }

    #[test]
    fn texts_are_unescaped_and_borrowed_if_they_need_no_change() {
        let cell = Cell::of(r#""a\nbé""#);
        assert_eq!(cell.text(), Some("a\nbé"));
        let cell = Cell::of(r#""plain""#);
        assert!(matches!(cell, Cell::Text(Cow::Borrowed("plain"))));
    }

    proptest::proptest! {
        #[test]
        fn every_float_that_json_writes_is_a_float(float in proptest::num::f64::NORMAL) {
            let text = serde_json::to_string(&float).unwrap();
            let kind = kind(&text);
            proptest::prop_assert_eq!(kind, Some(Float), "{}", text);
        }
    }
}

//! [pure] One value of a row, as its JSON has it, and the narrowest type that holds it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::schema::ColumnType;

/// Up to this many significant digits every decimal is the shortest text of its own float.
const SAFE_DIGITS: usize = 15;

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
    /// The value of a JSON text.
    pub(crate) fn of(value: &'a RawValue) -> Self {
        let text = value.get();
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
    let own = digits(text);
    if own.0.len() <= SAFE_DIGITS && (float != 0.0 || own.0.is_empty()) {
        return true;
    }
    own == digits(&format!("{float:e}"))
}

/// The significant digits of a number, and the power of ten of the first one.
fn digits(text: &str) -> (String, i64) {
    let text = text.trim_start_matches('-');
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MAX);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let power = whole.len() as i64 - leading as i64;
    let significant = all.trim_matches('0').to_owned();
    if significant.is_empty() {
        return (significant, 0);
    }
    (significant, exponent.saturating_add(power))
}

/// Builds cells from any place in JSON.
impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType::{Bool, Float, Int, Json, Text};

    fn kind(json: &str) -> Option<ColumnType> {
        serde_json::from_str::<Cell<'_>>(json).unwrap().kind()
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
            ("1234567890.123456789", Some(Text)),
            ("1e400", Some(Text)),
            ("1e-400", Some(Text)),
            ("0e-400", Some(Float)),
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
    fn texts_are_unescaped_and_borrowed_if_they_need_no_change() {
        let cell: Cell<'_> = serde_json::from_str(r#""a\nbé""#).unwrap();
        assert_eq!(cell.text(), Some("a\nbé"));
        let cell: Cell<'_> = serde_json::from_str(r#""plain""#).unwrap();
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

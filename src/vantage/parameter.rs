//! [pure] Encodes values and names as parts of a URL. Knows nothing of what they are sent for.

use ciborium::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{kind::uuid_text, number::wide_digits};

/// Query parameters before they are encoded.
pub(super) type Parameters = Vec<(String, String)>;

/// Everything except the unreserved characters of RFC 3986 section 2.3: a value then stays one
/// path segment or one query parameter whatever it contains.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` with everything encoded that has a meaning in a URL.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The text of a value in a query parameter: booleans as `true` and `false`, integers by their
/// digits, finite floats in their shortest form, strings as they are, a date (RFC 8949 section
/// 3.4.1) as its text, an integer in bytes (section 3.4.3) by its digits, the 16 bytes of a UUID
/// as its text. Any other value has none.
pub(super) fn parameter_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Integer(number) => Some(i128::from(*number).to_string()),
        Value::Float(number) if number.is_finite() => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Tag(0, date) => date.as_text().map(str::to_owned),
        value => wide_digits(value).or_else(|| uuid_text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_dates_have_a_text_and_nothing_else_has() {
        let date = "2024-01-01T00:00:00Z";
        let texts = [
            (Value::from(true), Some("true")),
            (Value::from(u64::MAX), Some("18446744073709551615")),
            (Value::from(-7), Some("-7")),
            (Value::from(7.0), Some("7")),
            (Value::from(0.25), Some("0.25")),
            (Value::from("a&b"), Some("a&b")),
            (Value::Tag(0, Box::new(Value::from(date))), Some(date)),
            (Value::from(f64::NAN), None),
            (Value::Null, None),
            (Value::Array(vec![]), None),
            (Value::Map(vec![]), None),
            (Value::Bytes(vec![1]), None),
            (Value::Tag(1, Box::new(Value::from(7))), None),
            (Value::Bytes(vec![0; 16]), Some("00000000-0000-0000-0000-000000000000")),
        ];
        for (value, text) in texts {
            assert_eq!(parameter_text(&value).as_deref(), text, "{value:?}");
        }
    }
}

//! [pure] Records of Vantage as objects of JSON.

use std::fmt::Write;

use ciborium::Value;
use vantage_types::Record;

/// A record as an object. What is not finite is null, and bytes are text in hexadecimal behind `\x`, as
/// PostgreSQL writes them.
pub(super) fn object(record: &Record<Value>) -> String {
    let mut out = String::from("{");
    for (number, (name, value)) in record.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        push_text(&mut out, name);
        out.push(':');
        push(&mut out, value);
    }
    out.push('}');
    out
}

fn push(out: &mut String, value: &Value) {
    // A text takes whatever is written to it.
    let _ = match value {
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Integer(number) => write!(out, "{}", i128::from(*number)),
        Value::Float(number) if number.is_finite() => write!(out, "{number:?}"),
        Value::Text(text) => {
            push_text(out, text);
            Ok(())
        }
        Value::Bytes(bytes) => {
            let mut text = String::from("\\x");
            bytes.iter().for_each(|byte| {
                let _ = write!(text, "{byte:02x}");
            });
            push_text(out, &text);
            Ok(())
        }
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                push(out, item);
            }
            out.push(']');
            Ok(())
        }
        Value::Map(pairs) => {
            out.push('{');
            for (number, (key, value)) in pairs.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                push_key(out, key);
                out.push(':');
                push(out, value);
            }
            out.push('}');
            Ok(())
        }
        Value::Tag(_, value) => {
            push(out, value);
            Ok(())
        }
        _ => write!(out, "null"),
    };
}

/// A key, which is a text in JSON.
fn push_key(out: &mut String, key: &Value) {
    match key {
        Value::Text(text) => push_text(out, text),
        other => {
            let mut text = String::new();
            push(&mut text, other);
            push_text(out, &text);
        }
    }
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_json() {
        let text = |text: &str| Value::Text(text.into());
        for (value, json) in [
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::from(u64::MAX), "18446744073709551615"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1e300), "1e300"),
            (Value::Float(f64::NAN), "null"),
            (text("a \"b\"\n"), r#""a \"b\"\n""#),
            (Value::Bytes(vec![0, 255]), r#""\\x00ff""#),
            (Value::Tag(0, Box::new(text("2024-02-29"))), r#""2024-02-29""#),
            (Value::Array(vec![Value::from(1), Value::Array(vec![])]), "[1,[]]"),
            (
                Value::Map(vec![(Value::from(1), text("x")), (text("b"), Value::Null)]),
                r#"{"1":"x","b":null}"#,
            ),
        ] {
            let mut record = Record::new();
            record.insert("a".to_owned(), value);
            assert_eq!(object(&record), format!("{{\"a\":{json}}}"));
            assert!(serde_json::from_str::<serde_json::Value>(&object(&record)).is_ok());
        }
    }
}

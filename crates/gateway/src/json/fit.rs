//! [pure] Whether a value that a client sends is one of its column, and a row of such values.

use ciborium::Value;
use vantage_types::Record;

use crate::{
    Problem,
    problem::listed,
    table_config::{Kind, Table},
};

/// A value as one of a column of this kind. A null is one of every column.
///
/// # Errors
/// What it should be.
pub(crate) fn fit(value: Value, kind: Kind) -> Result<Value, String> {
    let wrong = |what: &str| Err(format!("it must be {what}"));
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Any, value) => Ok(value),
        (Kind::Integer(bounds), value) => {
            let integer = value.as_integer().and_then(|integer| bounds.value(integer.into()));
            integer.ok_or_else(|| format!("it must be {}", bounds.wanted()))
        }
        // A float whose fraction is zero may be written as an integer, and stays a float.
        (Kind::Float, Value::Integer(integer)) => match i128::from(integer) {
            integer if integer.unsigned_abs() <= 1 << 53 => Ok(Value::Float(integer as f64)),
            _ => wrong("a number that a float can hold"),
        },
        (Kind::Float, value @ Value::Float(_)) => Ok(value),
        (Kind::Float, _) => wrong("a number"),
        (Kind::Decimal, value @ (Value::Integer(_) | Value::Float(_))) => Ok(value),
        (Kind::Decimal, Value::Text(text)) if is_decimal(&text) => Ok(Value::Text(text)),
        (Kind::Decimal, _) => wrong("a number, or a text of digits"),
        (Kind::Text, value @ Value::Text(_)) => Ok(value),
        (Kind::Text, _) => wrong("a text"),
        (Kind::Bool, value @ Value::Bool(_)) => Ok(value),
        (Kind::Bool, _) => wrong("true or false"),
    }
}

/// Whether a text is a decimal without an exponent.
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole) && are_digits(fraction)
}

/// A row that a client sends, checked: its columns may be written, their values fit, and if the row
/// is `whole`, no column is missing that must be there. `pointer` leads to the row in the body.
///
/// # Errors
/// 422 with everything that is wrong.
pub(crate) fn record_of(
    table: &Table,
    row: Value,
    is_whole: bool,
    pointer: &str,
) -> Result<Record<Value>, Problem> {
    let refused = || Problem::unprocessable("invalid_row", "the row is not one of this table");
    let Value::Map(members) = row else {
        return Err(refused().with_error(pointer, "it must be an object"));
    };
    let mut record = Record::with_capacity(members.len());
    let mut errors = Vec::new();
    for (name, value) in members {
        let name = name.into_text().unwrap_or_default();
        let at = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some(column) = table.column(&name).filter(|column| column.writable) else {
            let all = listed(table.names(|column| column.writable));
            errors.push((at, format!("this column cannot be written; those that can are: {all}")));
            continue;
        };
        if column.mandatory && value.is_null() {
            errors.push((at, "it must not be null".to_owned()));
            continue;
        }
        match fit(value, column.kind) {
            Ok(value) => {
                record.insert(name, value);
            }
            Err(what) => errors.push((at, what)),
        }
    }
    if is_whole {
        let needed = table.names(|column| column.mandatory && column.writable);
        for name in needed.into_iter().filter(|name| !record.contains_key(*name)) {
            errors.push((format!("{pointer}/{name}"), "it must be given".to_owned()));
        }
    }
    if errors.is_empty() && record.is_empty() {
        errors.push((pointer.to_owned(), "it sets no column".to_owned()));
    }
    if errors.is_empty() {
        return Ok(record);
    }
    // A client needs no list of a thousand slips.
    let errors = errors.into_iter().take(20);
    Err(errors.fold(refused(), |problem, (at, what)| problem.with_error(at, what)))
}

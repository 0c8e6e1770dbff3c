//! [pure] Filters as PostgREST writes them: `column=operator.value`. All filters must be met.
//!
//! A value is read as the type of its column. Where none is declared, a number, `true` and `false`
//! are what they look like, and anything in double quotes is text.

use ciborium::{Value, value::Integer};
use vantage_vista::FilterOp;

use crate::{json::is_decimal, table_config::Kind};

/// The operators, as they are listed when one is unknown.
pub(crate) const OPERATORS: &str = "eq, neq, gt, gte, lt, lte, in, nin, like, ilike, is, and not \
                                    before eq, neq, gt, gte, lt, lte, in and is";

/// One comparison.
pub(crate) type Filter = (FilterOp, Value);

/// Reads `operator.value` for a column of this kind. `most` bounds the values of a list.
///
/// # Errors
/// What is wrong, as a text for the client.
pub(crate) fn parse(text: &str, kind: Kind, most: usize) -> Result<Filter, String> {
    let (is_negated, text) = match text.strip_prefix("not.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let Some((operator, operand)) = text.split_once('.') else {
        return Err(format!("write operator.value, with one of: {OPERATORS}"));
    };
    let filter = match operator {
        "is" => (FilterOp::Eq, is_value(operand)?),
        "in" | "nin" => {
            let op = if operator == "in" { FilterOp::InSet } else { FilterOp::NotInSet };
            let items = items(operand)?;
            if items.len() > most {
                return Err(format!("a list has at most {most} values; this has {}", items.len()));
            }
            let values: Result<Vec<Value>, String> =
                items.into_iter().map(|item| value(&item.text, item.is_quoted, kind)).collect();
            (op, Value::Array(values?))
        }
        "like" | "ilike" => (FilterOp::Like, Value::Text(contained(operand)?)),
        _ => {
            let op = comparison(operator).ok_or_else(|| {
                format!("there is no operator {operator:?}; there are: {OPERATORS}")
            })?;
            let unquoted = quoted(operand);
            let (text, is_quoted) = match &unquoted {
                Some(text) => (text.as_str(), true),
                None => (operand, false),
            };
            (op, value(text, is_quoted, kind)?)
        }
    };
    if !is_negated {
        return Ok(filter);
    }
    match negation(filter.0) {
        Some(op) => Ok((op, filter.1)),
        None => Err(format!("there is no \"not.{operator}\"; there are: {OPERATORS}")),
    }
}

/// The comparison that an operator of one value names.
pub(crate) fn comparison(operator: &str) -> Option<FilterOp> {
    Some(match operator {
        "eq" => FilterOp::Eq,
        "neq" | "ne" => FilterOp::Ne,
        "gt" => FilterOp::Gt,
        "gte" => FilterOp::Gte,
        "lt" => FilterOp::Lt,
        "lte" => FilterOp::Lte,
        _ => return None,
    })
}

fn negation(op: FilterOp) -> Option<FilterOp> {
    Some(match op {
        FilterOp::Eq => FilterOp::Ne,
        FilterOp::Ne => FilterOp::Eq,
        FilterOp::Gt => FilterOp::Lte,
        FilterOp::Gte => FilterOp::Lt,
        FilterOp::Lt => FilterOp::Gte,
        FilterOp::Lte => FilterOp::Gt,
        FilterOp::InSet => FilterOp::NotInSet,
        FilterOp::NotInSet => FilterOp::InSet,
        _ => return None,
    })
}

fn is_value(operand: &str) -> Result<Value, String> {
    match operand {
        "null" => Ok(Value::Null),
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err("\"is\" takes null, true or false".to_owned()),
    }
}

/// The text that a pattern finds anywhere: `*text*` and `text` are the same.
pub(crate) fn contained(pattern: &str) -> Result<String, String> {
    let inner = pattern.strip_prefix('*').and_then(|rest| rest.strip_suffix('*'));
    let text = inner.unwrap_or(pattern);
    if text.is_empty() {
        return Err("\"like\" needs a text to find".to_owned());
    }
    if text.contains('*') {
        return Err("\"like\" finds a text anywhere: write *text*, or text".to_owned());
    }
    Ok(text.to_owned())
}

/// A text as a value of a column of this kind.
fn value(text: &str, is_quoted: bool, kind: Kind) -> Result<Value, String> {
    let integer = || text.parse::<i64>().map(Value::from).ok();
    let number = || {
        let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
        integer().or_else(|| float.map(Value::Float))
    };
    let boolean = || match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    };
    let wrong = |what: &str| format!("{text:?} is not {what}");
    match kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Integer(bounds) => {
            let integer = text.parse().ok().and_then(|integer| bounds.value(integer));
            integer.ok_or_else(|| wrong(&bounds.wanted()))
        }
        Kind::Float => number().ok_or_else(|| wrong("a number")),
        Kind::Decimal => decimal(text).or_else(number).ok_or_else(|| wrong("a number")),
        Kind::Bool => boolean().ok_or_else(|| wrong("true or false")),
        Kind::Any if is_quoted => Ok(Value::Text(text.to_owned())),
        Kind::Any => {
            // What a number would not be written as, such as 007 or +1, is text.
            let looks = |found: &Value| match found {
                Value::Integer(integer) => i128::from(*integer).to_string() == text,
                _ => text.bytes().all(|byte| byte.is_ascii_digit() || b"-.eE".contains(&byte)),
            };
            let found = boolean().or_else(|| number().filter(looks));
            Ok(found.unwrap_or_else(|| Value::Text(text.to_owned())))
        }
    }
}

/// A decimal that is not a float: an integer, or the text itself if a float has other digits.
fn decimal(text: &str) -> Option<Value> {
    if !is_decimal(text) {
        return None;
    }
    if let Ok(integer) = text.parse::<i128>()
        && let Ok(integer) = Integer::try_from(integer)
    {
        return Some(Value::Integer(integer));
    }
    let is_float = text.parse::<f64>().is_ok_and(|float| parts(&float.to_string()) == parts(text));
    (!is_float).then(|| Value::Text(text.to_owned()))
}

/// The sign of a decimal and its digits before and after the point, without zeros that say nothing.
fn parts(decimal: &str) -> (bool, &str, &str) {
    let digits = decimal.strip_prefix('-').unwrap_or(decimal);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    (digits.len() < decimal.len(), whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
}

/// One value of a list.
struct Item {
    text: String,
    is_quoted: bool,
}

/// The text between double quotes, with `\"` and `\\` undone, if all of `text` is that.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"').filter(|_| text.len() > 1)?;
    let mut whole = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(char) = rest.next() {
        match char {
            '"' => return None,
            '\\' => whole.push(rest.next()?),
            char => whole.push(char),
        }
    }
    Some(whole)
}

/// The values of `(a,"b,c",d)`.
fn items(text: &str) -> Result<Vec<Item>, String> {
    let wrong = || "a list is written (a,b,\"c,d\")".to_owned();
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let (mut from, mut is_in_quotes, mut is_escaped) = (0, false, false);
    for (at, char) in inner.char_indices().chain([(inner.len(), ',')]) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_in_quotes => is_escaped = true,
            '"' if is_in_quotes || at == from => is_in_quotes = !is_in_quotes,
            ',' if !is_in_quotes => {
                let item = inner.get(from..at).ok_or_else(wrong)?;
                items.push(match quoted(item) {
                    Some(text) => Item { text, is_quoted: true },
                    None if item.starts_with('"') => return Err(wrong()),
                    None => Item { text: item.to_owned(), is_quoted: false },
                });
                from = at + 1;
            }
            _ => {}
        }
    }
    // Quotes that did not end took the last comma for text.
    if is_in_quotes { Err(wrong()) } else { Ok(items) }
}

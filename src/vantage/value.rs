//! [pure] How the values of rows compare: with the values of a condition, and with each other in an
//! order.

use std::{borrow::Cow, cmp::Ordering};

use chrono::{DateTime, FixedOffset};
use ciborium::Value;

use super::{condition::Operator, number::Number};

/// Whether two values are equal. Neither is null. A boolean also equals the number 1 or 0.
pub(super) fn same(one: &Value, other: &Value, is_numeric: bool) -> bool {
    if let (Value::Bool(flag), number) | (number, Value::Bool(flag)) = (one, other)
        && !is_text(number)
    {
        return as_flag(number) == Some(*flag);
    }
    match (text(one), text(other)) {
        (Some(a), Some(b)) if a == b => true,
        (Some(_), Some(_)) => compare(one, other, is_numeric) == Some(Ordering::Equal),
        _ => false,
    }
}

/// How `one` compares to `other`; `None` if they cannot be compared. Texts of a
/// column that `is_numeric` are numbers if possible.
pub(super) fn compare(one: &Value, other: &Value, is_numeric: bool) -> Option<Ordering> {
    if let (Value::Bool(one), Value::Bool(other)) = (one, other) {
        return Some(one.cmp(other));
    }
    if let (Value::Integer(one), Value::Integer(other)) = (one, other) {
        return Some(one.cmp(other));
    }
    let (a, b) = (text(one)?, text(other)?);
    let both_are_texts = is_text(one) && is_text(other);
    if (is_numeric || !both_are_texts)
        && let (Some(a), Some(b)) = (number(one, &a), number(other, &b))
    {
        return Some(a.cmp(&b));
    }
    if !both_are_texts {
        return None;
    }
    match (instant(&a), instant(&b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => Some(a.cmp(&b)),
    }
}

/// A boolean, or the number that stands for one.
pub(super) fn as_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Integer(number) => match i128::from(*number) {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::Float(0.0) => Some(false),
        Value::Float(1.0) => Some(true),
        _ => None,
    }
}

/// Whether `value` contains or starts with `part`, or matches it as an SQL pattern, ignoring case.
/// `None` if it has no text, such as a list, and for other operators.
pub(super) fn matches(value: &Value, operator: Operator, part: &str) -> Option<bool> {
    let text = text(value)?.to_lowercase();
    let part = part.to_lowercase();
    match operator {
        Operator::Contains => Some(text.contains(&part)),
        Operator::StartsWith => Some(text.starts_with(&part)),
        Operator::Like => Some(like(&text, &part)),
        _ => None,
    }
}

/// The most characters of an SQL pattern.
pub(super) const LONGEST_PATTERN: usize = 1_000;

/// Matches an SQL pattern: `%` is any text, `_` any character. Each piece between `%` is searched
/// once, from the end of the one before it, so that no pattern takes long.
fn like(text: &str, pattern: &str) -> bool {
    let mut pieces: Vec<&str> = pattern.split('%').collect();
    let last = pieces.pop().unwrap_or_default();
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return behind(text, last) == Some("") };
    let rest = behind(text, first);
    let Some(rest) = pieces.fold(rest, |rest, piece| search(rest?, piece)) else { return false };
    let length = last.chars().count();
    let at = match length.checked_sub(1) {
        None => Some(rest.len()),
        Some(back) => rest.char_indices().nth_back(back).map(|(at, _)| at),
    };
    at.is_some_and(|at| behind(&rest[at..], last) == Some(""))
}

/// What follows `piece`, in which `_` is any character, at the start of `text`.
fn behind<'a>(text: &'a str, piece: &str) -> Option<&'a str> {
    let mut text = text.chars();
    let is_met =
        piece.chars().all(|wanted| text.next().is_some_and(|c| wanted == '_' || c == wanted));
    is_met.then_some(text.as_str())
}

/// What follows the first `piece` in `text`.
fn search<'a>(text: &'a str, piece: &str) -> Option<&'a str> {
    if !piece.contains('_') {
        return text.find(piece).and_then(|at| text.get(at + piece.len()..));
    }
    text.char_indices().find_map(|(at, _)| behind(text.get(at..)?, piece))
}

/// The sort key of a value. Booleans come before numbers, those before dates, those before other
/// texts, those before everything else, and missing values last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortKey {
    Bool(bool),
    Number(Number),
    Instant(DateTime<FixedOffset>),
    Text(String),
    Other,
    Absent,
}

impl SortKey {
    pub(super) fn of(value: Option<&Value>, is_numeric: bool) -> Self {
        let value = match value {
            None | Some(Value::Null) => return Self::Absent,
            Some(value) => value,
        };
        if let Value::Bool(flag) = value {
            return Self::Bool(*flag);
        }
        let Some(text) = text(value) else { return Self::Other };
        if let Some(number) = number(value, &text).filter(|_| is_numeric || !is_text(value)) {
            return Self::Number(number);
        }
        instant(&text).map_or_else(|| Self::Text(text.into_owned()), Self::Instant)
    }

    /// How two rows are ordered: missing values are last in both directions.
    pub(super) fn order(&self, other: &Self, is_descending: bool) -> Ordering {
        match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => self.cmp(other),
            _ if is_descending => other.cmp(self),
            _ => self.cmp(other),
        }
    }
}

/// The text by which a value is compared; `None` if it cannot be compared.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Tag(0, date) => date.as_text().map(Cow::Borrowed),
        value => super::parameter::parameter_text(value).map(Cow::Owned),
    }
}

pub(super) fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_) | Value::Tag(0, _))
}

pub(super) fn number(value: &Value, text: &str) -> Option<Number> {
    (!value.is_bool()).then(|| Number::parse(text))?
}

/// A date and time of RFC 3339.
pub(super) fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    let starts_like_a_date = text.as_bytes().get(4) == Some(&b'-');
    starts_like_a_date.then(|| DateTime::parse_from_rfc3339(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(one: impl Into<Value>, other: impl Into<Value>) -> Option<Ordering> {
        compare(&one.into(), &other.into(), false)
    }

    #[test]
    fn numbers_compare_exactly_whatever_their_size_and_form() {
        use Ordering::{Equal, Greater, Less};
        assert_eq!(order(9_007_199_254_740_993_u64, 9_007_199_254_740_992.0), Some(Greater));
        assert_eq!(order(u64::MAX, "18446744073709551615.5"), Some(Less));
        assert_eq!(order(7, 7.0), Some(Equal));
        assert_eq!(order(7.50, "7.5"), Some(Equal));
        assert_eq!(order("-0.00", 0), Some(Equal));
        assert_eq!(order(-10, -9.5), Some(Less));
        assert_eq!(order("1e3", 1000), Some(Equal));
        assert_eq!(order("1e-3", 0.001), Some(Equal));
        for no_number in ["007", "", "-", ".5", "1.", "1e", "0x1", " 1", "1e99999999999999999999"] {
            assert_eq!(order(no_number, 7), None, "{no_number}");
        }
    }

    #[test]
    fn texts_compare_as_texts_unless_the_column_is_numeric() {
        assert_eq!(order("10", "9"), Some(Ordering::Less));
        assert_eq!(compare(&"10".into(), &"9".into(), true), Some(Ordering::Greater));
        assert_eq!(compare(&"10".into(), &"x".into(), true), Some(Ordering::Less));
        assert!(!same(&"7.0".into(), &"7".into(), false));
        assert!(same(&"7.0".into(), &"7".into(), true));
    }

    #[test]
    fn dates_compare_as_instants() {
        let noon = "2024-05-01T12:00:00Z";
        assert!(same(&noon.into(), &"2024-05-01T14:00:00.000+02:00".into(), false));
        let tagged = Value::Tag(0, Box::new("2024-05-01T13:00:00+02:00".into()));
        assert_eq!(compare(&tagged, &noon.into(), false), Some(Ordering::Less));
        assert_eq!(order("2024-05-01", noon), Some(Ordering::Less));
    }

    #[test]
    fn what_has_no_order_has_none() {
        assert_eq!(order(true, 1), None);
        assert_eq!(order("x", 1), None);
        assert_eq!(order(Value::Array(vec![]), 1), None);
        assert_eq!(order(f64::NAN, 1), None);
        assert!(same(&true.into(), &"true".into(), false));
        assert!(same(&true.into(), &1.into(), false) && same(&0.0.into(), &false.into(), false));
        assert!(!same(&true.into(), &2.into(), false) && !same(&true.into(), &"1".into(), false));
    }

    #[test]
    fn patterns_are_those_of_sql_in_any_case() {
        for (text, pattern, is) in [
            ("Germany", "ger%", true),
            ("Germany", "%MAN%", true),
            ("Germany", "g_r%y", true),
            ("Germany", "germany", true),
            ("Germany", "ger", false),
            ("Germany", "%", true),
            ("", "%%", true),
            ("", "_", false),
            ("aab", "%ab", true),
            ("Ærø", "æ_Ø", true),
        ] {
            assert_eq!(
                matches(&text.into(), Operator::Like, pattern),
                Some(is),
                "{text} {pattern}"
            );
        }
        assert_eq!(matches(&1234.into(), Operator::Contains, "23"), Some(true));
        assert_eq!(matches(&"Straße".into(), Operator::StartsWith, "STRA"), Some(true));
        assert_eq!(matches(&Value::Array(vec![]), Operator::Contains, ""), None);
    }

    #[test]
    fn what_is_not_there_is_last_either_way() {
        let key = |value: Value| SortKey::of(Some(&value), false);
        let absent = SortKey::of(None, false);
        for is_descending in [false, true] {
            assert_eq!(absent.order(&key(1.into()), is_descending), Ordering::Greater);
            assert_eq!(key("x".into()).order(&absent, is_descending), Ordering::Less);
        }
        assert_eq!(key(1.into()).order(&key(2.into()), true), Ordering::Greater);
        assert!(key(true.into()) < key(1.into()) && key(2.5.into()) < key("a".into()));
    }
}

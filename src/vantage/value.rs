//! [pure] How the values of rows compare: with what a condition names, and with each
//! other in an order.

use std::{borrow::Cow, cmp::Ordering};

use chrono::{DateTime, FixedOffset};
use ciborium::Value;

/// Whether two values are the same. Neither is null.
pub(super) fn same(one: &Value, other: &Value, is_numeric: bool) -> bool {
    match (text(one), text(other)) {
        (Some(a), Some(b)) if a == b => true,
        (Some(_), Some(_)) => compare(one, other, is_numeric) == Some(Ordering::Equal),
        _ => false,
    }
}

/// How `one` stands to `other`; `None` when they cannot be compared. Texts of a
/// column that `is_numeric` are numbers where they can be.
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

/// Whether `value` contains or starts with `part`, or matches it as a pattern of SQL, in
/// upper or lower case. `None` when it has no text, as a list.
pub(super) fn matches(value: &Value, how: Matching, part: &str) -> Option<bool> {
    let text = text(value)?.to_lowercase();
    let part = part.to_lowercase();
    Some(match how {
        Matching::Contains => text.contains(&part),
        Matching::StartsWith => text.starts_with(&part),
        Matching::Like => like(&text, &part),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    Contains,
    StartsWith,
    Like,
}

/// The pattern of SQL: `%` is any text, `_` any character. Goes back to the last `%`
/// alone, so that no pattern takes long.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut wanted) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(wanted) {
            Some('%') => {
                retry = Some((wanted + 1, at));
                wanted += 1;
            }
            Some(c) if *c == '_' || *c == text[at] => {
                at += 1;
                wanted += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (wanted, at) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[wanted..].iter().all(|c| *c == '%')
}

/// The place of a value in an order. Booleans come before numbers, those before dates,
/// those before other texts, those before everything else, and what is not there last.
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

    /// How two rows stand to each other: what is not there is last either way.
    pub(super) fn order(&self, other: &Self, is_descending: bool) -> Ordering {
        match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => self.cmp(other),
            _ if is_descending => other.cmp(self),
            _ => self.cmp(other),
        }
    }
}

/// The text that a value compares by; `None` for what does not compare.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Tag(0, date) => date.as_text().map(Cow::Borrowed),
        value => super::condition::parameter_text(value).map(Cow::Owned),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_) | Value::Tag(0, _))
}

fn number(value: &Value, text: &str) -> Option<Number> {
    (!value.is_bool()).then(|| Number::parse(text))?
}

/// A date and time of RFC 3339.
fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    let starts_like_a_date = text.as_bytes().get(4) == Some(&b'-');
    starts_like_a_date.then(|| DateTime::parse_from_rfc3339(text).ok())?
}

/// A decimal number of any size, exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// The digits after `0.`, without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// The power of ten that they are multiplied with.
    exponent: i64,
}

impl Number {
    /// Reads a number as JSON writes it (RFC 8259 section 6).
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_idle_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || has_idle_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let trailing = all.iter().rev().take_while(|digit| **digit == b'0').count();
        let digits = all.get(leading..all.len().saturating_sub(trailing)).unwrap_or_default();
        if digits.is_empty() {
            return Some(Self { negative: false, digits: Vec::new(), exponent: 0 });
        }
        let places = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self { negative, digits: digits.to_vec(), exponent: exponent.checked_add(places)? })
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let size =
            || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| match self.sign() {
            0 => Ordering::Equal,
            -1 => size().reverse(),
            _ => size(),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a column declared as this Rust type holds numbers.
pub(super) fn is_numeric(type_name: &str) -> bool {
    const NUMBERS: [&str; 15] = [
        "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize",
        "f32", "f64", "Decimal",
    ];
    let last = type_name.trim_end_matches('>').rsplit(['<', ':']).next();
    last.is_some_and(|name| NUMBERS.contains(&name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
                matches(&text.into(), Matching::Like, pattern),
                Some(is),
                "{text} {pattern}"
            );
        }
        assert_eq!(matches(&1234.into(), Matching::Contains, "23"), Some(true));
        assert_eq!(matches(&"Straße".into(), Matching::StartsWith, "STRA"), Some(true));
        assert_eq!(matches(&Value::Array(vec![]), Matching::Contains, ""), None);
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

    #[test]
    fn numeric_columns_are_known_by_their_type() {
        for name in ["i64", "core::option::Option<u8>", "rust_decimal::decimal::Decimal"] {
            assert!(is_numeric(name), "{name}");
        }
        assert!(!is_numeric("alloc::string::String") && !is_numeric("bool"));
    }

    proptest! {
        #[test]
        fn numbers_order_like_their_values(a in any::<i64>(), b in any::<i64>()) {
            let [x, y] = [a, b].map(|n| Number::parse(&n.to_string()).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn decimals_order_like_their_values(a in -10_000_i64..10_000, b in -10_000_i64..10_000) {
            let [x, y] = [a, b].map(|n| {
                let sign = if n < 0 { "-" } else { "" };
                let text = format!("{sign}{}.{:02}", n.abs() / 100, n.abs() % 100);
                Number::parse(&text).unwrap()
            });
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}

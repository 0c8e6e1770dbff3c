//! [pure] Decimal numbers of any size, exact, and integers beyond 64 bits in CBOR.

use std::cmp::Ordering;

use ciborium::Value;

/// The tags of integers in bytes (RFC 8949 section 3.4.3).
const POSITIVE: u64 = 2;
const NEGATIVE: u64 = 3;

/// The most zeros in a plain form; every `f64` has fewer.
const MOST_ZEROS: i64 = 330;

/// A decimal number of any size, exact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Number {
    negative: bool,
    /// The digits after `0.`, without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// The power of ten by which they are multiplied.
    exponent: i64,
}

impl Number {
    /// Reads a number as JSON writes it (RFC 8259 section 6).
    pub(super) fn parse(text: &str) -> Option<Self> {
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

    /// The number in plain digits, without a fraction if it is whole; with an exponent if plain
    /// digits would be very long.
    pub(super) fn plain(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = String::from_utf8_lossy(&self.digits);
        let places = digits.len() as i64;
        match self.exponent {
            _ if digits.is_empty() => "0".to_owned(),
            exponent if exponent > MOST_ZEROS.max(places) || exponent < -MOST_ZEROS => {
                let (first, rest) = digits.split_at(1);
                let point = if rest.is_empty() { "" } else { "." };
                format!("{sign}{first}{point}{rest}e{}", exponent - 1)
            }
            exponent if exponent >= places => {
                format!("{sign}{digits}{}", zeros(exponent - places))
            }
            exponent if exponent > 0 => {
                let (whole, fraction) = digits.split_at(usize::try_from(exponent).unwrap_or(0));
                format!("{sign}{whole}.{fraction}")
            }
            exponent => format!("{sign}0.{}{digits}", zeros(-exponent)),
        }
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

fn zeros(number: i64) -> String {
    "0".repeat(usize::try_from(number).unwrap_or(0))
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

/// A JSON number with all its digits if it is an integer; otherwise the nearest float. `None` if it
/// is not a number.
pub(super) fn exact(text: &str) -> Option<Value> {
    if let Ok(number) =
        text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from))
        && text != "-0"
    {
        return Some(number);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() && text != "-0" {
        return Some(wide(text.starts_with('-'), digits));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float)
}

/// An integer beyond 64 bits from its decimal digits.
fn wide(is_negative: bool, digits: &str) -> Value {
    let mut bytes: Vec<u8> = Vec::new();
    // The lowest byte first.
    let mut times_ten_plus = |mut carry: u32| {
        for byte in &mut bytes {
            carry += u32::from(*byte) * 10;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push((carry & 0xff) as u8);
        }
    };
    for digit in digits.bytes() {
        times_ten_plus(u32::from(digit - b'0'));
    }
    if is_negative {
        // The tag of negative integers means -1 - n.
        for byte in &mut bytes {
            let (less, borrows) = byte.overflowing_sub(1);
            *byte = less;
            if !borrows {
                break;
            }
        }
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.reverse();
    let tag = if is_negative { NEGATIVE } else { POSITIVE };
    Value::Tag(tag, Box::new(Value::Bytes(bytes)))
}

/// The decimal digits of an integer in bytes.
pub(super) fn wide_digits(value: &Value) -> Option<String> {
    let Value::Tag(tag @ (POSITIVE | NEGATIVE), bytes) = value else { return None };
    // The lowest decimal digit first.
    let mut digits: Vec<u8> = vec![0];
    let mut shift_plus = |mut carry: u32| {
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    };
    for byte in bytes.as_bytes()? {
        shift_plus(u32::from(*byte));
    }
    if *tag == NEGATIVE {
        let mut carries = true;
        for digit in &mut digits {
            if !carries {
                break;
            }
            carries = *digit == 9;
            *digit = if carries { 0 } else { *digit + 1 };
        }
        if carries {
            digits.push(1);
        }
    }
    let sign = if *tag == NEGATIVE { "-" } else { "" };
    let digits: String = digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { format!("{sign}0") } else { format!("{sign}{digits}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_form_has_no_exponent_and_no_idle_zeros() {
        for (text, plain) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("1e0", "1"),
            ("1.0", "1"),
            ("-12.50", "-12.5"),
            ("12E2", "1200"),
            ("2.5e-3", "0.0025"),
            ("1e400", "1e400"),
            ("-1.25e-400", "-1.25e-400"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            assert_eq!(Number::parse(text).unwrap().plain(), plain, "{text}");
        }
    }

    #[test]
    fn an_integer_keeps_its_digits_whatever_its_size() {
        assert_eq!(exact("18446744073709551615"), Some(Value::from(u64::MAX)));
        assert_eq!(exact("-9223372036854775808"), Some(Value::from(i64::MIN)));
        assert_eq!(exact("1.5"), Some(Value::Float(1.5)));
        assert_eq!(exact("1e3"), Some(Value::Float(1000.0)));
        for wide in ["18446744073709551616", "-9223372036854775809", &"9".repeat(300)] {
            assert_eq!(wide_digits(&exact(wide).unwrap()).as_deref(), Some(wide));
        }
        assert_eq!(exact("18446744073709551616").unwrap().deserialized::<u128>().unwrap(), 1 << 64);
        assert_eq!(wide_digits(&Value::from(7)), None);
    }

    proptest! {
        #[test]
        fn wide_integers_are_those_of_ciborium(number in any::<i128>()) {
            let value = exact(&number.to_string()).unwrap();
            prop_assert_eq!(value.deserialized::<i128>().unwrap(), number);
            if i64::try_from(number).is_err() && u64::try_from(number).is_err() {
                prop_assert_eq!(wide_digits(&value).unwrap(), number.to_string());
            }
        }

        #[test]
        fn numbers_order_like_their_values(a in any::<i64>(), b in any::<i64>()) {
            let [x, y] = [a, b].map(|n| Number::parse(&n.to_string()).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn the_plain_form_is_the_same_number(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            let parsed = Number::parse(&number.to_string()).unwrap();
            let plain = parsed.plain();
            prop_assert_eq!(Number::parse(&plain), Some(parsed));
            prop_assert_eq!(plain.parse::<f64>().unwrap(), if number == 0.0 { 0.0 } else { number });
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

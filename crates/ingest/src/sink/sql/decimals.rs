//! [pure] Decimals as text, compared as numbers and with all their digits.

use std::cmp::Ordering;

/// Compares two decimals. What is none comes after all of them, in the order of texts.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Some(one), Some(other)) => one.compare(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

/// Whether a text is a decimal, as `-12.50` is.
pub(crate) fn is_decimal(text: &str) -> bool {
    Decimal::parse(text).is_some()
}

/// A decimal without the zeros that say nothing.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Self { is_negative: text.starts_with('-') && !is_zero, whole, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sizes = || {
            let whole = self.whole.len().cmp(&other.whole.len());
            whole.then_with(|| self.whole.cmp(other.whole)).then(self.fraction.cmp(other.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, false) => sizes(),
            (true, true) => sizes().reverse(),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_numbers_of_any_length() {
        let ordered = [
            "-100.5",
            "-99.75",
            "-9",
            "-0.10",
            "0",
            "0.05",
            "0.5",
            "9.00",
            "10",
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345679",
            "",
            "1e5",
            "NaN",
        ];
        for (index, one) in ordered.iter().enumerate() {
            for (at, other) in ordered.iter().enumerate() {
                assert_eq!(compare(one, other), index.cmp(&at), "{one} {other}");
            }
        }
        for (one, other) in [("12.5", "12.50"), ("-0.0", "0"), ("007", "7.00")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
        assert!(
            is_decimal("-12.50") && !is_decimal("+1") && !is_decimal("1.") && !is_decimal(".5")
        );
    }
}

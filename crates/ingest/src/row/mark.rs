//! [pure] The greatest value of a field so far, from which the next run goes on.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::description::moment_of;

/// The greatest value of a field that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) Option<String>);

impl Mark {
    /// Takes a value, if it is greater. An empty one is none.
    pub(crate) fn raise(&mut self, value: &str) {
        let is_greater =
            !value.is_empty() && self.0.as_deref().is_none_or(|own| compare(own, value).is_lt());
        if is_greater {
            self.0 = Some(value.to_owned());
        }
    }
}

/// Compares as numbers, or as moments in whatever layouts, if both are, and as texts otherwise.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let numbers = (Decimal::from_str_exact(one), Decimal::from_str_exact(other));
    if let (Ok(one), Ok(other)) = numbers {
        return one.cmp(&other);
    }
    match (moment_of(one), moment_of(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_raised_by_what_is_greater() {
        for (values, expected) in [
            (["9", "10", "2"], "10"),
            (["2024-01-01", "2023-12-31", "2024-01-02"], "2024-01-02"),
            (
                ["2024-01-01T00:00:00Z", "2024-01-01T01:30:00+02:00", "2023-12-31T23:59:59.9Z"],
                "2024-01-01T00:00:00Z",
            ),
            (
                ["2026-07-29T09:06:55Z", "2026-07-29 10:11:21", "2026-07-29T11:00:00+0200"],
                "2026-07-29 10:11:21",
            ),
            (
                ["2024-10-27T02:30:00+0200", "2024-10-27T02:10:00+01", "2024-10-27"],
                "2024-10-27T02:10:00+01",
            ),
            (["b", "a", ""], "b"),
        ] {
            let mut mark = Mark::default();
            values.iter().for_each(|value| mark.raise(value));
            assert_eq!(mark.0.as_deref(), Some(expected));
        }
    }
}

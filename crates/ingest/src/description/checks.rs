//! [pure] What must hold for the rows of a stream, as data.

use std::{fmt, ops::RangeInclusive};

use ciborium::Value;
use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};

use super::condition::Scalar;

/// What must hold for the rows of a stream.
///
/// ```yaml
/// checks:
///   columns:
///     email: [not_null]
///     code: [not_null, unique]
///     population: [{ range: [0, 2e9] }]
///   rows: ">= 1"
///   on_fail: fail
/// ```
///
/// | key | value |
/// |---|---|
/// | `columns` | what must hold for the values of single columns: a map of their names to lists of [`Check`]s |
/// | `rows` | how many rows a run writes: a text of `>=`, `>`, `<=`, `<` or `=` and a number, in quotes |
/// | `on_fail` | what becomes of a row for which a check of `columns` does not hold: `reject`, the default, or `fail`, see [`OnFail`] |
///
/// The number of rows is judged at the end of a run. If it is another one, the stream has failed, and
/// with `write: replace` or `sync` the table keeps the rows of before that the run has not brought;
/// what was appended or merged stays. The next run begins anew.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ChecksDescription {
    /// What must hold for the values of columns, by their names in the sink.
    pub columns: IndexMap<String, Vec<Check>>,
    /// How many rows a run writes.
    #[serde(deserialize_with = "rows")]
    pub rows: Option<RangeInclusive<u64>>,
    /// What becomes of a row for which a check does not hold.
    pub on_fail: OnFail,
}

/// What must hold for the values of a column, as they are written: `not_null`, `unique`, or
/// `{ range: [LEAST, GREATEST] }`. Nulls are unique and in any range.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// Each row has one.
    NotNull,
    /// No two rows of a run have the same one. Of a run that goes on after an error or in another
    /// process, those since then are compared. For up to 3,500,000 values of a stream, which takes
    /// about 70 MB; with more of them the stream fails.
    Unique,
    /// They are in a range.
    Range(Range),
}

/// A range of values: a list of the least and the greatest one, both numbers or both texts, such as
/// days. Both are in the range; a null means that it has no end there.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Range {
    /// The least value.
    pub least: Option<Value>,
    /// The greatest value.
    pub greatest: Option<Value>,
}

/// What becomes of a row for which a check does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFail {
    /// It is set aside, with the reason.
    #[default]
    Reject,
    /// The stream fails. Its next run goes on with the page of the row.
    Fail,
}

/// Without its ends, which may come of variables.
impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Range(_)")
    }
}

impl Range {
    /// The values from one to another.
    #[must_use]
    pub fn new(least: Option<Value>, greatest: Option<Value>) -> Self {
        Self { least, greatest }
    }

    /// What contradicts itself, or says nothing.
    fn fault(&self) -> Option<&'static str> {
        let ends: Vec<&Value> = [&self.least, &self.greatest].into_iter().flatten().collect();
        if ends.is_empty() {
            return Some("a range without an end says nothing");
        }
        let numbers: Vec<f64> = ends.iter().copied().filter_map(number_of).collect();
        if numbers.len() < ends.len() && !ends.iter().copied().all(Value::is_text) {
            return Some("the ends of a range are numbers or texts, or one of them is null");
        }
        let is_empty = matches!(numbers[..], [least, greatest] if least > greatest);
        is_empty.then_some("the least value of a range comes first")
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(i128::from(*number) as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ends = <Vec<Scalar>>::deserialize(deserializer)?;
        let Ok([Scalar(least), Scalar(greatest)]) = <[Scalar; 2]>::try_from(ends) else {
            return Err(D::Error::custom("a range has two ends, as in [0, 100]"));
        };
        let end = |value: Value| (!value.is_null()).then_some(value);
        let range = Self::new(end(least), end(greatest));
        match range.fault() {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(range),
        }
    }
}

/// A number of rows.
fn rows<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<RangeInclusive<u64>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "a text such as \">= 1\"";
    let invalid = || D::Error::invalid_value(Unexpected::Str(&text), &expected);
    range_of(&text).ok_or_else(invalid).map(Some)
}

fn range_of(text: &str) -> Option<RangeInclusive<u64>> {
    let (operator, number) = text.split_at(text.find(|c: char| c.is_ascii_digit())?);
    let number: u64 = number.trim_end().parse().ok()?;
    Some(match operator.trim() {
        ">=" => number..=u64::MAX,
        ">" => number.checked_add(1)?..=u64::MAX,
        "<=" => 0..=number,
        "<" => 0..=number.checked_sub(1)?,
        "=" | "==" => number..=number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_rows_is_compared() {
        for (text, expected) in [
            (">= 1", Some(1..=u64::MAX)),
            (">0", Some(1..=u64::MAX)),
            (" <= 10 ", Some(0..=10)),
            ("< 10", Some(0..=9)),
            ("= 7", Some(7..=7)),
            ("== 7", Some(7..=7)),
            ("7", None),
            ("< 0", None),
            (">= many", None),
            (">= 1.5", None),
            ("!= 7", None),
            ("", None),
        ] {
            assert_eq!(range_of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_range_has_two_ends_of_one_kind() {
        for (json, is_one) in [
            ("[0, 2e9]", true),
            ("[null, 7]", true),
            ("[\"2024-01-01\", null]", true),
            ("[5, 5]", true),
            ("[5, 1]", false),
            ("[1, \"b\"]", false),
            ("[true, null]", false),
            ("[null, null]", false),
            ("[1]", false),
            ("[1, 2, 3]", false),
            ("{}", false),
        ] {
            assert_eq!(serde_json::from_str::<Range>(json).is_ok(), is_one, "{json}");
        }
    }
}

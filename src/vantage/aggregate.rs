//! [pure] Sums, minima and maxima of a column, row by row.

use std::str::FromStr;

use ciborium::Value;
use rust_decimal::Decimal;
use vantage_core::{VantageError, error};
use vantage_types::Record;

use super::{parameter::parameter_text, value::SortKey};

/// What is computed over the rows of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Max,
    Min,
}

/// An aggregate in progress.
#[derive(Debug)]
pub(super) struct Total {
    of: Aggregate,
    column: String,
    is_numeric: bool,
    rows: u64,
    /// The rows that have the column, with null or a value.
    present: u64,
    integers: Option<i128>,
    floats: Option<f64>,
    decimals: Option<Decimal>,
    extreme: Option<(SortKey, Value)>,
}

impl Total {
    /// For a column that holds numbers, even as strings, if `is_numeric`.
    pub(super) fn new(of: Aggregate, column: &str, is_numeric: bool) -> Self {
        Self {
            of,
            column: column.to_owned(),
            is_numeric,
            rows: 0,
            present: 0,
            integers: None,
            floats: None,
            decimals: None,
            extreme: None,
        }
    }

    /// Adds a row. Null is ignored.
    ///
    /// # Errors
    /// If a sum meets a value that is not a number, or becomes too large.
    pub(super) fn add(&mut self, row: &Record<Value>) -> Result<(), VantageError> {
        self.rows += 1;
        let Some(value) = row.get(&self.column) else { return Ok(()) };
        self.present += 1;
        match (self.of, value) {
            (_, Value::Null) => Ok(()),
            (Aggregate::Sum, value) => self.add_to_sum(value),
            (of, value) => {
                let key = SortKey::of(Some(value), self.is_numeric);
                let is_beyond = |(extreme, _): &(SortKey, Value)| match of {
                    Aggregate::Min => key < *extreme,
                    _ => key > *extreme,
                };
                if self.extreme.as_ref().is_none_or(is_beyond) {
                    self.extreme = Some((key, value.clone()));
                }
                Ok(())
            }
        }
    }

    fn add_to_sum(&mut self, value: &Value) -> Result<(), VantageError> {
        match value {
            Value::Integer(number) => {
                let sum = self.integers.unwrap_or(0).checked_add(i128::from(*number));
                self.integers = Some(sum.ok_or_else(|| self.failed("the sum is too large"))?);
            }
            Value::Float(number) => self.floats = Some(self.floats.unwrap_or(0.0) + number),
            Value::Text(text) if self.is_numeric => {
                let number = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text));
                let number = number.map_err(|_| self.failed("a value is not a number"))?;
                let sum = self.decimals.unwrap_or_default().checked_add(number);
                self.decimals = Some(sum.ok_or_else(|| self.failed("the sum is too large"))?);
            }
            _ => return Err(self.failed("a value is not a number")),
        }
        Ok(())
    }

    /// The result: null without a value, an integer for integers, a float if any value was one, the
    /// text of a decimal if any value was one.
    ///
    /// # Errors
    /// `IncorrectUsage` if there are rows and none has the column, or if the sum is too large.
    pub(super) fn finish(self) -> Result<Value, VantageError> {
        if self.rows > 0 && self.present == 0 {
            return Err(self.failed("no row has the column").mark_incorrect_usage());
        }
        if self.of != Aggregate::Sum {
            return Ok(self.extreme.map_or(Value::Null, |(_, value)| value));
        }
        match (self.integers, self.floats, self.decimals) {
            (None, None, None) => Ok(Value::Null),
            (Some(integers), None, None) => ciborium::value::Integer::try_from(integers)
                .map(Value::Integer)
                .map_err(|_| self.failed("the sum is too large")),
            (integers, Some(floats), None) => {
                Ok(Value::Float(integers.unwrap_or(0) as f64 + floats))
            }
            (integers, floats, Some(decimals)) => {
                let too_large = || self.failed("the sum is too large");
                let whole = Decimal::try_from_i128_with_scale(integers.unwrap_or(0), 0);
                let parts = [
                    whole.map_err(|_| too_large())?,
                    parameter_text(&Value::Float(floats.unwrap_or(0.0)))
                        .and_then(|text| Decimal::from_str(&text).ok())
                        .ok_or_else(too_large)?,
                ];
                let mut sum = decimals;
                for part in parts {
                    sum = sum.checked_add(part).ok_or_else(too_large)?;
                }
                Ok(Value::Text(sum.to_string()))
            }
        }
    }

    fn failed(&self, what: &str) -> VantageError {
        error!(what, column = self.column.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(of: Aggregate, values: &[Value]) -> Result<Value, VantageError> {
        let mut total = Total::new(of, "n", true);
        for value in values {
            total.add(&[("n".to_owned(), value.clone())].into_iter().collect())?;
        }
        total.finish()
    }

    #[test]
    fn a_sum_is_exact_and_of_the_kind_of_its_numbers() {
        let sum = |values: &[Value]| total(Aggregate::Sum, values).unwrap();
        assert_eq!(sum(&[1.into(), Value::Null, 2.into()]), Value::from(3));
        let large = u64::MAX / 2;
        assert_eq!(sum(&[large.into(), large.into(), 1.into()]), Value::from(u64::MAX));
        assert_eq!(sum(&[1.into(), 0.5.into()]), Value::Float(1.5));
        assert_eq!(sum(&["0.10".into(), "0.20".into(), 1.into()]), Value::from("1.30"));
        assert_eq!(sum(&[]), Value::Null);
        assert_eq!(sum(&[Value::Null]), Value::Null);
    }

    #[test]
    fn a_sum_of_what_is_no_number_or_too_large_is_an_error_that_names_the_column() {
        for values in [
            &["x".into()][..],
            &[true.into()],
            &[u64::MAX.into(), 1.into()],
            &["79228162514264337593543950335".into(), "1".into()],
        ] {
            let error = total(Aggregate::Sum, values).unwrap_err();
            assert_eq!(error.context["column"], "\"n\"");
        }
    }

    #[test]
    fn extremes_compare_like_an_order() {
        let values = [9.into(), "10".into(), Value::Null, 9.5.into()];
        assert_eq!(total(Aggregate::Max, &values).unwrap(), Value::from("10"));
        assert_eq!(total(Aggregate::Min, &values).unwrap(), Value::from(9));
        assert_eq!(total(Aggregate::Min, &[]).unwrap(), Value::Null);
    }

    #[test]
    fn a_column_that_no_row_has_is_a_mistake() {
        let mut total = Total::new(Aggregate::Max, "m", false);
        total.add(&[("n".to_owned(), 1.into())].into_iter().collect()).unwrap();
        assert!(total.finish().unwrap_err().is_incorrect_usage());
    }
}

//! [pure] The order of a read: the parameters that request it, or the sorting of the rows.

use ciborium::Value;
use vantage_core::VantageError;
use vantage_types::Record;

use super::{error::refused, parameter::Parameters, value::SortKey};

/// One column of an order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SortBy {
    pub(super) column: String,
    pub(super) is_descending: bool,
    pub(super) is_numeric: bool,
}

/// How the order of a table is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OrderPlan {
    /// The parameters that request it from the API.
    pub(super) parameters: Parameters,
    pub(super) by: Vec<SortBy>,
    /// Whether rows may be sorted here.
    pub(super) on_rows: bool,
    pub(super) is_sent: bool,
}

impl OrderPlan {
    /// The order to make on the rows, if the API does not make it.
    pub(super) fn made_on_rows(&self) -> Option<&[SortBy]> {
        (!self.is_sent && !self.by.is_empty()).then_some(&self.by)
    }

    /// The same order for rows from several requests, which the API cannot order among each other.
    ///
    /// # Errors
    /// `Unsupported` if rows may not be sorted here.
    pub(super) fn of_several_requests(self) -> Result<Self, VantageError> {
        match self.by.first() {
            Some(first) if !self.on_rows => {
                Err(refused("the rows of several requests have no order", &first.column))
            }
            _ => Ok(Self { parameters: Vec::new(), is_sent: false, ..self }),
        }
    }
}

/// Sorts rows by columns; equal rows keep their order.
pub(super) fn sort<T>(rows: &mut Vec<T>, by: &[SortBy], record: impl Fn(&T) -> &Record<Value>) {
    let keys = |row: &T| -> Vec<SortKey> {
        by.iter().map(|by| SortKey::of(record(row).get(&by.column), by.is_numeric)).collect()
    };
    let mut keyed: Vec<(Vec<SortKey>, T)> = rows.drain(..).map(|row| (keys(&row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let pairs = one.iter().zip(other).zip(by);
        let mut orders = pairs.map(|((one, other), by)| one.order(other, by.is_descending));
        orders.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ordered_by_column_after_column_and_equal_ones_stay() {
        let row = |a: Value, b: i64| -> Record<Value> {
            [("a".to_owned(), a), ("b".to_owned(), b.into())].into_iter().collect()
        };
        let mut rows =
            vec![row(2.into(), 0), row(Value::Null, 1), row(1.into(), 2), row(2.0.into(), 3)];
        let by = |is_descending| SortBy { column: "a".into(), is_descending, is_numeric: false };
        let order = |rows: &[Record<Value>]| -> Vec<i128> {
            rows.iter().map(|row| row["b"].as_integer().unwrap().into()).collect()
        };
        sort(&mut rows, &[by(false)], |row| row);
        assert_eq!(order(&rows), [2, 0, 3, 1]);
        let last = SortBy { column: "b".into(), ..by(true) };
        sort(&mut rows, &[by(true), last], |row| row);
        assert_eq!(order(&rows), [3, 0, 2, 1]);
    }
}

//! [pure] What must hold for each row: values that are there, that differ, and that are in a range.

use std::{cmp::Ordering, collections::HashSet};

use rust_decimal::Decimal;

use super::{cell::Cell, fault::Fault, hash::RowHash, mark::compare};

/// The most values that are remembered to tell whether they differ. That takes about 70 MB.
const MAX_VALUES: usize = 3_500_000;

/// What must hold for each row.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowChecks {
    /// What must hold for the values of columns, by their names.
    pub(crate) columns: Vec<(String, ColumnCheck)>,
    /// Whether a row for which it does not hold fails the run, instead of being set aside.
    pub(crate) fails: bool,
}

/// What must hold for the values of a column. Only [`NotNull`](Self::NotNull) minds a null.
#[derive(Clone, Debug)]
pub(crate) enum ColumnCheck {
    NotNull,
    /// No two are the same.
    Unique,
    /// From the one to the other, both included; an end that is null is none.
    Range(Cell<'static>, Cell<'static>),
}

/// Checks rows.
#[derive(Debug)]
pub(super) struct Checker {
    columns: Vec<OfColumn>,
    fails: bool,
    /// The values so far of columns in which they must differ.
    values: HashSet<RowHash>,
    max_values: usize,
}

#[derive(Debug)]
struct OfColumn {
    name: String,
    /// `None` until a row has it.
    number: Option<usize>,
    check: ColumnCheck,
}

impl Checker {
    pub(super) fn new(checks: RowChecks) -> Self {
        let columns = checks.columns.into_iter();
        let columns = columns.map(|(name, check)| OfColumn { name, number: None, check });
        Self {
            columns: columns.collect(),
            fails: checks.fails,
            values: HashSet::new(),
            max_values: MAX_VALUES,
        }
    }

    /// Learns the number of a column.
    pub(super) fn add(&mut self, name: &str, number: usize) {
        for column in self.columns.iter_mut().filter(|column| column.name == name) {
            column.number = Some(number);
        }
    }

    /// Checks the cells of a row.
    ///
    /// # Errors
    /// That of the first check which does not hold.
    pub(super) fn check(&mut self, cells: &[Cell<'_>]) -> Result<(), Fault> {
        let mut new = Vec::new();
        for OfColumn { name, number, check } in &self.columns {
            let value = number.and_then(|number| cells.get(number)?.text());
            let wrong = match (check, value) {
                (ColumnCheck::NotNull, None) => Some("is null"),
                (_, None) | (ColumnCheck::NotNull, Some(_)) => None,
                (ColumnCheck::Unique, Some(value)) => {
                    let hash = RowHash::of([name.as_str(), value]);
                    new.push(hash);
                    self.values.contains(&hash).then_some("is not unique")
                }
                (ColumnCheck::Range(least, greatest), Some(value)) => {
                    let is_in = is_at_or(Ordering::Greater, value, least)
                        && is_at_or(Ordering::Less, value, greatest);
                    (!is_in).then_some("is out of its range")
                }
            };
            if let Some(wrong) = wrong {
                return Err(self.fault(format!("`{name}` {wrong}")));
            }
        }
        self.remember(&new)
    }

    fn fault(&self, reason: String) -> Fault {
        if self.fails { Fault::Run(reason) } else { Fault::Row(reason) }
    }

    fn remember(&mut self, values: &[RowHash]) -> Result<(), Fault> {
        let most = self.max_values;
        if self.values.len() + values.len() > most {
            let what = format!(
                "`unique` in `checks` tells up to {most} values of a run apart, and there are more: \
                 leave it out"
            );
            return Err(Fault::Run(what));
        }
        self.values.extend(values);
        Ok(())
    }
}

/// Whether a value is at an end of a range or on this side of it.
fn is_at_or(side: Ordering, value: &str, end: &Cell<'_>) -> bool {
    let is_right = |order: Ordering| order != side.reverse();
    match end {
        Cell::Null => true,
        Cell::Number(end) => compared(value, end).is_some_and(is_right),
        end => end.text().is_some_and(|end| is_right(compare(value, end))),
    }
}

/// Compares as numbers; `None` if one is none.
fn compared(value: &str, end: &str) -> Option<Ordering> {
    match (decimal(value), decimal(end)) {
        (Some(value), Some(end)) => Some(value.cmp(&end)),
        // Beyond the 28 digits of a decimal.
        _ => value.parse::<f64>().ok()?.partial_cmp(&end.parse::<f64>().ok()?),
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(check: ColumnCheck) -> Checker {
        let columns = vec![("a".to_owned(), check)];
        let mut checker = Checker::new(RowChecks { columns, fails: false });
        checker.add("a", 0);
        checker
    }

    /// Why a row with this value is set aside.
    fn reason(checker: &mut Checker, json: &str) -> Option<String> {
        let cell = Cell::of(json);
        match checker.check(&[cell]) {
            Ok(()) => None,
            Err(Fault::Row(reason)) => Some(reason),
            Err(_) => panic!("{json}"),
        }
    }

    fn number(text: &'static str) -> Cell<'static> {
        Cell::Number(text.into())
    }

    #[test]
    fn a_value_must_be_there() {
        let mut checker = checker(ColumnCheck::NotNull);
        assert_eq!(reason(&mut checker, "\"\""), None);
        assert_eq!(reason(&mut checker, "null").as_deref(), Some("`a` is null"));
        let columns = vec![("a".to_owned(), ColumnCheck::NotNull)];
        let mut unknown = Checker::new(RowChecks { columns, fails: false });
        assert_eq!(reason(&mut unknown, "7").as_deref(), Some("`a` is null"));
    }

    #[test]
    fn values_must_differ_and_nulls_need_not() {
        let mut checker = checker(ColumnCheck::Unique);
        for json in ["7", "8", "null", "null"] {
            assert_eq!(reason(&mut checker, json), None, "{json}");
        }
        assert_eq!(reason(&mut checker, "7").as_deref(), Some("`a` is not unique"));
    }

    #[test]
    fn the_values_of_a_row_that_is_set_aside_are_free() {
        let columns = ["a", "b"].map(|name| (name.to_owned(), ColumnCheck::Unique)).to_vec();
        let mut checker = Checker::new(RowChecks { columns, fails: false });
        checker.add("a", 0);
        checker.add("b", 1);
        let mut is_kept = |a, b| checker.check(&[number(a), number(b)]).is_ok();
        assert!(is_kept("1", "1"));
        assert!(!is_kept("2", "1"));
        assert!(is_kept("2", "2"));
    }

    #[test]
    fn more_values_than_fit_fail_the_run() {
        let mut checker = checker(ColumnCheck::Unique);
        checker.max_values = 1;
        assert_eq!(reason(&mut checker, "7"), None);
        let Err(Fault::Run(what)) = checker.check(&[number("8")]) else { panic!() };
        assert!(what.contains("up to 1 values"), "{what}");
    }

    #[test]
    fn a_value_must_be_in_its_range_with_its_ends() {
        let day = |day: &'static str| Cell::Text(day.into());
        for (least, greatest, json, is_in) in [
            (number("0"), number("2000000000"), "0", true),
            (number("0"), number("2000000000"), "2e9", true),
            (number("0"), number("2000000000"), "2000000000.1", false),
            (number("0"), number("2000000000"), "-1", false),
            (number("0"), number("2000000000"), "1e300", false),
            (number("0"), Cell::Null, "1e300", true),
            (number("9"), number("10"), "\"9.50\"", true),
            (number("9"), number("10"), "\"soon\"", false),
            (Cell::Null, number("10"), "true", false),
            (number("9"), Cell::Null, "null", true),
            (day("2024-01-01"), Cell::Null, "\"2024-02-29\"", true),
            (day("2024-01-01"), Cell::Null, "\"2023-12-31\"", false),
            (
                day("2024-01-01T00:00:00Z"),
                day("2024-01-01T12:00:00Z"),
                "\"2024-01-01T13:30:00+02:00\"",
                true,
            ),
        ] {
            let mut checker = checker(ColumnCheck::Range(least, greatest));
            assert_eq!(reason(&mut checker, json).is_none(), is_in, "{json}");
        }
    }

    #[test]
    fn a_check_may_fail_the_run() {
        let columns = vec![("a".to_owned(), ColumnCheck::NotNull)];
        let mut checker = Checker::new(RowChecks { columns, fails: true });
        assert!(matches!(checker.check(&[]), Err(Fault::Run(_))));
    }
}

//! [pure] Evaluates conditions on a row, with the three-valued logic of SQL.

use std::sync::Arc;

use ciborium::Value;
use vantage_types::Record;

use super::{
    condition::Operator,
    value::{compare, matches},
    value_set::ValueSet,
};

/// The conditions that every row must meet. Clones share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter(Arc<[Predicate]>);

/// A condition in the form in which it is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    Field(FieldTest),
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    /// The API's own search, which cannot be evaluated on a row.
    Opaque,
}

/// A comparison of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldTest {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value_set: ValueSet,
    /// Whether a row that lacks the field passes.
    pub(super) passes_absent: bool,
}

/// The result of a test on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    /// The row holds null.
    Unknown,
    /// The row lacks a field.
    Absent,
}

impl Filter {
    pub(super) fn new(predicates: Vec<Predicate>) -> Self {
        Self(predicates.into())
    }

    /// All of these must hold.
    pub(super) fn predicates(&self) -> &[Predicate] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a part of the filter cannot be evaluated on any row.
    pub(super) fn is_opaque(&self) -> bool {
        self.0.contains(&Predicate::Opaque)
    }

    /// Whether an item belongs to the filtered set; `None` if the item alone cannot tell.
    pub(super) fn admits(&self, row: &Record<Value>) -> Option<bool> {
        match all(&self.0, row, false) {
            Truth::Yes => Some(true),
            Truth::No | Truth::Unknown => Some(false),
            Truth::Absent => None,
        }
    }

    /// Whether a row of a list belongs to the filtered set.
    pub(super) fn keeps(&self, row: &Record<Value>) -> bool {
        all(&self.0, row, true) == Truth::Yes
    }
}

impl Predicate {
    fn judge(&self, row: &Record<Value>) -> Truth {
        match self {
            Self::Field(comparison) => comparison.judge(row),
            Self::All(predicates) => all(predicates, row, false),
            Self::Any(predicates) => {
                let verdicts = predicates.iter().map(|test| test.judge(row).not());
                conjunction(verdicts).not()
            }
            Self::Not(test) => test.judge(row).not(),
            Self::Opaque => Truth::Absent,
        }
    }
}

/// With `excuses`, a row that lacks a field passes the comparisons that allow that.
fn all(predicates: &[Predicate], row: &Record<Value>, excuses: bool) -> Truth {
    conjunction(predicates.iter().map(|test| match (test, test.judge(row)) {
        (Predicate::Field(comparison), Truth::Absent) if excuses && comparison.passes_absent => {
            Truth::Yes
        }
        (_, verdict) => verdict,
    }))
}

/// One `No` decides; then what is absent, then what is unknown.
fn conjunction(verdicts: impl Iterator<Item = Truth>) -> Truth {
    let mut verdict = Truth::Yes;
    for next in verdicts {
        verdict = match (verdict, next) {
            (_, Truth::No) => return Truth::No,
            (Truth::Absent, _) | (_, Truth::Absent) => Truth::Absent,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            _ => Truth::Yes,
        };
    }
    verdict
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown => unknown,
        }
    }

    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl FieldTest {
    /// One value, or any number for `In` and `NotIn`, none for `IsNull` and `IsNotNull`.
    pub(super) fn values(&self) -> &[Value] {
        self.value_set.values()
    }

    fn judge(&self, row: &Record<Value>) -> Truth {
        let Some(value) = row.get(&self.field) else { return Truth::Absent };
        match self.operator {
            Operator::Eq | Operator::In => self.is_among(value),
            Operator::Ne | Operator::NotIn => self.is_among(value).not(),
            Operator::IsNull => Truth::of(value.is_null()),
            Operator::IsNotNull => Truth::of(!value.is_null()),
            Operator::Gt => self.stands(value, std::cmp::Ordering::is_gt),
            Operator::Gte => self.stands(value, std::cmp::Ordering::is_ge),
            Operator::Lt => self.stands(value, std::cmp::Ordering::is_lt),
            Operator::Lte => self.stands(value, std::cmp::Ordering::is_le),
            Operator::Contains | Operator::StartsWith | Operator::Like => self.matches(value),
        }
    }

    /// A null among the values stands for `IS NULL`.
    fn is_among(&self, value: &Value) -> Truth {
        if value.is_null() {
            let nothing_is_among_none = self.value_set.values().is_empty();
            return match (self.value_set.has_null(), nothing_is_among_none) {
                (true, _) => Truth::Yes,
                (_, true) => Truth::No,
                _ => Truth::Unknown,
            };
        }
        Truth::of(self.value_set.holds(value))
    }

    fn stands(&self, value: &Value, holds: fn(std::cmp::Ordering) -> bool) -> Truth {
        let is_numeric = self.value_set.is_numeric();
        let order = self.values().first().and_then(|wanted| compare(value, wanted, is_numeric));
        order.map_or(Truth::Unknown, |order| Truth::of(holds(order)))
    }

    fn matches(&self, value: &Value) -> Truth {
        let part = self.values().first().and_then(Value::as_text);
        part.and_then(|part| matches(value, self.operator, part)).map_or(Truth::Unknown, Truth::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, Value)]) -> Record<Value> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn comparison(operator: Operator, values: &[Value]) -> FieldTest {
        FieldTest {
            field: "n".into(),
            operator,
            value_set: ValueSet::new(values.to_vec(), false),
            passes_absent: false,
        }
    }

    fn judged(operator: Operator, values: &[Value], value: impl Into<Value>) -> Truth {
        comparison(operator, values).judge(&row(&[("n", value.into())]))
    }

    #[test]
    fn values_are_equal_whatever_their_form() {
        let seven = [Value::from(7)];
        for value in [Value::from(7), Value::from(7.0), Value::from("7")] {
            assert_eq!(judged(Operator::Eq, &seven, value), Truth::Yes);
        }
        for value in [Value::from(8), Value::Array(vec![7.into()])] {
            assert_eq!(judged(Operator::Eq, &seven, value.clone()), Truth::No);
            assert_eq!(judged(Operator::Ne, &seven, value), Truth::Yes);
        }
    }

    #[test]
    fn a_null_in_the_row_makes_a_comparison_unknown_and_its_negation_too() {
        let seven = [Value::from(7)];
        for operator in [
            Operator::Eq,
            Operator::Ne,
            Operator::Gt,
            Operator::Lte,
            Operator::In,
            Operator::NotIn,
            Operator::Contains,
        ] {
            assert_eq!(judged(operator, &seven, Value::Null), Truth::Unknown, "{operator:?}");
        }
        assert_eq!(judged(Operator::IsNull, &[], Value::Null), Truth::Yes);
        assert_eq!(judged(Operator::IsNotNull, &[], Value::Null), Truth::No);
        assert_eq!(judged(Operator::In, &[], Value::Null), Truth::No);
        assert_eq!(judged(Operator::NotIn, &[], Value::Null), Truth::Yes);
    }

    #[test]
    fn a_null_that_is_asked_for_matches_null_alone() {
        assert_eq!(judged(Operator::In, &[Value::Null, 7.into()], Value::Null), Truth::Yes);
        assert_eq!(judged(Operator::In, &[Value::Null, 7.into()], 7), Truth::Yes);
        assert_eq!(judged(Operator::In, &[Value::Null, 7.into()], ""), Truth::No);
        assert_eq!(judged(Operator::NotIn, &[Value::Null, 7.into()], Value::Null), Truth::No);
    }

    #[test]
    fn comparisons_of_what_has_no_order_are_unknown() {
        assert_eq!(judged(Operator::Gt, &[7.into()], "x"), Truth::Unknown);
        assert_eq!(judged(Operator::Lte, &[7.into()], "x"), Truth::Unknown);
        assert_eq!(judged(Operator::Gte, &[7.into()], 7.0), Truth::Yes);
        assert_eq!(judged(Operator::Lt, &[7.into()], 7), Truth::No);
        assert_eq!(judged(Operator::Like, &["r%".into()], "Row"), Truth::Yes);
    }

    #[test]
    fn one_that_holds_decides_an_any_and_one_that_does_not_an_all() {
        let test = |value: i64| Predicate::Field(comparison(Operator::Eq, &[value.into()]));
        let (seven, null, absent) = (row(&[("n", 7.into())]), row(&[("n", Value::Null)]), row(&[]));
        let any = |row| Predicate::Any(vec![test(7), test(8)]).judge(row);
        assert_eq!(
            (any(&seven), any(&null), any(&absent)),
            (Truth::Yes, Truth::Unknown, Truth::Absent)
        );
        let all = |row| Predicate::All(vec![test(7), test(8)]).judge(row);
        assert_eq!(
            (all(&seven), all(&null), all(&absent)),
            (Truth::No, Truth::Unknown, Truth::Absent)
        );
        assert_eq!(Predicate::Any(vec![]).judge(&seven), Truth::No);
    }

    #[test]
    fn a_row_that_lacks_a_field_passes_where_it_is_excused() {
        let absent = row(&[("m", Value::from(1))]);
        let strict = Filter::new(vec![Predicate::Field(comparison(Operator::Eq, &[7.into()]))]);
        assert!(!strict.keeps(&absent));
        assert_eq!(strict.admits(&absent), None);
        let excused = FieldTest { passes_absent: true, ..comparison(Operator::Eq, &[7.into()]) };
        let lenient = Filter::new(vec![Predicate::Field(excused)]);
        assert!(lenient.keeps(&absent));
        assert_eq!(lenient.admits(&absent), None);
        assert_eq!(strict.admits(&row(&[("n", Value::Null)])), Some(false));
        assert_eq!(Filter::new(vec![Predicate::Opaque]).admits(&absent), None);
    }
}

//! [pure] The conditions of a table in a normal form: nested conjunctions flattened, negations
//! moved inwards, values checked.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use ciborium::Value;
use vantage_core::{VantageError, error};
use vantage_table::{column::core::Column, table::Table, traits::column_like::ColumnLike};
use vantage_types::Entity;

use super::{
    PoolApi,
    condition::{ApiCondition, Operator},
    error::refused,
    kind::ValueKind,
    parameter::parameter_text,
    path::Wanted,
    row_filter::{FieldTest, Filter, Predicate},
    value::{LONGEST_PATTERN, SortKey, same},
    value_set::ValueSet,
};

/// The declared columns of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// The columns that a row must have.
    pub(super) fields: HashSet<String>,
    /// The columns that are sent to the API but need not be in its rows.
    pub(super) parameters: HashSet<String>,
    /// The columns that hold numbers.
    pub(super) numeric: HashSet<String>,
    /// The columns that hold booleans.
    pub(super) flags: HashSet<String>,
}

impl Declared {
    pub(super) fn of<E: Entity<Value>>(table: &Table<PoolApi, E>) -> Self {
        let fields: HashSet<String> = table.row_fields().into_iter().collect();
        let columns = || table.columns().iter();
        let numeric = columns().filter(|(_, column)| ValueKind::is_number(column.get_type()));
        let flags = columns()
            .filter(|(_, column)| ValueKind::of(column.get_type()) == Some(ValueKind::Bool));
        let parameters = columns().filter(|(name, _)| !fields.contains(*name));
        let names = |(name, _): (&String, &Column<Value>)| name.clone();
        Self {
            numeric: numeric.map(names).collect(),
            flags: flags.map(names).collect(),
            parameters: parameters.map(names).collect(),
            fields,
        }
    }
}

/// The conditions that every row must meet.
#[derive(Debug, Default)]
pub(super) struct WhereClause {
    pub(super) predicates: Vec<Predicate>,
    /// The texts for the API's own search.
    pub(super) searches: Vec<String>,
}

impl WhereClause {
    /// The normal form of `conditions`.
    ///
    /// # Errors
    /// `Unsupported` for conditions that can be neither sent nor evaluated.
    pub(super) fn of<'a>(
        conditions: impl IntoIterator<Item = Cow<'a, ApiCondition>>,
        declared: &Declared,
    ) -> Result<Self, VantageError> {
        let mut clauses = Self::default();
        for condition in conditions {
            clauses.add(&condition, &|column| declared.numeric.contains(column))?;
        }
        Ok(clauses)
    }

    fn add(
        &mut self,
        condition: &ApiCondition,
        is_numeric: &dyn Fn(&str) -> bool,
    ) -> Result<(), VantageError> {
        match condition {
            ApiCondition::Search { text } => self.searches.push(text.clone()),
            ApiCondition::All(all) => {
                for condition in all {
                    self.add(condition, is_numeric)?;
                }
            }
            condition => match predicate(condition, false, is_numeric)? {
                Predicate::All(all) => self.predicates.extend(all),
                test => self.predicates.push(test),
            },
        }
        Ok(())
    }

    /// The values that each field may hold, by equalities alone. Several on one field are
    /// intersected.
    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::new();
        for comparison in self.equalities() {
            match wanted.get_mut(&comparison.field) {
                Some(earlier) => {
                    let mut now = BTreeMap::<SortKey, Vec<&Value>>::new();
                    for value in comparison.values() {
                        now.entry(rough_key(value)).or_default().push(value);
                    }
                    let is_same = |one: &Value, other: &Value| {
                        one.is_null() || same(one, other, comparison.value_set.is_numeric())
                    };
                    earlier.retain(|one| {
                        let alike = now.get(&rough_key(one)).into_iter().flatten();
                        alike.into_iter().any(|other| is_same(one, other))
                    });
                }
                None => {
                    wanted.insert(comparison.field.clone(), comparison.values().to_vec());
                }
            }
        }
        wanted
    }

    /// Whether it is certain that no row can match.
    pub(super) fn match_nothing(&self) -> bool {
        let is_none = |test: &Predicate| matches!(test, Predicate::Any(any) if any.is_empty());
        self.predicates.iter().any(is_none) || self.wanted().values().any(Vec::is_empty)
    }

    /// The filter on rows, without the equalities that filled the placeholders `used`.
    pub(super) fn into_filter(mut self, used: &[&str]) -> Filter {
        let fills = |comparison: &FieldTest| {
            is_equality(comparison) && used.contains(&comparison.field.as_str())
        };
        self.predicates
            .retain(|test| !matches!(test, Predicate::Field(comparison) if fills(comparison)));
        self.predicates.extend(self.searches.iter().map(|_| Predicate::Opaque));
        Filter::new(self.predicates)
    }

    fn equalities(&self) -> impl Iterator<Item = &FieldTest> {
        self.predicates.iter().filter_map(|test| match test {
            Predicate::Field(comparison) if is_equality(comparison) => Some(comparison),
            _ => None,
        })
    }
}

/// The same key for all values that may be equal.
fn rough_key(value: &Value) -> SortKey {
    match value {
        Value::Text(text) if text == "true" || text == "false" => SortKey::Bool(text == "true"),
        value => match SortKey::of(Some(value), true) {
            SortKey::Number(number) => match number.plain().as_str() {
                "0" => SortKey::Bool(false),
                "1" => SortKey::Bool(true),
                _ => SortKey::Number(number),
            },
            key => key,
        },
    }
}

/// Whether a pattern would take long to search.
fn is_long(pattern: &Value) -> bool {
    let text = pattern.as_text().unwrap_or_default();
    text.chars().nth(LONGEST_PATTERN).is_some()
}

/// Whether the comparison lists the values that a field may hold.
pub(super) fn is_equality(comparison: &FieldTest) -> bool {
    matches!(comparison.operator, Operator::Eq | Operator::In)
}

fn predicate(
    condition: &ApiCondition,
    negated: bool,
    is_numeric: &dyn Fn(&str) -> bool,
) -> Result<Predicate, VantageError> {
    let comparison = |field: &str, operator: Operator, values: &[Value]| {
        comparison(field, operator, values, negated, is_numeric(field))
    };
    let several = |conditions: &[ApiCondition]| {
        let predicates =
            conditions.iter().map(|condition| predicate(condition, negated, is_numeric));
        predicates.collect::<Result<Vec<Predicate>, VantageError>>()
    };
    match condition {
        ApiCondition::Eq { field, value } => {
            comparison(field, Operator::Eq, std::slice::from_ref(value))
        }
        ApiCondition::In { field, values } => comparison(field, Operator::In, values),
        ApiCondition::NotIn { field, values } => comparison(field, Operator::NotIn, values),
        ApiCondition::Compare { field, operator, value } => match operator {
            Operator::IsNull => comparison(field, Operator::Eq, &[Value::Null]),
            Operator::IsNotNull => comparison(field, Operator::Ne, &[Value::Null]),
            Operator::Like if is_long(value) => {
                Err(refused("a pattern has more than 1,000 characters", field))
            }
            operator => comparison(field, *operator, std::slice::from_ref(value)),
        },
        ApiCondition::All(all) if negated => several(all).map(any_of),
        ApiCondition::All(all) => several(all).map(all_of),
        ApiCondition::Any(any) if negated => several(any).map(all_of),
        ApiCondition::Any(any) => several(any).map(any_of),
        ApiCondition::Not(condition) => predicate(condition, !negated, is_numeric),
        ApiCondition::Related(related) => {
            Err(cannot_ask_for(&format!("`{related}` before the values are read")))
        }
        ApiCondition::Search { .. } => Err(cannot_ask_for("a search that is part of a condition")),
        ApiCondition::Column { field } => Err(refused("a column alone is not a condition", field)),
        ApiCondition::Unsupported { what } => Err(cannot_ask_for(what)),
    }
}

/// The error of a condition that the API has no words for.
pub(super) fn cannot_ask_for(what: &str) -> VantageError {
    error!(format!("the API cannot be asked for {what}")).mark_unsupported()
}

fn comparison(
    field: &str,
    operator: Operator,
    values: &[Value],
    negated: bool,
    is_numeric: bool,
) -> Result<Predicate, VantageError> {
    let is_of_text = matches!(operator, Operator::Contains | Operator::StartsWith | Operator::Like);
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(values.len());
    for value in values {
        let text = parameter_text(value);
        if text.is_none() && (is_of_text || !value.is_null()) {
            let what = "only booleans, finite numbers, texts and dates can be compared";
            return Err(refused(what, field));
        }
        if seen.insert(text.clone()) {
            kept.push(text.filter(|_| is_of_text).map_or_else(|| value.clone(), Value::Text));
        }
    }
    let opposite = match operator {
        Operator::Eq => Some(Operator::Ne),
        Operator::Ne => Some(Operator::Eq),
        Operator::In => Some(Operator::NotIn),
        Operator::NotIn => Some(Operator::In),
        Operator::Gt => Some(Operator::Lte),
        Operator::Lte => Some(Operator::Gt),
        Operator::Lt => Some(Operator::Gte),
        Operator::Gte => Some(Operator::Lt),
        _ => None,
    };
    let test = |operator| match (operator, kept.as_slice()) {
        // Every row satisfies `NOT IN` of no values.
        (Operator::NotIn, []) => Predicate::All(Vec::new()),
        _ => Predicate::Field(FieldTest {
            field: field.to_owned(),
            operator,
            value_set: ValueSet::new(kept, is_numeric),
            passes_absent: false,
        }),
    };
    Ok(match (negated, opposite) {
        (false, _) => test(operator),
        (true, Some(opposite)) => test(opposite),
        (true, None) => Predicate::Not(Box::new(test(operator))),
    })
}

fn all_of(predicates: Vec<Predicate>) -> Predicate {
    let mut flat = Vec::with_capacity(predicates.len());
    for test in predicates {
        match test {
            Predicate::All(all) => flat.extend(all),
            test => flat.push(test),
        }
    }
    Predicate::All(flat)
}

/// Equalities of one field become a list of values.
fn any_of(predicates: Vec<Predicate>) -> Predicate {
    let mut flat: Vec<Predicate> = Vec::with_capacity(predicates.len());
    for test in predicates {
        match test {
            Predicate::Any(any) => flat.extend(any),
            Predicate::All(all) if all.is_empty() => return Predicate::All(all),
            test => flat.push(test),
        }
    }
    let merged = || {
        let mut comparisons = flat.iter().map(|test| match test {
            Predicate::Field(comparison) if is_equality(comparison) => Some(comparison),
            _ => None,
        });
        let first = comparisons.next()??;
        let mut values = first.values().to_vec();
        for comparison in comparisons {
            values.extend_from_slice(
                comparison.filter(|comparison| comparison.field == first.field)?.values(),
            );
        }
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(parameter_text(value)));
        let value_set = ValueSet::new(values, first.value_set.is_numeric());
        Some(Predicate::Field(FieldTest { operator: Operator::In, value_set, ..first.clone() }))
    };
    merged().unwrap_or(Predicate::Any(flat))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clauses(conditions: &[ApiCondition]) -> WhereClause {
        let mut clauses = WhereClause::default();
        for condition in conditions {
            clauses.add(condition, &|_| false).unwrap();
        }
        clauses
    }

    fn eq(field: &str, value: i64) -> ApiCondition {
        ApiCondition::eq(field, value)
    }

    #[test]
    fn conjunctions_are_flattened_and_negations_moved_inwards() {
        let both = eq("a", 1) & (eq("b", 2) & ApiCondition::gt("c", 3));
        assert_eq!(clauses(std::slice::from_ref(&both)).predicates.len(), 3);
        let neither = !(eq("a", 1) | ApiCondition::lt("b", 2));
        let expected = clauses(&[ApiCondition::ne("a", 1), ApiCondition::gte("b", 2)]);
        assert_eq!(clauses(&[neither]).predicates, expected.predicates);
        assert_eq!(clauses(&[!!both.clone()]).predicates, clauses(&[both]).predicates);
        assert!(matches!(
            clauses(&[!ApiCondition::like("a", "x")]).predicates[0],
            Predicate::Not(_)
        ));
    }

    #[test]
    fn each_comparison_has_its_opposite() {
        use Operator::{Eq, Gt, Gte, Lt, Lte, Ne};
        for (one, other) in [(Eq, Ne), (Gt, Lte), (Gte, Lt)] {
            for (one, other) in [(one, other), (other, one)] {
                let [one, other] = [one, other].map(|is| ApiCondition::compare("a", is, 1));
                assert_eq!(clauses(&[!one]).predicates, clauses(&[other]).predicates);
            }
        }
    }

    #[test]
    fn alternatives_of_one_field_are_a_list() {
        let list = eq("a", 1) | eq("a", 2) | ApiCondition::is_in("a", [2, 3]);
        assert_eq!(clauses(&[list]).wanted()["a"], [1, 2, 3].map(Value::from));
        assert!(clauses(&[eq("a", 1) | eq("b", 2)]).wanted().is_empty());
    }

    #[test]
    fn equalities_on_one_field_narrow_each_other_whatever_their_form() {
        let conditions = [ApiCondition::is_in("a", ["1", "2"]), ApiCondition::is_in("a", [2, 3])];
        assert_eq!(clauses(&conditions).wanted()["a"], [Value::from("2")]);
        let dates = ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00"];
        let conditions = dates.map(|date| ApiCondition::eq("d", date));
        assert!(!clauses(&conditions).match_nothing());
        let flags = [ApiCondition::eq("f", true), ApiCondition::eq("f", "true")];
        assert_eq!(clauses(&flags).wanted()["f"], [Value::from(true)]);
        assert!(
            !clauses(&[ApiCondition::is_null("a"), ApiCondition::is_null("a")]).match_nothing()
        );
        assert!(clauses(&[ApiCondition::is_null("a"), eq("a", 1)]).match_nothing());
        let texts = ["7", "7.0"].map(|text| ApiCondition::eq("name", text));
        assert!(clauses(&texts).match_nothing(), "two texts are not one number");
        assert!(clauses(&[eq("a", 1), eq("a", 2)]).match_nothing());
        assert!(clauses(&[ApiCondition::Any(vec![])]).match_nothing());
    }

    #[test]
    fn what_every_row_meets_is_no_condition() {
        let any = || ApiCondition::is_not_in("a", [0; 0]);
        assert!(
            clauses(&[any(), any() | eq("b", 1), !ApiCondition::is_in("a", [0; 0])])
                .predicates
                .is_empty()
        );
        assert!(clauses(&[!any()]).match_nothing());
    }

    #[test]
    fn what_cannot_be_compared_or_is_no_condition_is_refused_without_its_value() {
        let canary = || Value::from("canary");
        for condition in [
            ApiCondition::eq("f", Value::Array(vec![canary()])),
            ApiCondition::is_in("f", [Value::Map(vec![(canary(), canary())])]),
            ApiCondition::gt("f", Value::Bytes(b"canary".to_vec())),
            ApiCondition::eq("f", f64::NAN),
            ApiCondition::compare("f", Operator::Like, Value::Null),
            ApiCondition::column("f"),
            ApiCondition::unsupported("a join"),
            !ApiCondition::Search { text: "canary".into() },
            ApiCondition::eq("f", 1) | ApiCondition::Search { text: "canary".into() },
        ] {
            let error = WhereClause::default().add(&condition, &|_| false).unwrap_err();
            assert!(error.is_unsupported(), "{condition}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}

//! [pure] Equality conditions evaluated on a row.

use ciborium::Value;
use indexmap::IndexMap;
use vantage_types::Record;

use super::condition::parameter_text;

/// A value that conditions compare by: its text as a query parameter, or null.
pub(super) type Scalar = Option<String>;

/// The fields a row must hold one of the given values in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter(IndexMap<String, Vec<Scalar>>);

impl Filter {
    pub(super) fn new(wanted: IndexMap<String, Vec<Scalar>>) -> Self {
        Self(wanted)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the row matches; `None` when it lacks a field and matches in the others.
    pub(super) fn admits(&self, row: &Record<Value>) -> Option<bool> {
        self.judge(row, |_| None)
    }

    /// Whether a row of a list belongs to the filtered set. A field that is
    /// among the `declared` columns must be there; any other went to the API,
    /// which need not hand it back.
    pub(super) fn keeps(&self, row: &Record<Value>, declared: &[String]) -> bool {
        self.judge(row, |field| Some(!declared.iter().any(|name| name == field))) == Some(true)
    }

    fn judge(&self, row: &Record<Value>, missing: impl Fn(&str) -> Option<bool>) -> Option<bool> {
        let mut verdict = Some(true);
        for (field, wanted) in &self.0 {
            let matches = match row.get(field) {
                Some(value) => Some(holds(value, wanted)),
                None => missing(field),
            };
            match matches {
                Some(false) => return Some(false),
                Some(true) => {}
                None => verdict = None,
            }
        }
        verdict
    }
}

fn holds(value: &Value, wanted: &[Scalar]) -> bool {
    match (value, parameter_text(value)) {
        (Value::Null, _) => wanted.contains(&None),
        (_, Some(text)) => wanted.contains(&Some(text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, Value)]) -> Record<Value> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn filter(field: &str, wanted: &[Scalar]) -> Filter {
        Filter::new(IndexMap::from([(field.to_owned(), wanted.to_vec())]))
    }

    #[test]
    fn values_compare_by_their_text() {
        let seven = filter("n", &[Some("7".into())]);
        for value in [Value::from(7), Value::from(7.0), Value::from("7")] {
            assert!(seven.keeps(&row(&[("n", value)]), &[]));
        }
        for value in [Value::from(8), Value::Null, Value::Array(vec![7.into()])] {
            assert!(!seven.keeps(&row(&[("n", value)]), &[]));
        }
    }

    #[test]
    fn null_matches_null_alone() {
        let null = filter("n", &[None]);
        assert!(null.keeps(&row(&[("n", Value::Null)]), &[]));
        assert!(!null.keeps(&row(&[("n", Value::from(""))]), &[]));
    }

    #[test]
    fn a_row_without_a_declared_field_is_out_and_without_another_field_is_in() {
        let filter = filter("n", &[Some("7".into())]);
        let row = row(&[("m", Value::from(1))]);
        assert!(!filter.keeps(&row, &["n".into()]));
        assert!(filter.keeps(&row, &["m".into()]));
        assert_eq!(filter.admits(&row), None);
    }
}

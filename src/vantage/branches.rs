//! [pure] The sets that a read consists of: a placeholder in a path takes one value, so
//! several values for it mean several sets. Also decides what the same id in two of them means.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::{Result, error};

use super::{condition::ApiCondition, parameter::parameter_text, path::placeholders, record::Row};

/// The most sets for paths with several placeholders, one for each combination of values.
const MOST: usize = 100_000;

/// The conditions for each of the sets that `conditions` make of a table, in the order of the
/// values, and those that all of them share. `None` if every placeholder has one value, so that
/// there is one set, and if there are more sets than can be read.
pub(super) fn branches(
    template: &str,
    conditions: &[ApiCondition],
) -> Option<(Vec<Vec<ApiCondition>>, Vec<ApiCondition>)> {
    let mut branches = vec![Vec::new()];
    let (mut known, mut branched) = (Vec::new(), Vec::new());
    for name in placeholders(template) {
        if known.contains(&name) {
            continue;
        }
        known.push(name);
        let choices = choices(name, conditions);
        if choices.len() > 1 {
            if branches.len() > 1 && branches.len().saturating_mul(choices.len()) > MOST {
                return None;
            }
            branched.push(name);
            let extended = branches.iter().flat_map(|branch| {
                choices.iter().map(|choice| {
                    let mut branch = branch.clone();
                    branch.push(choice.clone());
                    branch
                })
            });
            branches = extended.collect();
        }
    }
    let is_said_by_each = |condition: &&ApiCondition| {
        equality(condition).is_some_and(|(field, _)| branched.contains(&field))
    };
    let common = || conditions.iter().filter(|one| !is_said_by_each(one)).cloned().collect();
    (branches.len() > 1).then(|| (branches, common()))
}

/// The field and its allowed values, if the condition is an equality or a list.
fn equality(condition: &ApiCondition) -> Option<(&str, &[Value])> {
    match condition {
        ApiCondition::Eq { field, value } => Some((field, std::slice::from_ref(value))),
        ApiCondition::In { field, values } => Some((field, values)),
        _ => None,
    }
}

/// The values that every condition on `field` allows, each once.
fn choices(field: &str, conditions: &[ApiCondition]) -> Vec<ApiCondition> {
    let mut admitted: Option<Vec<&Value>> = None;
    let of_field = conditions.iter().filter_map(equality).filter(|(own, _)| *own == field);
    for (_, values) in of_field {
        match &mut admitted {
            Some(admitted) => {
                let now: HashSet<_> = values.iter().map(parameter_text).collect();
                admitted.retain(|one| now.contains(&parameter_text(one)));
            }
            None => {
                let mut seen = HashSet::new();
                let once = values.iter().filter(|value| seen.insert(parameter_text(value)));
                admitted = Some(once.collect());
            }
        }
    }
    let values = admitted.into_iter().flatten();
    values.map(|value| ApiCondition::eq(field, value.clone())).collect()
}

/// Fingerprints of rows by id, to distinguish a row that is in several sets from different rows
/// with the same id.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    /// For each id the number of its set and the hash of its row.
    seen: IndexMap<Arc<str>, (u64, u64)>,
    order: VecDeque<Arc<str>>,
    limit: Option<usize>,
}

impl Fingerprints {
    /// Remembers the last `limit` ids, or all of them.
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether `row` was not in an earlier set.
    ///
    /// # Errors
    /// If an earlier set had a different row with the id of `row`.
    pub(super) fn is_new(&mut self, set: u64, row: &Row) -> Result<bool> {
        let Some(id) = row.id.as_deref() else { return Ok(true) };
        let hash = fingerprint(row);
        match self.seen.get(id) {
            Some((earlier, other)) if *earlier != set && *other != hash => {
                return Err(error!("rows of two requests share one id and differ", id = id));
            }
            Some((earlier, _)) => return Ok(*earlier == set),
            None => {}
        }
        let id: Arc<str> = id.into();
        if let Some(limit) = self.limit {
            if self.order.len() >= limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.swap_remove(&oldest);
            }
            self.order.push_back(Arc::clone(&id));
        }
        self.seen.insert(id, (set, hash));
        Ok(true)
    }
}

fn fingerprint(row: &Row) -> u64 {
    let (mut hasher, mut bytes) = (DefaultHasher::new(), Vec::new());
    for field in &row.record {
        bytes.clear();
        // Any value that was read can be written, and a vector accepts all bytes.
        let _ = ciborium::into_writer(&field, &mut bytes);
        hasher.write(&bytes);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eq(field: &str, value: i32) -> ApiCondition {
        ApiCondition::eq(field, value)
    }

    #[test]
    fn several_values_of_a_placeholder_are_several_sets_in_their_order() {
        let conditions = [ApiCondition::is_in("a", [3, 1, 3, 2]), ApiCondition::is_in("a", [2, 3])];
        let sets = vec![vec![eq("a", 3)], vec![eq("a", 2)]];
        assert_eq!(branches("x/{a}/y", &conditions), Some((sets, Vec::new())));
    }

    #[test]
    fn one_value_none_and_other_fields_are_one_set() {
        for conditions in [
            vec![],
            vec![eq("a", 1)],
            vec![ApiCondition::is_in("b", [1, 2])],
            vec![ApiCondition::is_in("a", [1, 2]), eq("a", 2)],
            vec![ApiCondition::is_in("a", [1, 2]), eq("a", 3)],
        ] {
            assert_eq!(branches("x/{a}/y", &conditions), None, "{conditions:?}");
        }
    }

    #[test]
    fn several_placeholders_multiply() {
        let all = [
            ApiCondition::is_in("b", [1, 2]),
            eq("c", 3),
            ApiCondition::is_in("a", [7, 8]),
            ApiCondition::ne("a", 9),
        ];
        let each = [(7, 1), (7, 2), (8, 1), (8, 2)];
        let each = each.map(|(a, b)| vec![eq("a", a), eq("b", b)]).to_vec();
        let common = vec![eq("c", 3), ApiCondition::ne("a", 9)];
        assert_eq!(branches("{a}/{b}?again={a}", &all), Some((each, common)));
    }

    #[test]
    fn what_several_placeholders_make_is_bounded() {
        let all = ["a", "b", "c"].map(|name| ApiCondition::is_in(name, 0..1_000));
        assert_eq!(branches("{a}/{b}/{c}", &all), None);
        assert_eq!(branches("{a}", &all).unwrap().0.len(), 1_000);
    }

    fn row(id: &str, n: i32) -> Row {
        let record = [("n".to_owned(), Value::from(n))].into_iter().collect();
        Row { id: Some(id.to_owned()), record, is_inexact: false }
    }

    #[test]
    fn one_id_in_two_sets_is_the_same_row_or_an_error_that_names_it() {
        let mut fingerprints = Fingerprints::new(None);
        assert!(fingerprints.is_new(1, &row("a", 7)).unwrap());
        assert!(!fingerprints.is_new(2, &row("a", 7)).unwrap());
        // A row that changes while its set is read is handled by the keys.
        assert!(fingerprints.is_new(1, &row("a", 8)).unwrap());
        let error = fingerprints.is_new(2, &row("a", 8)).unwrap_err();
        assert_eq!(error.context["id"], "\"a\"");
    }

    #[test]
    fn fingerprints_are_bounded() {
        let mut fingerprints = Fingerprints::new(Some(2));
        for id in ["a", "b", "c"] {
            assert!(fingerprints.is_new(1, &row(id, 7)).unwrap());
        }
        assert_eq!(fingerprints.seen.len(), 2);
        assert!(fingerprints.is_new(2, &row("a", 8)).unwrap());
        assert!(fingerprints.is_new(2, &row("c", 8)).is_err());
    }
}

//! [pure] A list of values with an index, so that a row is looked up in it instead of being
//! compared with each value.

use std::{collections::HashSet, fmt, sync::Arc};

use chrono::{DateTime, FixedOffset};
use ciborium::Value;

use super::{
    number::Number,
    value::{as_flag, instant, is_text, number, same, text},
};

/// Lists of up to this length are compared one by one.
const FEW: usize = 8;

/// The values of one comparison.
#[derive(Clone, Debug)]
pub(super) struct ValueSet {
    values: Arc<[Value]>,
    has_null: bool,
    is_numeric: bool,
    index: Option<Arc<Index>>,
}

/// An index of values for each of the ways in which they may be equal.
#[derive(Default)]
struct Index {
    integers: HashSet<i128>,
    texts: HashSet<String>,
    numbers: HashSet<Number>,
    /// Numbers that are strings.
    worded: HashSet<Number>,
    instants: HashSet<DateTime<FixedOffset>>,
    /// Whether false and true are among them: as booleans, and as numbers.
    flags: [bool; 2],
    counts: [bool; 2],
}

impl ValueSet {
    /// Texts of a column that `is_numeric` are numbers if possible.
    pub(super) fn new(values: Vec<Value>, is_numeric: bool) -> Self {
        let index = (values.len() > FEW).then(|| Arc::new(Index::of(&values)));
        let has_null = values.iter().any(Value::is_null);
        Self { values: values.into(), has_null, is_numeric, index }
    }

    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    pub(super) fn has_null(&self) -> bool {
        self.has_null
    }

    pub(super) fn is_numeric(&self) -> bool {
        self.is_numeric
    }

    /// Whether one of the values equals `value`, which is not null.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match &self.index {
            Some(index) => index.holds(value, self.is_numeric),
            None => {
                let mut wanted = self.values.iter().filter(|wanted| !wanted.is_null());
                wanted.any(|wanted| same(value, wanted, self.is_numeric))
            }
        }
    }
}

impl Index {
    fn of(values: &[Value]) -> Self {
        let mut index = Self::default();
        for value in values {
            if let Value::Integer(number) = value {
                index.integers.insert((*number).into());
            }
            if let Some(flag) = as_flag(value) {
                let flags = if value.is_bool() { &mut index.flags } else { &mut index.counts };
                flags[usize::from(flag)] = true;
            }
            let Some(text) = text(value) else { continue };
            if let Some(number) = number(value, &text) {
                let numbers = if is_text(value) { &mut index.worded } else { &mut index.numbers };
                numbers.insert(number);
            }
            index.instants.extend(instant(&text).filter(|_| is_text(value)));
            index.texts.insert(text.into_owned());
        }
        index
    }

    fn holds(&self, value: &Value, is_numeric: bool) -> bool {
        if let Value::Integer(number) = value
            && self.integers.contains(&i128::from(*number))
        {
            return true;
        }
        let Some(text) = text(value) else { return false };
        if self.texts.contains(&*text) {
            return true;
        }
        if let Value::Bool(flag) = value {
            return self.counts[usize::from(*flag)];
        }
        let is_text = is_text(value);
        let is_number = number(value, &text).is_some_and(|number| {
            self.numbers.contains(&number)
                || (is_numeric || !is_text) && self.worded.contains(&number)
        });
        let is_flag = || as_flag(value).is_some_and(|flag| self.flags[usize::from(flag)]);
        let is_instant = || instant(&text).is_some_and(|at| self.instants.contains(&at));
        is_number || if is_text { is_instant() } else { is_flag() }
    }
}

/// Without its content, which has no order: the same conditions have the same text, by which a
/// cursor knows them.
impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

impl PartialEq for ValueSet {
    fn eq(&self, other: &Self) -> bool {
        (&self.values, self.is_numeric) == (&other.values, other.is_numeric)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let texts = prop::sample::select(vec![
            "7",
            "7.0",
            "07",
            "1",
            "0",
            "true",
            "false",
            "",
            "x",
            "1e0",
            "2024-01-01T00:00:00Z",
            "2024-01-01T01:00:00+01:00",
            "2024-01-01",
            "18446744073709551616",
        ]);
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-2_i64..9).prop_map(Value::from),
            prop::sample::select(vec![0.0, 1.0, 7.0, 0.5, f64::NAN]).prop_map(Value::Float),
            texts.prop_map(Value::from),
            Just(Value::Null),
            Just(Value::Array(vec![])),
            Just(super::super::number::exact("18446744073709551616").unwrap()),
        ]
    }

    #[test]
    fn the_same_values_have_the_same_text() {
        let shown = || {
            let values = (0_i64..100).map(Value::from).collect();
            format!("{:?}", ValueSet::new(values, false))
        };
        assert_eq!(shown(), shown());
    }

    proptest! {
        #[test]
        fn a_value_is_found_where_it_is_the_same_as_one_of_them(
            values in prop::collection::vec(value(), 0..20), one in value(), is_numeric: bool,
        ) {
            prop_assume!(!one.is_null());
            let expected = values.iter()
                .any(|wanted| !wanted.is_null() && same(&one, wanted, is_numeric));
            let value_set = ValueSet::new(values.clone(), is_numeric);
            prop_assert_eq!(value_set.holds(&one), expected);
            let index = Index::of(&values);
            prop_assert_eq!(index.holds(&one, is_numeric), expected, "{:?} in {:?}", one, values);
        }
    }
}

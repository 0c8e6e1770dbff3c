//! [pure] Finds out how a type wants values that no column declares. A type reads only records and
//! does not say what it expects, so this tries, once for each place in a row: a whole number as a
//! float, 0 and 1 as a boolean, text as a UUID or an address.

use std::{
    any::type_name,
    collections::HashMap,
    marker::PhantomData,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use ciborium::Value;
use uuid::Uuid;
use vantage_types::{EmptyEntity, Entity, Record};

use super::{columns::Columns, kind::ValueKind, number::exact};
use crate::lock::lock;

/// The most forms of one row that are tried.
const MOST_TRIES: usize = 4_096;
/// After this many rows of which no form fits, the search stops.
const MOST_FAILURES: u32 = 3;
/// Text shorter than this cannot be an integer beyond 64 bits.
const SHORTEST_WIDE: usize = 19;

/// What is known of the places in the rows of a table. It is for one type.
#[derive(Clone, Debug, Default)]
pub(super) struct InferredSchema {
    nodes: Vec<Node>,
    root: HashMap<String, usize>,
    failures: u32,
}

/// A place in a row, and those below it.
#[derive(Clone, Debug, Default)]
struct Node {
    /// What values here are read as, once that is known: a kind, or as they are.
    read_as: Option<Option<ValueKind>>,
    /// Whether there was a number with a fraction.
    has_fractions: bool,
    fields: HashMap<String, usize>,
    items: Option<usize>,
}

/// A place whose expected kind is not known yet, and the possible kinds.
struct Candidate {
    node: usize,
    kinds: &'static [ValueKind],
    /// The most likely kind, unless that is the value as it is.
    likely: Option<ValueKind>,
}

/// What types expect of the rows of tables, by the names of both.
pub(super) type InferredSchemas = Arc<Mutex<HashMap<(String, &'static str), InferredSchema>>>;

/// Converts the records of one table to those that `E` can be read from.
pub(super) struct Inference<E> {
    schemas: InferredSchemas,
    key: (String, &'static str),
    schema: InferredSchema,
    columns: Columns,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity<Value>> Inference<E> {
    /// `None` for a type that reads any record.
    pub(super) fn new(schemas: &InferredSchemas, table: &str, columns: &Columns) -> Option<Self> {
        if type_name::<E>() == type_name::<EmptyEntity>() {
            return None;
        }
        let key = (table.to_owned(), type_name::<E>());
        let known = lock(schemas).get(&key).cloned();
        let (schemas, schema) = (Arc::clone(schemas), known.unwrap_or_default());
        Some(Self { schemas, key, schema, columns: columns.clone(), entity: PhantomData })
    }

    /// Converts a record as far as possible, and returns whether anything was learned.
    pub(super) fn apply(&mut self, record: &mut Record<Value>) -> bool {
        let has_learned = self.learn(record);
        if has_learned {
            lock(&self.schemas).insert(self.key.clone(), self.schema.clone());
        }
        has_learned
    }

    fn learn(&mut self, record: &mut Record<Value>) -> bool {
        let mut unknown = Vec::new();
        for (column, value) in record.iter_mut() {
            if !self.columns.is_declared(column)
                && let Some(node) = self.schema.node_of(column, value)
            {
                self.schema.look(node, value, &mut unknown);
            }
        }
        if unknown.is_empty() || self.schema.failures >= MOST_FAILURES {
            return false;
        }
        for one in &mut unknown {
            one.likely = match one.kinds {
                [kind @ (ValueKind::Uuid | ValueKind::Ip), ..] => Some(*kind),
                _ => Some(ValueKind::Float).filter(|_| self.schema.nodes[one.node].has_fractions),
            };
        }
        let fits = |record: &Record<Value>| E::try_from_record(record).is_ok();
        let found =
            if fits(record) { Some(Vec::new()) } else { self.found(record, &unknown, fits) };
        match found {
            Some(changes) => {
                for Candidate { node, .. } in unknown {
                    self.schema.nodes[node].read_as.get_or_insert(None);
                }
                for (node, kind) in changes {
                    self.schema.nodes[node].read_as = Some(Some(kind));
                }
            }
            None => self.schema.failures += 1,
        }
        true
    }

    /// Finds and applies the changes that make the record fit.
    fn found(
        &self,
        record: &mut Record<Value>,
        unknown: &[Candidate],
        fits: impl Fn(&Record<Value>) -> bool,
    ) -> Option<Vec<(usize, ValueKind)>> {
        for changes in choices(unknown).take(MOST_TRIES) {
            let mut trial = record.clone();
            for (column, value) in &mut trial {
                if let Some(node) = self.schema.root.get(column) {
                    self.schema.change(*node, value, &changes);
                }
            }
            if fits(&trial) {
                *record = trial;
                return Some(changes);
            }
        }
        None
    }
}

/// The possible changes, the likeliest first: the likely kind for all but a few nodes, or for few
/// nodes only.
fn choices(unknown: &[Candidate]) -> impl Iterator<Item = Vec<(usize, ValueKind)>> + '_ {
    let number = unknown.len();
    let sizes = (0..=number).flat_map(move |few| [few, number - few]);
    let mut seen = vec![false; number + 1];
    let sizes = sizes.filter(move |size| !std::mem::replace(&mut seen[*size], true));
    sizes.flat_map(move |size| {
        combinations(number, size).flat_map(move |chosen| {
            let forms: usize = chosen.iter().map(|at| unknown[*at].kinds.len()).product();
            (0..forms).map(move |mut form| {
                let change = |(at, unknown): (usize, &Candidate)| {
                    let kind = if chosen.contains(&at) {
                        let others = unknown.kinds.len();
                        let other = form % others;
                        form /= others;
                        unknown.others().nth(other)?
                    } else {
                        unknown.likely
                    };
                    kind.map(|kind| (unknown.node, kind))
                };
                unknown.iter().enumerate().filter_map(change).collect()
            })
        })
    })
}

impl Candidate {
    /// Every reading except the likely one, one for each kind.
    fn others(&self) -> impl Iterator<Item = Option<ValueKind>> {
        let all = [None].into_iter().chain(self.kinds.iter().map(|kind| Some(*kind)));
        all.filter(|kind| *kind != self.likely)
    }
}

/// The subsets of `size` of the numbers below `number`, in order.
fn combinations(number: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    std::iter::successors((size <= number).then(|| (0..size).collect::<Vec<_>>()), move |last| {
        let mut next = last.clone();
        let at = (0..size).rev().find(|at| next[*at] < number - size + at)?;
        next[at] += 1;
        for after in at + 1..size {
            next[after] = next[after - 1] + 1;
        }
        Some(next)
    })
}

impl InferredSchema {
    /// The node of a column; `None` for a value that needs no decision.
    fn node_of(&mut self, column: &str, value: &Value) -> Option<usize> {
        match self.root.get(column) {
            Some(node) => Some(*node),
            None if is_plain(value) => None,
            None => {
                let node = self.new_node();
                self.root.insert(column.to_owned(), node);
                Some(node)
            }
        }
    }

    fn new_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Changes values whose expected kind is known, and collects those for which it is not.
    fn look(&mut self, node: usize, value: &mut Value, unknown: &mut Vec<Candidate>) {
        match value {
            Value::Map(fields) => {
                for (key, value) in fields {
                    let Some(key) = key.as_text() else { continue };
                    let below = match self.nodes[node].fields.get(key) {
                        Some(below) => *below,
                        None if is_plain(value) => continue,
                        None => {
                            let below = self.new_node();
                            self.nodes[node].fields.insert(key.to_owned(), below);
                            below
                        }
                    };
                    self.look(below, value, unknown);
                }
            }
            Value::Array(values) => {
                for value in values.iter_mut() {
                    let below = match self.nodes[node].items {
                        Some(below) => below,
                        None if is_plain(value) => continue,
                        None => {
                            let below = self.new_node();
                            self.nodes[node].items = Some(below);
                            below
                        }
                    };
                    self.look(below, value, unknown);
                }
            }
            value => match self.nodes[node].read_as {
                Some(Some(kind)) => read_as(kind, value),
                Some(None) => {}
                None => {
                    let is_fraction = value.as_float().is_some_and(|number| number.fract() != 0.0);
                    self.nodes[node].has_fractions |= is_fraction;
                    let kinds = kinds_of(value);
                    match unknown.iter_mut().find(|other| other.node == node) {
                        Some(other) if kinds.len() > other.kinds.len() => other.kinds = kinds,
                        None if !kinds.is_empty() => {
                            unknown.push(Candidate { node, kinds, likely: None });
                        }
                        _ => {}
                    }
                }
            },
        }
    }

    fn change(&self, node: usize, value: &mut Value, changes: &[(usize, ValueKind)]) {
        match value {
            Value::Map(fields) => {
                for (key, value) in fields {
                    let below = key.as_text().and_then(|key| self.nodes[node].fields.get(key));
                    if let Some(below) = below {
                        self.change(*below, value, changes);
                    }
                }
            }
            Value::Array(values) => {
                if let Some(below) = self.nodes[node].items {
                    values.iter_mut().for_each(|value| self.change(below, value, changes));
                }
            }
            value => {
                if let Some((_, kind)) = changes.iter().find(|(at, _)| *at == node) {
                    read_as(*kind, value);
                }
            }
        }
    }
}

/// Whether a value is read as it is by every type.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Map(_) | Value::Array(_) => false,
        value => kinds_of(value).is_empty(),
    }
}

/// The kinds that a value may be expected as, other than its own.
fn kinds_of(value: &Value) -> &'static [ValueKind] {
    match value {
        Value::Integer(number) => match i128::from(*number) {
            0 | 1 => &[ValueKind::Float, ValueKind::Bool],
            _ => &[ValueKind::Float],
        },
        Value::Float(number) if number.fract() == 0.0 => &[ValueKind::Integer],
        Value::Text(text) if is_wide(text) => &[ValueKind::Integer, ValueKind::Float],
        Value::Text(text) if text.len() == 36 && Uuid::try_parse(text).is_ok() => {
            &[ValueKind::Uuid]
        }
        Value::Text(text) if text.contains(['.', ':']) => match text.parse() {
            Ok(IpAddr::V4(_)) => &[ValueKind::Ip, ValueKind::Ipv4],
            Ok(IpAddr::V6(_)) => &[ValueKind::Ip, ValueKind::Ipv6],
            Err(_) => &[],
        },
        _ => &[],
    }
}

/// Whether a text is the form of an integer beyond 64 bits.
fn is_wide(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() >= SHORTEST_WIDE && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_as(kind: ValueKind, value: &mut Value) {
    if let Value::Text(text) = value
        && is_wide(text)
        && let Some(number) = exact(text)
    {
        *value = number;
    }
    kind.read(value);
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use vantage_types::TryFromRecord;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        at: Vec<f64>,
        of: Of,
        label: serde_json::Value,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Of {
        n: i64,
        on: bool,
        f: Option<f32>,
    }

    fn record(json: &serde_json::Value) -> Record<Value> {
        Record::from(Value::serialized(json).unwrap())
    }

    fn fit() -> Inference<Point> {
        Inference::new(&InferredSchemas::default(), "rows", &Columns::default()).unwrap()
    }

    #[test]
    fn what_is_wanted_is_found_out_once_and_then_known() {
        let mut fit = fit();
        let row = |n: i64| json!({ "at": [1, 2.5], "of": { "n": n, "on": 1, "f": 7 }, "label": 3 });
        let mut first = record(&row(1));
        assert!(Point::try_from_record(&first).is_err());
        assert!(fit.apply(&mut first));
        let expected =
            Point { at: vec![1.0, 2.5], of: Of { n: 1, on: true, f: Some(7.0) }, label: 3.into() };
        assert_eq!(Point::try_from_record(&first).unwrap(), expected);
        let mut second = record(&row(0));
        assert!(!fit.apply(&mut second), "nothing is tried again");
        assert_eq!(Point::try_from_record(&second).unwrap().of.n, 0);
    }

    #[test]
    fn what_fits_stays_and_what_never_fits_is_given_up() {
        let mut fit = fit();
        let fine = record(
            &json!({ "at": [1.5], "of": { "n": 1, "on": true, "f": null }, "label": "::1" }),
        );
        let mut same = fine.clone();
        fit.apply(&mut same);
        assert_eq!(same, fine);
        for _ in 0..10 {
            let mut wrong =
                record(&json!({ "at": "x", "of": { "n": 1, "on": true, "f": 2 }, "label": 1 }));
            let as_it_was = wrong.clone();
            fit.apply(&mut wrong);
            assert_eq!(wrong, as_it_was);
        }
        assert!(
            Inference::<EmptyEntity>::new(&InferredSchemas::default(), "rows", &Columns::default())
                .is_none()
        );
    }

    #[test]
    fn few_changes_come_first_then_all_but_few_each_once() {
        let kinds: &[ValueKind] = &[ValueKind::Float];
        let unknown =
            |likely| -> Vec<_> { (0..5).map(|node| Candidate { node, kinds, likely }).collect() };
        let sizes = |likely| -> Vec<usize> {
            choices(&unknown(likely)).map(|changes| changes.len()).collect()
        };
        assert_eq!(sizes(None).len(), 32);
        assert_eq!(sizes(None)[..8], [0, 5, 1, 1, 1, 1, 1, 4]);
        assert_eq!(sizes(Some(ValueKind::Float))[..8], [5, 0, 4, 4, 4, 4, 4, 1]);
    }
}

//! Rows of any shape: each value is in one place, whatever becomes of lists and objects.

use arrow_array::{Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::*;

/// How deep objects and lists are within each other.
const MAX_DEPTH: usize = 3;

/// Makes values, each of which is there once.
struct Maker {
    rng: Rng,
    next: u64,
}

impl Maker {
    /// A number or a text, which has digits that no other has.
    fn plain(&mut self) -> Value {
        self.next += 1;
        match self.rng.bool() {
            true => json!(self.next),
            false => json!(format!("text {}", self.next)),
        }
    }

    fn list(&mut self, depth: usize) -> Value {
        let items = self.rng.usize(0..4);
        (0..items).map(|_| self.item(depth)).collect()
    }

    fn item(&mut self, depth: usize) -> Value {
        match self.rng.usize(0..6) {
            0 => Value::Null,
            1 if depth < MAX_DEPTH => self.list(depth + 1),
            2 | 3 if depth < MAX_DEPTH => Value::Object(self.object(depth + 1)),
            _ => self.plain(),
        }
    }

    /// An object, in which a field has a kind by its name: `s` is plain, `l` a list, `m` the one or the
    /// other, `o` an object.
    fn object(&mut self, depth: usize) -> Map<String, Value> {
        let mut object = Map::new();
        for name in ["sa", "sb", "la", "lb", "m", "oa", "ob"] {
            if self.rng.bool() {
                continue;
            }
            let is_list = name.starts_with('l') || (name == "m" && self.rng.bool());
            let value = match name {
                _ if is_list => self.list(depth),
                "oa" | "ob" if depth < MAX_DEPTH => Value::Object(self.object(depth + 1)),
                "oa" | "ob" => continue,
                _ => self.plain(),
            };
            object.insert(name.to_owned(), value);
        }
        object
    }
}

/// The numbers in the values of a batch, but not in those of its first columns.
fn numbers(batch: &RecordBatch, skipped: usize, found: &mut Vec<u64>) {
    for column in batch.columns().iter().skip(skipped) {
        for row in (0..batch.num_rows()).filter(|row| column.is_valid(*row)) {
            let text = match column.data_type() {
                DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
                _ => column.as_string::<i32>().value(row).to_owned(),
            };
            let digits = text.split(|char: char| !char.is_ascii_digit());
            found.extend(digits.filter_map(|digits| digits.parse::<u64>().ok()));
        }
    }
}

#[test]
fn every_value_is_in_one_place_and_one_only() {
    for seed in 0..200 {
        let mut maker = Maker { rng: Rng::with_seed(seed), next: 0 };
        let rules = RowRules {
            key: vec!["id".into()],
            nested: Nested::Children,
            ..rules(SchemaPolicy::Evolve)
        };
        let (mut learned, mut found) = (Learned::default(), Vec::new());
        for page in 0..3 {
            let rows = (0..5).map(|row| {
                let mut object = maker.object(0);
                object.insert("id".to_owned(), json!(5 * page + row));
                Value::Object(object).to_string()
            });
            let rows: Vec<String> = rows.collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            // Each page is read after a restart.
            let mut decoder = RowDecoder::new(rules.clone(), learned);
            let decoded = decode(&mut decoder, &rows).unwrap();
            assert!(decoded.rejects.is_empty(), "seed {seed}: {:?}", decoded.rejects);
            assert_eq!(counts(&decoded).iter().sum::<usize>(), rows.len());
            for batch in &decoded.batches {
                let key = batch.schema_ref().index_of("id").unwrap();
                let mut others = batch.clone();
                others.remove_column(key);
                numbers(&others, 0, &mut found);
            }
            for (table, Items { batches, rows }) in &decoded.children {
                batches.iter().for_each(|batch| numbers(batch, 2, &mut found));
                let items: usize = batches.iter().map(RecordBatch::num_rows).sum();
                assert_eq!(items, rows.len(), "seed {seed}: {table}");
                assert!(
                    rows.is_sorted() && rows.iter().all(|row| *row < 5),
                    "seed {seed}: {rows:?}"
                );
            }
            learned = decoded.learned;
        }
        found.sort_unstable();
        assert_eq!(found, (1..=maker.next).collect::<Vec<_>>(), "seed {seed}");
    }
}

//! [pure] The keys of rows: whether a row tells its own, and which of those that a run has read come again.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    mem,
};

use super::{cell::Cell, value::Value};
use crate::schema::Schema;

/// How many keys are known at most: with 8 bytes for each.
const MAX_KEYS: usize = 200_000;

/// The keys of the first 200,000 rows of a run, by hashes of 64 bits: that two of these are the same for
/// other keys happens in one of 900 million such runs.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: HashSet<u64, BuildHasherDefault<OfHash>>,
    /// How many keys were there when they were added.
    twice: usize,
}

impl Keys {
    /// Adds a key.
    pub(super) fn add<'v, 't: 'v>(&mut self, key: impl Iterator<Item = &'v Value<'t>>) {
        let mut hasher = DefaultHasher::new();
        key.for_each(|value| hash(value, &mut hasher));
        let hash = hasher.finish();
        let was_there = match self.known.len() < MAX_KEYS {
            true => !self.known.insert(hash),
            false => self.known.contains(&hash),
        };
        self.twice += usize::from(was_there);
    }

    /// How many keys were there when they were added, since this was asked last.
    pub(super) fn take_twice(&mut self) -> usize {
        mem::take(&mut self.twice)
    }
}

/// Whether the columns of a key have values in a row, or are bound to some.
pub(super) fn is_told<'a>(
    key: &[usize],
    cells: &[Cell<'a>],
    bound: &[(usize, Cell<'a>)],
    schema: &Schema,
) -> bool {
    key.iter().all(|number| {
        let given = bound.iter().find(|(own, _)| own == number).map(|(_, cell)| cell);
        let cell = cells.get(*number).filter(|cell| **cell != Cell::Null).or(given);
        let column = schema.columns.get(*number);
        let value = cell.zip(column).and_then(|(cell, column)| Value::of(cell, column.kind));
        value.is_some_and(|value| value != Value::Null)
    })
}

/// A key whose column gets a wider type while it is read counts as another one from then on.
fn hash(value: &Value<'_>, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(flag) => i64::from(*flag).hash(hasher),
        Value::Int(number) | Value::Timestamp(number) => number.hash(hasher),
        Value::Float(number) => number.to_bits().hash(hasher),
        Value::Decimal(number) => number.hash(hasher),
        Value::Date(days) => days.hash(hasher),
        Value::Text(text) => text.hash(hasher),
    }
}

/// The hash of a hash is itself.
#[derive(Debug, Default)]
struct OfHash(u64);

impl Hasher for OfHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |all, byte| all.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_again_is_known() {
        let mut keys = Keys::default();
        let text = |text: &'static str| Value::Text(text.into());
        for (key, is_known) in [
            ([Value::Int(1), text("a")], false),
            ([Value::Int(1), text("b")], false),
            ([Value::Int(2), text("a")], false),
            ([Value::Int(1), text("a")], true),
            ([Value::Int(2), text("a")], true),
        ] {
            keys.add(key.iter());
            assert_eq!(keys.take_twice(), usize::from(is_known), "{key:?}");
        }
    }
}

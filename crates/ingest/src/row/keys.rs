//! [pure] Which keys of rows a run has read, to count those that come again.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

use super::value::Value;

/// How many keys are known at most: with 8 bytes for each.
const MAX_KEYS: usize = 1_000_000;

/// The keys of the first million rows of a run, by hashes of 64 bits: that two of these are the same for
/// other keys happens in one of 37 million such runs.
#[derive(Debug, Default)]
pub(super) struct Keys(HashSet<u64, BuildHasherDefault<OfHash>>);

impl Keys {
    /// Adds a key. True if it was there.
    pub(super) fn add<'v, 't: 'v>(&mut self, key: impl Iterator<Item = &'v Value<'t>>) -> bool {
        let mut hasher = DefaultHasher::new();
        key.for_each(|value| hash(value, &mut hasher));
        let hash = hasher.finish();
        match self.0.len() < MAX_KEYS {
            true => !self.0.insert(hash),
            false => self.0.contains(&hash),
        }
    }
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
            assert_eq!(keys.add(key.iter()), is_known, "{key:?}");
        }
    }
}

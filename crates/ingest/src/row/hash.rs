//! [pure] Hashes by which values are told apart without being kept.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A hash of 128 bits. That two of a billion values have the same one happens once in 10^20 times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowHash(u128);

impl RowHash {
    /// The first half of the SHA-256 of texts, each with its length before it.
    pub(crate) fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut context = Context::new(&SHA256);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let digest = context.finish();
        let half = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
        Self(u128::from_be_bytes(half))
    }
}

impl fmt::Display for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RowHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As hexadecimal digits: not every reader of JSON has numbers of 128 bits.
impl Serialize for RowHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        u128::from_str_radix(&digits, 16).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_texts_are_told_apart_by_where_one_ends() {
        let hash = RowHash::of(["a", "bc"]);
        assert_eq!(hash, RowHash::of(["a", "bc"]));
        assert_ne!(hash, RowHash::of(["ab", "c"]));
        assert_ne!(hash, RowHash::of(["abc"]));
        assert_ne!(RowHash::of([]), RowHash::of([""]));
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = RowHash(7);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{}7\"", "0".repeat(31)));
        assert_eq!(serde_json::from_str::<RowHash>(&json).unwrap(), hash);
    }
}

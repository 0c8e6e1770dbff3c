//! [pure] Rows that come again where two parts of a read meet, by hashes of their texts.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How many rows of one part of a read are remembered because the next one may have them as well.
pub(super) const MOST_SHARED: usize = 10_000;

/// How often each of some rows occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct KnownRows(BTreeMap<u64, u32>);

impl KnownRows {
    pub(super) fn add(&mut self, row: u64) {
        *self.0.entry(row).or_default() += 1;
    }

    pub(super) fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|(row, count)| *self.0.entry(*row).or_default() += count);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the row is one of them. It is left out once.
    pub(super) fn leave_out(&mut self, row: u64) -> bool {
        let Some(left) = self.0.get_mut(&row) else { return false };
        *left -= 1;
        if *left == 0 {
            self.0.remove(&row);
        }
        true
    }
}

/// The text or the number of a value in JSON. `None` if it is neither, or empty.
pub(super) fn text_of(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(json).ok().filter(|text| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// A hash of a row, the same in every process.
pub(super) fn hash(row: &str) -> u64 {
    let digest = digest(&SHA256, row.as_bytes());
    digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

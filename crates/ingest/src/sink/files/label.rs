//! [pure] What says that a folder is that of a child table.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sink::SinkError;

/// The version of the label's own form.
const VERSION: u32 = 1;

/// Says that a folder is that of a child table, and of which stream's. It lies where the manifest lies
/// in the folder of a stream, so that no two tables share a folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    version: u32,
    job: String,
    stream: String,
    table: String,
}

impl Label {
    pub(super) fn new(job: &str, stream: &str, table: &str) -> Self {
        let [job, stream, table] = [job, stream, table].map(str::to_owned);
        Self { version: VERSION, job, stream, table }
    }

    /// `None` if it is something else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether these are the bytes of the same label.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        Self::read(bytes).is_some_and(|label| label == *self)
    }

    /// # Errors
    /// If it cannot be written as JSON.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, SinkError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| SinkError::lasting("the label is not JSON").because(error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, stream, table, .. } = self;
        write!(f, "the child table `{table}` of the stream `{stream}` of the job `{job}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_that_of_one_table_of_one_stream() {
        let label = Label::new("world", "cities", "cities_tags");
        assert!(label.is(&label.to_bytes().unwrap()));
        for other in [
            Label::new("other", "cities", "cities_tags"),
            Label::new("world", "cities_tags", "cities_tags"),
            Label::new("world", "cities", "Cities_tags"),
        ] {
            assert!(!label.is(&other.to_bytes().unwrap()), "{other}");
        }
        assert!(["", "{}", "{\"version\": 1}"].iter().all(|text| !label.is(text.as_bytes())));
    }
}

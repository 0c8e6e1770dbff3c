//! [pure] How much is committed at once, as data.

use std::time::Duration;

use serde::Deserialize;

use super::forms;

/// How much is committed at once: whatever of these comes first.
///
/// | key | value |
/// |---|---|
/// | `rows` | after so many rows, with those that were set aside; by default 10,000, and 20,000 into files, of which each commit writes one |
/// | `bytes` | after so many bytes of decoded values, and of rows that were set aside; 16,777,216 (16 MiB) by default |
/// | `every` | after so long: a number of seconds, or text such as `500ms`; by default as below, and `5s` into files |
///
/// If `every` is not given, a database gets what there is once nothing more waits to be written and as
/// much time has passed since the last commit as it took, and after a second at the latest. So it is behind an API that is slow
/// by a few pages, and has few commits from one that is fast.
///
/// A run that was killed asks again for the pages that were not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CommitEvery {
    /// After so many rows, with those that were set aside.
    #[serde(deserialize_with = "forms::optional_at_least_one")]
    pub rows: Option<u64>,
    /// After so many bytes of decoded values, and of rows that were set aside.
    #[serde(deserialize_with = "forms::at_least_one")]
    pub bytes: u64,
    /// After so long.
    #[serde(deserialize_with = "forms::optional_above_zero")]
    pub every: Option<Duration>,
}

impl Default for CommitEvery {
    fn default() -> Self {
        Self { rows: None, bytes: 16 * 1024 * 1024, every: None }
    }
}

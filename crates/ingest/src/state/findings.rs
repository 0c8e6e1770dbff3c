//! [pure] What a run has found that speaks against its rows.

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::description::WriteMode;

/// What a run has found that speaks against the rows it has read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Why the first row was set aside that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Whether a row was set aside of which is not known which one it is, in a table that has a key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lacks_key: bool,
}

impl Findings {
    /// Whether rows that are there may be among those that the run has not written, though they are
    /// not gone: then it deletes none.
    pub(crate) fn forbid_deletes(&self, mode: WriteMode, counts: &Counts) -> bool {
        match mode {
            WriteMode::Append | WriteMode::Merge => false,
            WriteMode::Replace => self.lacks_key,
            WriteMode::Sync => counts.rejected > 0,
        }
    }
}

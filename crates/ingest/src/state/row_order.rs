//! [pure] In what order the rows of a unit came, and which it has read last.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::row::RowHash;

/// How many of the last rows are remembered: 40 bytes for each are written with each commit.
pub(crate) const RECENT_ROWS: usize = 10_000;

/// What is known of the order of a unit's rows, if the newest is to come first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitOrder {
    /// Whether a row was newer than one before it.
    pub is_broken: bool,
    /// The last rows that were read, the latest one last, if rows that come again are left out: up to
    /// 10,000.
    pub(crate) recent: VecDeque<RowHash>,
}

//! [pure] Where conditions are applied.

use serde::{Deserialize, Serialize};

/// Where conditions that fill no placeholder are applied. A condition on a column that is
/// [flagged](vantage_table::column::flags::ColumnFlag::RequestParam) as a request
/// parameter is always sent, and refused if it cannot be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filtering {
    /// The API applies each, in the form that [`Filters`](crate::vantage::Filters) defines. One
    /// that cannot be sent is refused.
    #[default]
    Server,
    /// The API applies what can be sent, and the rest is evaluated on the rows. Counts and
    /// windows cost one request if everything can be sent, and otherwise read the set.
    Mixed,
    /// What can be sent is sent, and every condition is also evaluated on the rows: for an API
    /// that may ignore parameters.
    Checked,
    /// Nothing is sent; every condition is evaluated on the rows: for an API that refuses
    /// unknown parameters.
    Local,
}

impl Filtering {
    pub(in crate::vantage) fn evaluates_all(self) -> bool {
        matches!(self, Self::Checked | Self::Local)
    }
}

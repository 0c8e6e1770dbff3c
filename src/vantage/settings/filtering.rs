//! [pure] Where conditions are applied.

use serde::{Deserialize, Serialize};

/// Where conditions that fill no placeholder are applied. A condition on a column that is
/// [flagged](vantage_table::column::flags::ColumnFlag::RequestParam) as a request
/// parameter is sent in any case, and refused where it cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filtering {
    /// The API applies each, in the form that [`Filters`](crate::vantage::Filters) gives. One that
    /// cannot be sent is refused.
    #[default]
    Server,
    /// The API applies what can be sent, and the rest is evaluated on the rows. Counts and
    /// windows cost one request where all can be sent, and otherwise read the set.
    Mixed,
    /// The API is sent what can be sent, and every condition is evaluated on
    /// the rows as well: for an API that may ignore a parameter.
    Checked,
    /// Nothing is sent; every condition is evaluated on the rows: for an API
    /// that refuses parameters it does not know.
    Local,
}

impl Filtering {
    pub(in crate::vantage) fn evaluates_all(self) -> bool {
        matches!(self, Self::Checked | Self::Local)
    }
}

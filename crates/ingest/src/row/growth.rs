//! [pure] How the columns of a table grow.

use crate::description::SchemaPolicy;

/// How the columns of a table grow.
#[derive(Debug)]
pub(super) struct Growth {
    /// The path of the list whose items are the rows; empty for the rows of the stream.
    pub(super) within: String,
    pub(super) policy: SchemaPolicy,
    /// Which texts the sink cannot hold, and why.
    pub(super) refuses: fn(&str) -> Option<&'static str>,
}

impl Growth {
    /// What a field is called in words.
    pub(super) fn place_of(&self, field: &str) -> String {
        match self.within.as_str() {
            "" => field.to_owned(),
            list => format!("{list}.{field}"),
        }
    }
}

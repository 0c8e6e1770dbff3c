//! [pure] What is known of the columns of a stream's rows, from commit to commit.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{
    schema::Schema,
    state::{ChildState, StreamState},
};

/// What is known of the columns of a stream's rows, besides what is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    /// The columns of the table.
    pub(crate) schema: Schema,
    /// Where in a row each column is whose name does not say it.
    pub(crate) paths: IndexMap<String, Vec<String>>,
    /// The `int` columns with numbers that a float does not hold.
    pub(crate) wide: BTreeSet<String>,
    /// The columns that had no value yet, and get the type of their first one.
    pub(crate) untyped: BTreeSet<String>,
    /// The tables of lists, by their names.
    pub(crate) children: IndexMap<String, ChildState>,
}

impl Learned {
    /// What was learned up to a commit.
    pub(crate) fn of(state: &StreamState) -> Self {
        let StreamState { schema, paths, wide, untyped, children, .. } = state.clone();
        Self { schema, paths, wide, untyped, children }
    }

    /// Puts it into the state of a commit.
    pub(crate) fn store(self, state: &mut StreamState) {
        (state.schema, state.paths, state.wide) = (self.schema, self.paths, self.wide);
        (state.untyped, state.children) = (self.untyped, self.children);
    }
}

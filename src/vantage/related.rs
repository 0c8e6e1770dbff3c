//! [pure] A condition on the rows of another table, as data. How they are read is said in
//! `relations`.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use ciborium::Value;
use vantage_core::Result;

/// A field that holds one of the values that a column has in the rows of a
/// table, which is read when it matters.
///
/// A placeholder of the narrowed table's path takes one value after the other. An API
/// that takes no lists is asked once for each value, at most as many at a time as pages
/// may be under way.
#[derive(Clone)]
pub struct Related {
    pub(super) field: String,
    pub(super) column: String,
    /// What the other table is called.
    pub(super) table: String,
    pub(super) source: Arc<dyn ValueSource>,
}

/// Where the values of a [`Related`] come from.
#[async_trait]
pub(super) trait ValueSource: Send + Sync {
    /// The values of `column`, each once, in the order of the rows. A row with null there has
    /// none.
    async fn values_of(&self, column: &str) -> Result<Vec<Value>>;
}

impl Related {
    /// The field that is narrowed.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// For people: `country_id IN (id of countries)`.
impl fmt::Display for Related {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} IN ({} of {})", self.field, self.column, self.table)
    }
}

impl fmt::Debug for Related {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Related({self})")
    }
}

/// The same field narrowed by the same column of the same table value.
impl PartialEq for Related {
    fn eq(&self, other: &Self) -> bool {
        (&self.field, &self.column) == (&other.field, &other.column)
            && Arc::ptr_eq(&self.source, &other.source)
    }
}

//! [pure] A condition on the rows of another table, as data. `relations` reads those rows.

use std::{fmt, sync::Arc};

use ciborium::Value;
use futures::future::BoxFuture;
use vantage_core::Result;

/// A field that must hold one of the values of a column in another table's rows, which are read
/// when the condition is used.
///
/// A placeholder in the narrowed table's path takes one value after the other. For an API
/// that takes no lists there is one request for each value, with at most as many in parallel
/// as pages may be in flight.
#[derive(Clone)]
pub struct Related {
    pub(super) field: String,
    pub(super) column: String,
    /// The name of the other table.
    pub(super) table: String,
    /// Reads the values.
    pub(super) source: Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Value>>> + Send + Sync>,
}

impl Related {
    /// The field that is narrowed.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// For display: `country_id IN (id of countries)`.
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

/// Equal if the same field is narrowed by the same column of the same table value.
impl PartialEq for Related {
    fn eq(&self, other: &Self) -> bool {
        (&self.field, &self.column) == (&other.field, &other.column)
            && Arc::ptr_eq(&self.source, &other.source)
    }
}

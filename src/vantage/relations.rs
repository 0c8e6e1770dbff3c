//! Conditions on the rows of another table: a set that is related to a set. The
//! values are read when the narrowed table is read, all of them, before anything
//! of the narrowed table is asked for.

use std::{fmt, sync::Arc};

use ciborium::Value;
use futures::TryStreamExt;
use indexmap::IndexSet;
use vantage_core::{Result, VantageError, error};
use vantage_dataset::traits::ReadableValueSet;
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Entity};

use super::{ApiCondition, PoolApi, condition::parameter_text, path::without_query};

/// Puts the values of other tables in the place of the conditions that stand for
/// them, and says whether there were any.
///
/// # Errors
/// Those of reading the other tables.
pub(super) async fn resolve(conditions: &mut [ApiCondition]) -> Result<bool> {
    let mut has_any = false;
    for condition in conditions {
        has_any |= match condition {
            ApiCondition::Related(related) => {
                // A table may be narrowed by one that is narrowed in turn.
                let resolved = Box::pin(related.clone().resolve()).await?;
                *condition = resolved;
                true
            }
            ApiCondition::All(parts) | ApiCondition::Any(parts) => Box::pin(resolve(parts)).await?,
            ApiCondition::Not(part) => Box::pin(resolve(std::slice::from_mut(part))).await?,
            _ => false,
        };
    }
    Ok(has_any)
}

/// A field that holds one of the values that a column has in the rows of a
/// table, which is read when it matters.
///
/// A placeholder of the narrowed table's path takes one value after the other. An API
/// that takes no lists is asked once for each value, at most as many at a time as pages
/// may be under way.
#[derive(Clone)]
pub struct Related {
    field: String,
    column: String,
    source: Arc<Table<PoolApi, EmptyEntity>>,
}

impl Related {
    pub(super) fn new<E: Entity<Value>>(
        field: &str,
        source: &Table<PoolApi, E>,
        column: &str,
    ) -> Self {
        let source = Arc::new(source.clone().into_entity());
        Self { field: field.to_owned(), column: column.to_owned(), source }
    }

    /// The field that is narrowed.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Reads the values, each once, in the order of the rows. A row with null
    /// there has none.
    ///
    /// # Errors
    /// Those of a list of the source table, which the error names;
    /// `IncorrectUsage` when no row of it has the column.
    async fn resolve(self) -> Result<ApiCondition> {
        let values = self.values().await.map_err(|error| self.named(error))?;
        Ok(ApiCondition::is_in(self.field.as_str(), values))
    }

    async fn values(&self) -> Result<Vec<Value>> {
        let mut rows = self.source.stream_values();
        let settings = &self.source.data_source().settings;
        let (bounds, mut count) = (settings.settings_of(self.source.table_name()).bounds, 0);
        let (mut values, mut seen) = (Vec::new(), IndexSet::new());
        let (mut has_rows, mut has_column) = (false, false);
        while let Some((_, mut row)) = rows.try_next().await? {
            has_rows = true;
            count += 1;
            bounds.check_rows(count)?;
            let Some(value) = row.swap_remove(&self.column) else { continue };
            has_column = true;
            if value.is_null() {
                continue;
            }
            let text = parameter_text(&value).ok_or_else(|| {
                error!("a value that joins tables is a boolean, a number or a text")
            })?;
            if seen.insert(text) {
                values.push(value);
            }
        }
        if has_rows && !has_column {
            return Err(
                error!("no row has the column that joins the tables").mark_incorrect_usage()
            );
        }
        Ok(values)
    }

    fn named(&self, mut error: VantageError) -> VantageError {
        error.context.insert("related".to_owned(), self.to_string());
        error
    }
}

/// For people: `country_id IN (id of countries)`.
impl fmt::Display for Related {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = without_query(self.source.table_name());
        write!(f, "{} IN ({} of {source})", self.field, self.column)
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

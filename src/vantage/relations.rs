//! Conditions on the rows of another table: a set that is related to a set. When the narrowed
//! table is read, all of the other table's values are read first.

use std::sync::Arc;

use ciborium::Value;
use futures::{FutureExt, TryStreamExt};
use indexmap::IndexSet;
use vantage_core::{Result, error};
use vantage_dataset::traits::ReadableValueSet;
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Entity};

use super::{
    PoolApi, condition::ApiCondition, parameter::parameter_text, path::without_query,
    related::Related,
};
use crate::coop::drop_all;

/// Replaces conditions that refer to other tables by their values, and returns whether there were
/// any.
///
/// # Errors
/// Those of reading the other tables.
pub(super) async fn resolve(conditions: &mut [ApiCondition]) -> Result<bool> {
    let mut has_any = false;
    for condition in conditions {
        has_any |= match condition {
            ApiCondition::Related(related) => {
                // The other table may itself be narrowed by a third one.
                let resolved = Box::pin(read(related)).await?;
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

impl Related {
    pub(super) fn new<E: Entity<Value>>(
        field: &str,
        source: &Table<PoolApi, E>,
        column: &str,
    ) -> Self {
        let of = Arc::new(source.clone().into_entity::<EmptyEntity>());
        let name = column.to_owned();
        Self {
            field: field.to_owned(),
            column: column.to_owned(),
            table: without_query(source.table_name()).to_owned(),
            source: Arc::new(move || values_of(Arc::clone(&of), name.clone()).boxed()),
        }
    }
}

/// The condition with the current values.
///
/// # Errors
/// Those of a list of the other table, which the error names; `IncorrectUsage` if no row of it
/// has the column.
async fn read(related: &Related) -> Result<ApiCondition> {
    let values = (related.source)().await.map_err(|mut error| {
        error.context.insert("related".to_owned(), related.to_string());
        error
    })?;
    Ok(ApiCondition::is_in(related.field.as_str(), values))
}

/// The values of `column`, each once, in the order of the rows. A row with null there contributes
/// none.
async fn values_of(table: Arc<Table<PoolApi, EmptyEntity>>, column: String) -> Result<Vec<Value>> {
    let mut rows = table.stream_values();
    let settings = &table.data_source().settings;
    let (bounds, mut count) = (settings.settings_of(table.table_name()).bounds, 0);
    let (mut values, mut seen) = (Vec::new(), IndexSet::new());
    let (mut has_rows, mut has_column) = (false, false);
    while let Some((_, mut row)) = rows.try_next().await? {
        has_rows = true;
        count += 1;
        bounds.check_rows(count)?;
        let Some(value) = row.swap_remove(&column) else { continue };
        has_column = true;
        if value.is_null() {
            continue;
        }
        let text = parameter_text(&value)
            .ok_or_else(|| error!("a value that joins tables is a boolean, a number or a text"))?;
        if seen.insert(text) {
            values.push(value);
        }
    }
    if has_rows && !has_column {
        return Err(error!("no row has the column that joins the tables").mark_incorrect_usage());
    }
    drop_all(|| seen.pop()).await;
    Ok(values)
}

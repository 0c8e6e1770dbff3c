//! Counting for typed tables: `Table::get_count` asks for a source with a query
//! language, which a REST API is not.

use std::future::Future;

use ciborium::Value;
use vantage_core::Result;
use vantage_table::{table::Table, traits::table_source::TableSource};
use vantage_types::Entity;

use super::PoolApi;

/// What a `Table<PoolApi, E>` can do beyond Vantage's own traits.
pub trait PoolTableExt {
    /// How many rows the table has under its conditions, whatever its window.
    /// One small request when the API gives a total; otherwise, and when
    /// conditions are evaluated on the rows, the whole set is read.
    ///
    /// # Errors
    /// Those of a list, and whatever a hook before reads refuses.
    fn get_count(&self) -> impl Future<Output = Result<i64>> + Send;
}

impl<E: Entity<Value>> PoolTableExt for Table<PoolApi, E> {
    async fn get_count(&self) -> Result<i64> {
        self.check_read().await?;
        self.data_source().get_table_count(self).await
    }
}

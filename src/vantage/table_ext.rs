//! What typed tables can do beyond Vantage's traits: counts and aggregates, which
//! `Table` offers for sources with a query language alone, windows of any size, and a
//! look at what a read would send.

use std::future::Future;

use ciborium::Value;
use indexmap::IndexMap;
use vantage_core::Result;
use vantage_table::{column::core::Column, table::Table, traits::table_source::TableSource};
use vantage_types::{Entity, Record};

use super::{PoolApi, preview::Preview, reads::Read};

/// What a `Table<PoolApi, E>` can do beyond Vantage's own traits.
///
/// Each reads like a list does: hooks before reads may refuse it, and its errors are
/// those of a list.
pub trait PoolTableExt {
    /// How many rows the table has under its conditions, whatever its window.
    /// One small request when the API gives a total; otherwise, and when
    /// conditions are evaluated on the rows, the whole set is read.
    fn get_count(&self) -> impl Future<Output = Result<i64>> + Send;

    /// The rows from `offset`, counted from 0, at most `limit` of them, by their keys. A
    /// window without rows sends nothing.
    fn list_window(
        &self,
        offset: u64,
        limit: u64,
    ) -> impl Future<Output = Result<IndexMap<String, Record<Value>>>> + Send;

    /// The sum of a column over the whole set, whatever the window. The set is read to
    /// its end. Integers stay exact, decimals in texts too; a float makes it a float.
    /// Null without any value.
    fn get_sum(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// The greatest value of a column in the whole set, which is read to its end; null
    /// without any.
    fn get_max(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// The least value of a column in the whole set, which is read to its end; null
    /// without any.
    fn get_min(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// What a list of the table would send. Sends nothing.
    fn preview(&self) -> Preview;
}

impl<E: Entity<Value>> PoolTableExt for Table<PoolApi, E> {
    async fn get_count(&self) -> Result<i64> {
        self.check_read().await?;
        self.data_source().get_table_count(self).await
    }

    async fn list_window(
        &self,
        offset: u64,
        limit: u64,
    ) -> Result<IndexMap<String, Record<Value>>> {
        self.check_read().await?;
        let mut rows = Read::of(self.data_source(), self)?
            .windowed(offset, limit)
            .resolved()
            .await?
            .list()
            .await?;
        for row in rows.values_mut() {
            self.apply_lazy_expressions(row).await?;
        }
        Ok(rows)
    }

    async fn get_sum(&self, column: &Column<Value>) -> Result<Value> {
        self.check_read().await?;
        self.data_source().get_table_sum(self, column).await
    }

    async fn get_max(&self, column: &Column<Value>) -> Result<Value> {
        self.check_read().await?;
        self.data_source().get_table_max(self, column).await
    }

    async fn get_min(&self, column: &Column<Value>) -> Result<Value> {
        self.check_read().await?;
        self.data_source().get_table_min(self, column).await
    }

    fn preview(&self) -> Preview {
        match Read::of(self.data_source(), self) {
            Ok(read) => read.preview(),
            Err(error) => Preview::refused(&error),
        }
    }
}

//! What typed tables of an API have beyond Vantage's own traits: rows as entities, windows
//! of any size, a preview of what a read would send, and the counts and aggregates that
//! `Table` itself only offers for sources with a query language.

use std::future::Future;

use ciborium::Value;
use futures::Stream;
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vantage_core::Result;
use vantage_table::{column::core::Column, table::Table, traits::table_source::TableSource};
use vantage_types::{Entity, Record};

use super::{PoolApi, entities, preview::Preview, reads::Read};
use crate::pager::PaginatedStream;

/// What a `Table<PoolApi, E>` can do beyond Vantage's own traits.
///
/// Each method reads like a list does: its errors are those of a list, and those of hooks
/// that run before reads.
pub trait PoolTableExt {
    /// The type that a row is read as.
    type Entity;

    /// How many rows the table has under its conditions, whatever its window. One small request
    /// if the API reports a total; otherwise, and if conditions are evaluated on the rows, the
    /// whole set is read.
    fn get_count(&self) -> impl Future<Output = Result<i64>> + Send;

    /// The rows from `offset`, counted from 0, at most `limit` of them, by their keys. A
    /// window without rows sends nothing.
    fn list_window(
        &self,
        offset: u64,
        limit: u64,
    ) -> impl Future<Output = Result<IndexMap<String, Record<Value>>>> + Send;

    /// The sum of a column over the whole set, whatever the window. The set is read to
    /// its end. Integers stay exact, and so do decimals, even as strings; a float makes the sum a
    /// float. Null if there is no value.
    fn get_sum(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// The greatest value of a column in the whole set, which is read to its end; null
    /// if there is none.
    fn get_max(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// The least value of a column in the whole set, which is read to its end; null
    /// if there is none.
    fn get_min(&self, column: &Column<Value>) -> impl Future<Output = Result<Value>> + Send;

    /// What a list of the table would send, without sending it.
    fn preview(&self) -> Preview;

    /// The items of the set as JSON text, for programs that copy them and keep checkpoints: the
    /// stream has [pages](PaginatedStream::pages) and [can be resumed](PaginatedStream::resume_from).
    /// Conditions and orders go with each request. Items are as they came: no column is taken from
    /// its path, and no hook or expression of the table changes them. The stream has no limit of
    /// rows or pages.
    ///
    /// ```
    /// use futures::StreamExt;
    /// use vantage_api_pool::{PoolApi, vantage::PoolTableExt};
    /// use vantage_table::table::Table;
    /// use vantage_types::EmptyEntity;
    ///
    /// # async fn demo(api: PoolApi) -> Result<(), Box<dyn std::error::Error>> {
    /// let cities = Table::<PoolApi, EmptyEntity>::new("cities", api);
    /// let mut pages = cities.stream_json().await?.prefetch(8).pages();
    /// while let Some(page) = pages.next().await {
    ///     let page = page?;
    ///     let after = page.resume_token();
    ///     for item in page {
    ///         println!("{}", item?.get());
    ///     }
    ///     println!("to be continued at {}", after.to_text());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Unsupported` if the set is not what one request and its next pages return: conditions or
    /// an order that are evaluated on the rows, a list of values that takes several requests, a
    /// window, and conditions that no row can meet.
    fn stream_json(&self) -> impl Future<Output = Result<PaginatedStream<Box<RawValue>>>> + Send;

    /// The rows with their ids, each read from JSON straight into its type, without a
    /// record in between: the fastest way to read a table. The rows and their order
    /// are those of a stream of records. serde sees JSON, a human-readable format, so
    /// a `Uuid`, an `IpAddr` or a date is read from its text whatever the declared type of its
    /// column. If a type reads a boolean, 1 and 0 are accepted, and if it reads a whole number,
    /// `7.0` is. A value that does not fit is an error with the item, the place in it and the
    /// reason.
    ///
    /// If conditions or an order are made on the rows, columns have aliases or are
    /// `Decimal`s, or the table has a window, rows are read as records first, with the
    /// same result.
    ///
    /// ```
    /// use futures::TryStreamExt;
    /// use serde::{Deserialize, Serialize};
    /// use vantage_api_pool::{PoolApi, vantage::PoolTableExt};
    /// use vantage_table::table::Table;
    ///
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Host {
    ///     address: std::net::IpAddr,
    /// }
    ///
    /// # async fn demo(api: PoolApi) -> vantage_core::Result<()> {
    /// let hosts = Table::<PoolApi, Host>::new("hosts", api).with_id_column("name");
    /// let mut stream = std::pin::pin!(hosts.stream_direct());
    /// while let Some((name, host)) = stream.try_next().await? {
    ///     println!("{name} has {}", host.address);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of a list. `Unsupported` for a table with columns that are computed from
    /// records.
    fn stream_direct(&self) -> impl Stream<Item = Result<(String, Self::Entity)>> + Send
    where
        Self::Entity: DeserializeOwned + 'static;

    /// All that [`stream_direct`](Self::stream_direct) yields.
    ///
    /// # Errors
    /// Those of the stream.
    fn list_direct(&self) -> impl Future<Output = Result<IndexMap<String, Self::Entity>>> + Send
    where
        Self::Entity: DeserializeOwned + 'static;
}

impl<E: Entity<Value>> PoolTableExt for Table<PoolApi, E> {
    type Entity = E;

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

    async fn stream_json(&self) -> Result<PaginatedStream<Box<RawValue>>> {
        self.check_read().await?;
        Read::of(self.data_source(), self)?.resolved().await?.json().await
    }

    fn stream_direct(&self) -> impl Stream<Item = Result<(String, E)>> + Send
    where
        E: DeserializeOwned + 'static,
    {
        entities::stream(self)
    }

    async fn list_direct(&self) -> Result<IndexMap<String, E>>
    where
        E: DeserializeOwned + 'static,
    {
        entities::list(self).await
    }
}

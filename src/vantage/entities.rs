//! Reads the rows of a table as its entities: straight from JSON if a single request returns the
//! set as needed, from records otherwise.

use std::{pin::pin, sync::atomic::Ordering};

use async_stream::try_stream;
use ciborium::Value;
use futures::{Stream, StreamExt, TryStreamExt, stream::iter};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use vantage_core::{Result, VantageError, error};
use vantage_table::{table::Table, table::VistaMetadataOptions};
use vantage_types::Entity;

use super::{
    PoolApi,
    entity::{EntityDecoder, from_record},
    keys::Keys,
    reads::Read,
    scan::STREAMED_AT_ONCE,
};
use crate::{coop::drop_all, pager::PaginatedStream};

/// The rows of `table` with their keys, as a list has them.
pub(super) async fn list<E>(table: &Table<PoolApi, E>) -> Result<IndexMap<String, E>>
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    let mut entities = IndexMap::new();
    let mut pages = pin!(pages(table, Keys::exact(), usize::MAX));
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => entities.extend(page),
            Err(error) => {
                drop_all(|| entities.pop()).await;
                return Err(error);
            }
        }
    }
    Ok(entities)
}

/// The rows of `table` with their keys, as a stream has them.
pub(super) fn stream<E>(table: &Table<PoolApi, E>) -> impl Stream<Item = Result<(String, E)>> + Send
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    pages(table, Keys::recent(), STREAMED_AT_ONCE)
        .map_ok(|page| iter(page.into_iter().map(Ok::<_, VantageError>)))
        .try_flatten()
}

/// The rows of `table` with their keys, page by page; at most `at_once` are built at a time.
fn pages<E>(
    table: &Table<PoolApi, E>,
    mut keys: Keys,
    at_once: usize,
) -> impl Stream<Item = Result<Vec<(String, E)>>> + Send
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    try_stream! {
        let mut read = read_of(table).await?;
        if at_once == STREAMED_AT_ONCE {
            read = read.streamed();
        }
        let (mut read, target) = read.with_only_target().await?;
        if let Some(target) = target.filter(|_| read.window.is_none()) {
            let decoder = EntityDecoder::<E>::new(read.columns.clone());
            let mut stream = PaginatedStream::decoded_by(&read.api.pool, target, decoder)
                .paging(read.settings.paging.clone())
                .envelope(read.settings.envelope.clone())
                .within(read.bounds)
                .prefetch(read.settings.prefetch);
            let (mut page, mut position) = (None, 0_u64);
            while let Some(rows) = stream.next_items(at_once).await {
                let rows = rows.map_err(|error| read.failed(error))?;
                if page != stream.page_at_hand() {
                    page = stream.page_at_hand();
                    keys.begin_page();
                }
                let first = position;
                position += rows.len() as u64;
                let keyed = keys.rows((first..).zip(rows).collect());
                read.api.duplicates.fetch_add(keys.take_duplicates(), Ordering::Relaxed);
                yield keyed?.into_iter().map(|(key, row)| (key, row.record)).collect::<Vec<_>>();
            }
        } else {
            read.decoder = read.decoder.keeping_wide();
            let columns = read.columns.clone();
            let mut pages = read.keyed(keys).await?;
            while let Some(page) = pages.next().await {
                let mut entities = Vec::new();
                for (key, record) in page? {
                    let entity = from_record::<E>(&columns, &key, record)?;
                    entities.push((key, entity));
                }
                yield entities;
            }
        }
    }
}

/// # Errors
/// `Unsupported` for a table with columns that are computed from records.
async fn read_of<E: Entity<Value>>(table: &Table<PoolApi, E>) -> Result<Read> {
    table.check_read().await?;
    let denials = table.vista_metadata(VistaMetadataOptions::default()).denials;
    if let Some((column, _)) = denials.columns().find(|(name, _)| table.is_calculated_column(name))
    {
        return Err(error!("a column is computed from records", column = column).mark_unsupported());
    }
    Read::of(table.data_source(), table)?.resolved().await
}

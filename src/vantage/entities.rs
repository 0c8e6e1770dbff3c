//! Reads the rows of a table as its entities: straight from JSON where one target has
//! the set as it is wanted, from records otherwise.

use std::sync::atomic::Ordering;

use ciborium::Value;
use futures::Stream;
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use vantage_core::{Result, error};
use vantage_table::{table::Table, table::VistaMetadataOptions};
use vantage_types::Entity;

use super::{
    PoolApi,
    entity::{EntityDecoder, from_record},
    keyed::KeyedPages,
    keys::Keys,
    reads::Read,
    record::Row,
};
use crate::pager::PaginatedStream;

/// The rows of `table` with their keys, as a list has them.
pub(super) async fn list<E>(table: &Table<PoolApi, E>) -> Result<IndexMap<String, E>>
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    let mut entities = IndexMap::new();
    let mut pages = Pages::of(table, Keys::exact()).await?;
    while let Some(page) = pages.next().await {
        entities.extend(page?);
    }
    Ok(entities)
}

/// The rows of `table` with their keys, as a stream has them.
pub(super) fn stream<E>(table: &Table<PoolApi, E>) -> impl Stream<Item = Result<(String, E)>> + Send
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    async_stream::try_stream! {
        let mut pages = Pages::of(table, Keys::recent()).await?;
        while let Some(page) = pages.next().await {
            for row in page? {
                yield row;
            }
        }
    }
}

enum Pages<E: Send + 'static> {
    Direct { read: Read, rows: PaginatedStream<Row<E>>, keys: Keys, position: u64 },
    Records { read: Read, rows: KeyedPages },
    Done,
}

impl<E: Entity<Value> + DeserializeOwned + 'static> Pages<E> {
    async fn of(table: &Table<PoolApi, E>, keys: Keys) -> Result<Self> {
        table.check_read().await?;
        let computed = table.vista_metadata(VistaMetadataOptions::default()).denials;
        let is_computed = |(name, _): &(&str, &str)| table.is_calculated_column(name);
        if let Some((column, _)) = computed.columns().find(is_computed) {
            return Err(
                error!("a column is computed from records", column = column).mark_unsupported()
            );
        }
        let read = Read::of(table.data_source(), table)?.resolved().await?;
        Ok(match read.only_target()?.filter(|_| read.window.is_none()) {
            Some(target) => {
                let settings = &read.settings;
                let decoder = EntityDecoder::new(read.columns.clone());
                let rows = PaginatedStream::decoded_by(&read.api.pool, target, decoder)
                    .paging(settings.paging.clone())
                    .envelope(settings.envelope.clone())
                    .prefetch(settings.prefetch);
                Self::Direct { read, rows, keys, position: 0 }
            }
            None => Self::Records { rows: read.clone().keyed(keys)?, read },
        })
    }

    /// The next rows. `None` at the end and after an error.
    async fn next(&mut self) -> Option<Result<Vec<(String, E)>>> {
        let page = match self {
            Self::Direct { read, rows, keys, position } => {
                let page = rows.next_page().await?.map_err(|error| read.failed(error));
                page.and_then(|page| {
                    let first = *position;
                    *position += page.len() as u64;
                    let keyed = keys.page((first..).zip(page).collect());
                    read.api.repeated.fetch_add(keys.take_repeated(), Ordering::Relaxed);
                    Ok(keyed?.into_iter().map(|(key, row)| (key, row.record)).collect())
                })
            }
            Self::Records { read, rows } => rows.next().await?.and_then(|page| {
                let entity = |(key, record)| Ok((key, from_record(&read.columns, record)?));
                page.into_iter().map(entity).collect()
            }),
            Self::Done => return None,
        };
        if page.is_err() {
            *self = Self::Done;
        }
        Some(page)
    }
}

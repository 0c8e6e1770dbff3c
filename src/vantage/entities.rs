//! Reads the rows of a table as its entities: straight from JSON if a single request returns the
//! set as needed, from records otherwise.

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
    scan::STREAMED_AT_ONCE,
};
use crate::{coop::drop_all, pager::PaginatedStream};

/// The rows of `table` with their keys, as a list has them.
pub(super) async fn list<E>(table: &Table<PoolApi, E>) -> Result<IndexMap<String, E>>
where
    E: Entity<Value> + DeserializeOwned + 'static,
{
    let mut entities = IndexMap::new();
    let mut pages = EntityPages::of(table, Keys::exact(), usize::MAX).await?;
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
    async_stream::try_stream! {
        let mut pages = EntityPages::of(table, Keys::recent(), STREAMED_AT_ONCE).await?;
        while let Some(page) = pages.next().await {
            for row in page? {
                yield row;
            }
        }
    }
}

/// The pages of a table.
struct EntityPages<E: Send + 'static> {
    read: Read,
    /// `None` at the end and after an error.
    rows: Option<EntitySource<E>>,
}

enum EntitySource<E: Send + 'static> {
    Direct(Box<Direct<E>>),
    Records(Box<KeyedPages>),
}

struct Direct<E: Send + 'static> {
    stream: PaginatedStream<Row<E>>,
    keys: Keys,
    at_once: usize,
    /// The page of the stream that the last rows came from.
    page: Option<u64>,
    /// The position of the next row in the set.
    position: u64,
}

impl<E: Entity<Value> + DeserializeOwned + 'static> EntityPages<E> {
    /// `at_once` is the most rows that are built at a time.
    async fn of(table: &Table<PoolApi, E>, keys: Keys, at_once: usize) -> Result<Self> {
        table.check_read().await?;
        let denials = table.vista_metadata(VistaMetadataOptions::default()).denials;
        if let Some((column, _)) =
            denials.columns().find(|(name, _)| table.is_calculated_column(name))
        {
            return Err(
                error!("a column is computed from records", column = column).mark_unsupported()
            );
        }
        let mut read = Read::of(table.data_source(), table)?.resolved().await?;
        if at_once == STREAMED_AT_ONCE {
            read = read.streamed();
        }
        let (read, target) = read.with_only_target().await?;
        let rows = match target.filter(|_| read.window.is_none()) {
            Some(target) => {
                let settings = &read.settings;
                let decoder = EntityDecoder::new(read.columns.clone());
                let stream = PaginatedStream::decoded_by(&read.api.pool, target, decoder)
                    .paging(settings.paging.clone())
                    .envelope(settings.envelope.clone())
                    .within(read.bounds)
                    .prefetch(settings.prefetch);
                EntitySource::Direct(Box::new(Direct {
                    stream,
                    keys,
                    at_once,
                    page: None,
                    position: 0,
                }))
            }
            None => {
                let mut read = read.clone();
                read.decoder = read.decoder.keeping_wide();
                EntitySource::Records(Box::new(read.keyed(keys).await?))
            }
        };
        Ok(Self { read, rows: Some(rows) })
    }

    /// The next rows. `None` at the end and after an error.
    async fn next(&mut self) -> Option<Result<Vec<(String, E)>>> {
        let read = &self.read;
        let page = match self.rows.as_mut()? {
            EntitySource::Direct(direct) => direct.next(read).await?,
            EntitySource::Records(pages) => pages.next().await?.and_then(|page| {
                let entity = |(key, record): (String, _)| {
                    let entity = from_record(&read.columns, &key, record)?;
                    Ok((key, entity))
                };
                page.into_iter().map(entity).collect()
            }),
        };
        if page.is_err() {
            self.rows = None;
        }
        Some(page)
    }
}

impl<E: Send + 'static> Direct<E> {
    async fn next(&mut self, read: &Read) -> Option<Result<Vec<(String, E)>>> {
        let rows = match self.stream.next_items(self.at_once).await? {
            Ok(rows) => rows,
            Err(error) => return Some(Err(read.failed(error))),
        };
        if self.page != self.stream.page_at_hand() {
            self.page = self.stream.page_at_hand();
            self.keys.begin_page();
        }
        let first = self.position;
        self.position += rows.len() as u64;
        let keyed = self.keys.rows((first..).zip(rows).collect());
        read.api.repeated.fetch_add(self.keys.take_repeated(), Ordering::Relaxed);
        Some(keyed.map(|rows| rows.into_iter().map(|(key, row)| (key, row.record)).collect()))
    }
}

//! Gets: one row of a table, from its item endpoint or from the list.

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use vantage_core::{Result, error};
use vantage_types::Record;

use super::Read;
use crate::{
    priority::Priority,
    request::Request,
    vantage::{
        branches::branches,
        condition::ApiCondition,
        error::refuse_unready,
        keyed::KeyedRow,
        keys::{Keys, is_synthetic},
        path::ItemPath,
        query::to_item_path,
        row_filter::Filter,
    },
};

impl Read {
    /// The row with `id`, whatever the window. A 404 or 410 for that id means that there is none.
    pub(in crate::vantage) async fn get(self, id: &str) -> Result<Option<Record<Value>>> {
        let read = self.whole_set();
        let has_meaning = read.id_field.is_some() && !is_synthetic(id);
        let branches = |read: &Self| branches(&read.settings.path, &read.conditions);
        let (mut read, branches) = read.with_planned(branches).await?;
        let Some((each, common)) = branches.filter(|_| has_meaning) else {
            return read.get_one(id).await;
        };
        read.conditions = common;
        // The row of the first set that has it.
        let at_once = read.settings.prefetch;
        let gets = each.into_iter().map(|branch| {
            let mut read = read.clone();
            read.conditions.extend(branch);
            read.get_one(id)
        });
        let mut found = stream::iter(gets).buffered(at_once).boxed();
        while let Some(row) = found.try_next().await? {
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }

    async fn get_one(mut self, id: &str) -> Result<Option<Record<Value>>> {
        // A synthetic key, and any key of a table without an id, means nothing to the API.
        if let Some(item_path) = self.settings.item_path.clone().filter(|_| !is_synthetic(id)) {
            let item =
                move |read: &Self| to_item_path(&item_path, &read.declared, read.conditions());
            let (read, item) = self.with_planned(item).await?;
            self = read;
            if let Some(row) = self.get_item(item?, id).await? {
                return Ok(row);
            }
        }
        let by_id = self.id_field.as_deref().filter(|_| !is_synthetic(id));
        let by_id = by_id.map(|field| ApiCondition::eq(field, self.columns.id_value(id)));
        let by_id = move |read: &Self| match read.query(by_id.as_slice()) {
            // The set can be read, but not by its ids.
            Err(error) if error.is_unsupported() => None,
            _ => by_id,
        };
        let (mut read, by_id) = self.with_planned(by_id).await?;
        let is_asked_by_id = by_id.is_some();
        read.conditions.extend(by_id);
        read.settings.prefetch = 1;
        let mut pages = read.keyed(Keys::exact()).await?;
        while let Some(page) = pages.next().await {
            let rows = match page {
                Err(error) if is_asked_by_id && error.is_not_found() => return Ok(None),
                page => page?,
            };
            if let Some((_, row)) = rows.into_iter().find(|(key, _)| key == id) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The row of the table's set that an item endpoint returns, if any. `None` if it does not
    /// tell: the row lacks a field that a condition needs, or its id cannot be in a URL.
    async fn get_item(
        &self,
        item: Option<(ItemPath, Filter)>,
        id: &str,
    ) -> Result<Option<Option<Record<Value>>>> {
        let Some((path, filter)) = item else { return Ok(Some(None)) };
        let Some(target) = path.of(id) else { return Ok(None) };
        let request = self.settings.with_headers(Request::get(target));
        let request = request.map_err(|error| self.failed(error))?;
        let response = match self.api.pool.request(request).await {
            Ok(response) => response,
            Err(error) => {
                let error = self.failed(error);
                return if error.is_not_found() { Ok(Some(None)) } else { Err(error) };
            }
        };
        let own = id.to_owned();
        let response = match self.settings.envelope.extraction() {
            None => response,
            Some(extraction) => {
                let priority = Priority::of_scope().unwrap_or_default();
                let page = extraction.page_of(response, 0, priority).await;
                page.map_err(|error| self.failed(error))?
            }
        };
        let row = self
            .found_in(&response, move |decoder, envelope, response| {
                decoder.single(envelope, response, &own)
            })
            .await?;
        let row = row.map_err(|error| self.failed(error))?;
        refuse_unready(&response, row.id.is_some()).map_err(|error| self.failed(error))?;
        if row.id.as_ref().is_some_and(|own| own != id) {
            return Err(error!("the item endpoint answered with another id", id = id));
        }
        Ok(match filter.admits(&row.record) {
            _ if row.record.is_empty() => None,
            Some(is_in_set) => Some(is_in_set.then(|| self.finished(row.record))),
            None => None,
        })
    }

    /// The first row, from one request for one row if that is enough.
    pub(in crate::vantage) async fn some(self) -> Result<Option<KeyedRow>> {
        let (mut read, target) = self.with_only_target().await?;
        let paging = &read.settings.paging;
        // Another read of an export would make another job.
        let is_whole = read.window.is_none() && !paging.is_in_windows() && !paging.is_export();
        if let Some(target) = target.filter(|_| is_whole) {
            let page = read.first_page(&target, read.decoder.clone()).await?;
            // If pages name each other, an empty page may have a next one.
            let is_led = read.settings.paging.is_chained();
            let has_more = page.info.total.map_or(is_led, |total| total > 0);
            if !page.items.is_empty() || !has_more {
                let first = page.items.into_iter().next();
                let first = first.map(|row| Keys::exact().row(0, row)).transpose()?.flatten();
                return Ok(first.map(|(key, row)| (key, read.finished(row.record))));
            }
        }
        read.settings.prefetch = 1;
        let mut pages = read.keyed(Keys::exact()).await?;
        Ok(pages.next().await.transpose()?.and_then(|rows| rows.into_iter().next()))
    }
}

//! The row that a write is about: its state in the API before and after.

use ciborium::Value;
use http::StatusCode;
use vantage_core::{Result, VantageError, error};
use vantage_types::Record;

use super::{
    answer::{self, WriteAnswer},
    etag::{self, Precondition},
    refusal::{after_write, is_gone, stored_elsewhere, unmade},
    write::{Stored, Write},
};
use crate::{
    request::Request,
    response::Response,
    vantage::{
        error::unsupported,
        keys::is_synthetic,
        path::{ItemPath, placeholders},
        query::to_item_path,
        record::id_text,
        row_filter::Filter,
    },
};

/// One item, and the conditions it must meet to be in the table's set.
pub(super) struct WriteTarget {
    pub(super) id: String,
    pub(super) target: String,
    path: ItemPath,
    pub(super) filter: Filter,
}

/// What was written.
pub(super) struct Sent {
    /// The columns that a response must have to be the row.
    columns: Vec<String>,
    /// The columns with a value.
    row: Record<Value>,
}

impl Write {
    /// The item with `id`; `None` if no row of the table can have it.
    pub(super) fn item(&self, id: &str) -> Result<Option<WriteTarget>> {
        if is_synthetic(id) {
            return Err(
                error!("a row without an id cannot be written", key = id).mark_incorrect_usage()
            );
        }
        let Some((path, filter)) = self.item_query()? else { return Ok(None) };
        let target = path.of(id).ok_or_else(|| {
            error!("the id cannot be a segment of a path", id = id).mark_incorrect_usage()
        })?;
        Ok(Some(WriteTarget { id: id.to_owned(), target, path, filter }))
    }

    pub(super) fn item_query(&self) -> Result<Option<(ItemPath, Filter)>> {
        let (template, declared) = (self.read.settings.write_path(), &self.read.declared);
        match to_item_path(&template, declared, self.read.conditions())? {
            Some((_, filter)) if filter.is_opaque() => Err(unsupported("writes under a search")),
            query => Ok(query),
        }
    }

    /// The record as conditions see it, after a check that it is about the row `id`.
    pub(super) fn row_with_id(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        let mut row = record.clone();
        self.read.columns.unfinish(&mut row);
        let own = self.read.columns.id().and_then(|column| row.get(column));
        match own {
            Some(own) if id_text(own).is_some_and(|own| own != id) => {
                Err(error!("the record has another id", id = id).mark_incorrect_usage())
            }
            _ => Ok(row),
        }
    }

    pub(super) async fn stored(&self, item: &WriteTarget) -> Result<Stored> {
        let read = &self.read;
        let mut request = read.settings.with_headers(Request::get(item.target.as_str()))?;
        if self.sends_tags() {
            // A proxy that compresses a response makes its tag weak, or changes it.
            request = request.header("accept-encoding", "identity")?;
        }
        let response = match read.api.pool.request(request).await {
            Ok(response) => response,
            Err(error) if is_gone(&error) => return Ok(Stored::Absent),
            Err(error) => return Err(read.failed(error)),
        };
        let row = self.row_in(item, &response).await?;
        match item.filter.admits(&row) {
            Some(false) => Ok(Stored::Outside),
            Some(true) => Ok(Stored::Inside(row, self.precondition(item, &response)?)),
            None => Err(unsupported("a write under a condition on what the row does not hold")),
        }
    }

    /// Requires the state of the row in `response`, if the API supports that.
    fn precondition(&self, item: &WriteTarget, response: &Response) -> Result<Precondition> {
        if !self.sends_tags() {
            return Ok(None);
        }
        let tag = etag::tag_of(response, self.writes.etag_at.as_deref());
        let is_confined_by_tags = self.writes.etags_required && !item.filter.is_empty();
        match self.writes.etags || is_confined_by_tags {
            true => etag::unchanged(tag),
            false => etag::demanded(tag, response),
        }
    }

    /// The row that the API returns as `item`.
    async fn row_in(&self, item: &WriteTarget, response: &Response) -> Result<Record<Value>> {
        let row = self.answer(response).await?.row_of(&item.id);
        let row = row.ok_or_else(|| error!("the API answered with no row", id = item.id))?;
        if row.id.as_ref().is_some_and(|own| *own != item.id) {
            return Err(error!("the API answered with another row", id = item.id));
        }
        Ok(row.record)
    }

    /// The row after a write of `sent` with this `response`.
    pub(super) async fn written(
        &self,
        item: &WriteTarget,
        sent: &Sent,
        response: &Response,
    ) -> Result<Record<Value>> {
        let answer = self.answer(response).await?;
        if let Some(other) = answer.other_id(&item.id, &sent.columns) {
            return Err(stored_elsewhere(other));
        }
        if let Some(row) = answer.whole_row(&item.id, &sent.columns)
            && !self.writes.read_back
        {
            return Ok(self.read.finished(row.record));
        }
        let row = after_write(self.read_back(item).await, &item.id)?;
        let sent = self.read.finished(sent.row.clone());
        let is_made = || sent.iter().all(|(column, value)| row.get(column) == Some(value));
        if response.status() == StatusCode::ACCEPTED && !is_made() {
            return Err(unmade(&item.id));
        }
        Ok(row)
    }

    /// The row that was written.
    async fn read_back(&self, item: &WriteTarget) -> Result<Record<Value>> {
        let request = self.read.settings.with_headers(Request::get(item.target.as_str()))?;
        match self.call(request).await {
            Ok(response) => {
                let row = self.row_in(item, &response).await?;
                Ok(self.read.finished(row))
            }
            // An API that does not return single rows.
            Err(error)
                if self.read.settings.item_path.is_none()
                    && (error.is_not_found() || error.is_unsupported()) =>
            {
                // Boxed, because it is large and rare.
                let row = Box::pin(self.read.clone().get(&item.id)).await?;
                row.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses a response to the insert of an item that gives it another id.
    pub(super) async fn require_own_id(
        &self,
        item: &WriteTarget,
        sent: &Sent,
        response: &Response,
    ) -> Result<()> {
        let answer = self.answer(response).await?;
        let told = answer.id(&sent.columns).map(str::to_owned);
        let id = told.or_else(|| answer::located_as(response, &item.path));
        match id.filter(|_| !answer.has(&item.id)) {
            Some(id) if id != item.id => Err(stored_elsewhere(&id)),
            _ => Ok(()),
        }
    }

    /// The id of the row that was inserted with `sent`.
    pub(super) async fn new_id(&self, sent: &Sent, response: &Response) -> Result<String> {
        let answer = self.answer(response).await?;
        if let Some(id) = answer.id(&sent.columns) {
            return Ok(id.to_owned());
        }
        let item = self.item_query().ok().flatten().map(|(path, _)| path);
        let settings = &self.read.settings;
        let id_field = self.read.columns.id().map(|column| settings.field_of(column));
        let id_field = id_field.as_deref();
        answer::located(response, item.as_ref(), &settings.path, id_field).ok_or_else(|| {
            error!(
                "the row was stored, but neither the response's body nor its Location has its id"
            )
        })
    }

    /// The result of a write that failed. A retry of an attempt that succeeded conflicts with
    /// what that attempt stored, which is not an error.
    pub(super) async fn settled(
        &self,
        item: &WriteTarget,
        sent: &Record<Value>,
        error: VantageError,
    ) -> Result<Record<Value>> {
        if error.is_conflict()
            && let Stored::Inside(row, _) = self.stored(item).await?
            && sent.iter().all(|(column, value)| row.get(column) == Some(value))
        {
            return Ok(self.read.finished(row));
        }
        Err(error)
    }

    async fn answer(&self, response: &Response) -> Result<WriteAnswer> {
        let place = self.layout.row.clone();
        let answer = self.read.found_in(response, move |decoder, envelope, response| {
            WriteAnswer::of(decoder, envelope, &place, response)
        });
        answer.await
    }

    /// The columns of `row` that are sent.
    pub(super) fn sent(&self, row: &Record<Value>) -> Sent {
        let mut row = row.clone();
        row.retain(|column, value| !value.is_null() && self.is_sent(column));
        Sent { columns: row.keys().cloned().collect(), row }
    }

    /// The same for a part of a row; a response must have all declared columns to be the row.
    pub(super) fn sent_in_part(&self, partial: &Record<Value>) -> Sent {
        let mut sent = self.sent(partial);
        sent.columns.extend(self.read.declared.fields.iter().cloned());
        sent
    }

    /// Whether a column is sent in bodies: columns that the table does not declare and that its
    /// path already contains are not.
    pub(super) fn is_sent(&self, column: &str) -> bool {
        self.read.declared.fields.contains(column)
            || placeholders(&self.read.settings.path).all(|name| name != column)
    }
}

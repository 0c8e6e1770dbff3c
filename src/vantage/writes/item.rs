//! The row that a write is about: what the API has at its place, before and after.

use ciborium::Value;
use http::StatusCode;
use vantage_core::{Result, VantageError, error};
use vantage_types::Record;

use super::{
    Write,
    answer::{self, Answer},
    etag::{self, Precondition},
    refusal::{after_write, is_gone, stored_elsewhere, unmade, unsupported},
};
use crate::{
    request::Request,
    response::Response,
    vantage::{
        filter::Filter,
        keys::is_synthetic,
        path::{ItemPath, placeholders},
        query::lower_item,
        record::id_text,
    },
};

/// One item, and what it must hold to be in the table's set.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) target: String,
    path: ItemPath,
    pub(super) filter: Filter,
}

/// What was written.
pub(super) struct Sent {
    /// What an answer must have to be the row.
    columns: Vec<String>,
    /// The columns with a value.
    row: Record<Value>,
}

/// What the API has at the place of an item.
pub(super) enum Stored {
    Absent,
    /// A row that is not in the table's set.
    Outside,
    Inside(Record<Value>, Precondition),
}

impl Write {
    /// The item with `id`; `None` when no row of the table can have it.
    pub(super) fn item(&self, id: &str) -> Result<Option<Item>> {
        if is_synthetic(id) {
            return Err(
                error!("a row without an id cannot be written", key = id).mark_incorrect_usage()
            );
        }
        let Some((path, filter)) = self.item_query()? else { return Ok(None) };
        let target = path.of(id).ok_or_else(|| {
            error!("the id cannot be a segment of a path", id = id).mark_incorrect_usage()
        })?;
        Ok(Some(Item { id: id.to_owned(), target, path, filter }))
    }

    pub(super) fn item_query(&self) -> Result<Option<(ItemPath, Filter)>> {
        let (template, declared) = (self.read.settings.write_path(), &self.read.declared);
        match lower_item(&template, declared, self.read.conditions())? {
            Some((_, filter)) if filter.is_opaque() => Err(unsupported("writes under a search")),
            query => Ok(query),
        }
    }

    /// The record as conditions see it, once it is sure that it is about the row `id`.
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

    pub(super) async fn stored(&self, item: &Item) -> Result<Stored> {
        let read = &self.read;
        let mut request = Request::get(item.target.as_str());
        if self.sends_tags() {
            // What compresses an answer makes its tag weak, or another one.
            request = request.header("accept-encoding", "identity")?;
        }
        let response = match read.api.pool.request(request).await {
            Ok(response) => response,
            Err(error) if is_gone(&error) => return Ok(Stored::Absent),
            Err(error) => return Err(read.failed(error)),
        };
        let row = self.row_in(item, &response)?;
        match item.filter.admits(&row) {
            Some(false) => Ok(Stored::Outside),
            Some(true) => Ok(Stored::Inside(row, self.precondition(item, &response)?)),
            None => Err(unsupported("a write under a condition on what the row does not hold")),
        }
    }

    /// That the row is still as `response` says, where the API can be told so.
    fn precondition(&self, item: &Item, response: &Response) -> Result<Precondition> {
        if !self.sends_tags() {
            return Ok(Precondition::None);
        }
        let tag = etag::tag_of(response, self.writes.etag_at.as_deref());
        let is_confined_by_tags = self.writes.etags_required && !item.filter.is_empty();
        match self.writes.etags || is_confined_by_tags {
            true => Precondition::unchanged(tag),
            false => Precondition::demanded(tag, response),
        }
    }

    /// The row that the API hands out as `item`.
    fn row_in(&self, item: &Item, response: &Response) -> Result<Record<Value>> {
        let row = self.answer(response).row_of(&item.id);
        let row = row.ok_or_else(|| error!("the API answered with no row", id = item.id))?;
        if row.id.as_ref().is_some_and(|own| *own != item.id) {
            return Err(error!("the API answered with another row", id = item.id));
        }
        Ok(row.record)
    }

    /// The row as it is after a write of `sent` that was answered with `response`.
    pub(super) async fn written(
        &self,
        item: &Item,
        sent: &Sent,
        response: &Response,
    ) -> Result<Record<Value>> {
        let answer = self.answer(response);
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
    async fn read_back(&self, item: &Item) -> Result<Record<Value>> {
        match self.call(Request::get(item.target.as_str())).await {
            Ok(response) => self.row_in(item, &response).map(|row| self.read.finished(row)),
            // An API that hands out no row alone.
            Err(error)
                if self.read.settings.item_path.is_none()
                    && (error.is_not_found() || error.is_unsupported()) =>
            {
                // Boxed, as it is large and rare.
                let row = Box::pin(self.read.clone().get(&item.id)).await?;
                row.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses an answer to the insert of an item that gives it another id.
    pub(super) fn require_own_id(
        &self,
        item: &Item,
        sent: &Sent,
        response: &Response,
    ) -> Result<()> {
        let answer = self.answer(response);
        let told = answer.id(&sent.columns).map(str::to_owned);
        let id = told.or_else(|| answer::located_as(response, &item.path));
        match id.filter(|_| !answer.has(&item.id)) {
            Some(id) if id != item.id => Err(stored_elsewhere(&id)),
            _ => Ok(()),
        }
    }

    /// The id of the row that was inserted with `sent`.
    pub(super) fn new_id(&self, sent: &Sent, response: &Response) -> Result<String> {
        let answer = self.answer(response);
        if let Some(id) = answer.id(&sent.columns) {
            return Ok(id.to_owned());
        }
        let item = self.item_query().ok().flatten().map(|(path, _)| path);
        let settings = &self.read.settings;
        let id_field = self.read.columns.id().map(|column| settings.field_of(column));
        let id_field = id_field.as_deref();
        answer::located(response, item.as_ref(), &settings.path, id_field).ok_or_else(|| {
            error!(
                "the row was stored, but the answer has its id neither in the body nor in Location"
            )
        })
    }

    /// What came of a write that failed. The repeat of an attempt that was acted upon
    /// conflicts with what that attempt stored, which is as it should be.
    pub(super) async fn settled(
        &self,
        item: &Item,
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

    fn answer(&self, response: &Response) -> Answer {
        let read = &self.read;
        Answer::of(&read.decoder, &read.settings.envelope, &self.layout.row, response)
    }

    /// What goes into the body of `row`.
    pub(super) fn sent(&self, row: &Record<Value>) -> Sent {
        let mut row = row.clone();
        row.retain(|column, value| !value.is_null() && self.is_sent(column));
        Sent { columns: row.keys().cloned().collect(), row }
    }

    /// The same of a part of a row, of which an answer is to have all declared columns.
    pub(super) fn sent_in_part(&self, partial: &Record<Value>) -> Sent {
        let mut sent = self.sent(partial);
        sent.columns.extend(self.read.declared.fields.iter().cloned());
        sent
    }

    /// Whether a column goes into bodies: what the table does not declare and its path says
    /// already does not.
    pub(super) fn is_sent(&self, column: &str) -> bool {
        self.read.declared.fields.contains(column)
            || placeholders(&self.read.settings.path).all(|name| name != column)
    }
}

//! Writes of one table: what each asks the API for, and what its answer means.
//! Which there are is in `settings`; `body` and `etag` are the pure parts.

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, Method, header};
use vantage_core::{Result, VantageError, error};
use vantage_table::table::Table;
use vantage_types::{Entity, Record};

use super::{
    PoolApi,
    filter::Filter,
    keys::is_synthetic,
    path::placeholders,
    query::{ItemQuery, Place, lower_item, lower_path},
    reads::Read,
    record::{Row, id_text},
};
use crate::http::{Request, Response};
use etag::Precondition;
use refusal::{held_outside, is_gone, missing, outside, unsupported};
use settings::{InsertBy, PatchBy};

mod body;
mod etag;
mod refusal;
mod settings;

pub use settings::Writes;

/// A table as a write sees it.
pub(super) struct Write {
    read: Read,
    writes: Writes,
}

/// One item, and what it must hold to be in the table's set.
struct Item {
    id: String,
    target: String,
    filter: Filter,
}

/// What the API has at the place of an item.
enum Stored {
    Absent,
    /// A row that is not in the table's set.
    Outside,
    Inside(Record<Value>, Precondition),
}

impl Write {
    pub(super) async fn of<E: Entity<Value>>(
        api: &PoolApi,
        table: &Table<PoolApi, E>,
    ) -> Result<Self> {
        let read = Read::of(api, table)?;
        // Nothing is asked for on behalf of a write that is refused.
        let read = if read.settings.writes.is_none() { read } else { read.resolved().await? };
        Ok(Self { writes: read.settings.writes.clone(), read })
    }

    /// Stores a row, or returns the one that is in the set under this id.
    pub(super) async fn insert(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        let by = self.writes.insert.ok_or_else(|| unsupported("inserts"))?;
        let Some(item) = self.item(id)? else { return Err(outside()) };
        let mut row = self.row_with_id(id, record)?;
        if by == InsertBy::Put {
            self.require_guard(&item.filter)?;
        } else {
            let column = self.read.columns.id().ok_or_else(|| {
                error!("a table without an id column has no place for an id").mark_incorrect_usage()
            })?;
            row.insert(column.to_owned(), self.read.columns.id_value(id));
        }
        match self.stored(&item).await? {
            Stored::Inside(row, _) => return Ok(self.read.finished(row)),
            Stored::Outside => return Err(held_outside(id)),
            Stored::Absent => {}
        }
        self.require_fit(&item.filter, &row)?;
        let answer = match by {
            InsertBy::Post => self.call(self.post(&row)?).await,
            InsertBy::Put => self.put(&item, &row, self.absent()).await,
        };
        match answer {
            Ok(answer) => self.written(&item, &answer).await,
            // Stored in the meantime, maybe by an earlier attempt.
            Err(error) if error.is_conflict() => match self.stored(&item).await? {
                Stored::Inside(row, _) => Ok(self.read.finished(row)),
                Stored::Outside | Stored::Absent => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Stores a row and returns its id, which the API makes.
    pub(super) async fn insert_return_id(&self, record: &Record<Value>) -> Result<String> {
        let by = self.writes.insert.ok_or_else(|| unsupported("inserts"))?;
        let mut row = record.clone();
        self.read.columns.unfinish(&mut row);
        if by == InsertBy::Put {
            let own = self.read.columns.id().and_then(|column| id_text(row.get(column)?));
            let id = own.ok_or_else(|| unsupported("inserts without an id"))?;
            return self.insert(&id, record).await.map(|_| id);
        }
        let answer = self.call(self.post(&row)?).await?;
        let in_body = self.answered(&answer).and_then(|row| row.id);
        in_body.or_else(|| body::located(&answer)).ok_or_else(|| {
            error!(
                "the row was stored, but the answer has its id neither in the body nor in Location"
            )
        })
    }

    /// Replaces the row, or creates it.
    pub(super) async fn replace(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        if !self.writes.replace {
            return Err(unsupported("replacing rows"));
        }
        let Some(item) = self.item(id)? else { return Err(outside()) };
        let row = self.row_with_id(id, record)?;
        let mut precondition = Precondition::None;
        if !item.filter.is_empty() {
            self.require_guard(&item.filter)?;
            precondition = match self.stored(&item).await? {
                Stored::Inside(_, unchanged) => unchanged,
                Stored::Outside => return Err(held_outside(id)),
                Stored::Absent => self.absent(),
            };
            self.require_fit(&item.filter, &row)?;
        }
        match self.put(&item, &row, precondition).await {
            Ok(answer) => self.written(&item, &answer).await,
            // An API that creates nothing by PUT.
            Err(error) if error.is_not_found() && self.writes.insert == Some(InsertBy::Post) => {
                self.insert(id, record).await
            }
            Err(error) => self.settled(&item, &row, error).await,
        }
    }

    /// Merges `partial` into the row.
    pub(super) async fn patch(&self, id: &str, partial: &Record<Value>) -> Result<Record<Value>> {
        let by = self.writes.patch.ok_or_else(|| unsupported("patches"))?;
        let Some(item) = self.item(id)? else { return Err(missing(id)) };
        let partial = self.row_with_id(id, partial)?;
        let mut precondition = Precondition::None;
        let mut merged = None;
        if by == PatchBy::Put || !item.filter.is_empty() {
            self.require_guard(&item.filter)?;
            let Stored::Inside(mut row, unchanged) = self.stored(&item).await? else {
                return Err(missing(id));
            };
            row.extend(partial.clone());
            self.require_fit(&item.filter, &row)?;
            (precondition, merged) = (unchanged, Some(row));
        }
        let sent = merged.as_ref().unwrap_or(&partial);
        let answer = match by {
            PatchBy::Put => self.put(&item, sent, precondition).await,
            PatchBy::Patch(content_type) => {
                let mut request = self.request(Method::PATCH, &item.target, Some(&partial))?;
                let headers = request.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                precondition.put_into(headers);
                self.call(request).await
            }
        };
        match answer {
            Ok(answer) => self.written(&item, &answer).await,
            Err(error) => self.settled(&item, sent, error).await,
        }
    }

    /// Deletes the row if it is in the set.
    pub(super) async fn delete(&self, id: &str) -> Result<()> {
        if !self.writes.delete {
            return Err(unsupported("deletes"));
        }
        let Some(item) = self.item(id)? else { return Ok(()) };
        let mut request = self.request(Method::DELETE, &item.target, None)?;
        if !item.filter.is_empty() {
            self.require_guard(&item.filter)?;
            match self.stored(&item).await? {
                Stored::Inside(_, unchanged) => unchanged.put_into(request.headers_mut()),
                Stored::Outside | Stored::Absent => return Ok(()),
            }
        }
        match self.call(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            // An earlier attempt of the same call may have deleted it.
            Err(error) if error.is_conflict() => match self.stored(&item).await? {
                Stored::Absent => Ok(()),
                Stored::Outside | Stored::Inside(..) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Deletes the rows of the set, each by its id. All ids are read before the first
    /// row is deleted, since pages shift when rows go.
    pub(super) async fn delete_all(&self) -> Result<()> {
        if !self.writes.delete {
            return Err(unsupported("deletes"));
        }
        if self.read.window.is_some() {
            return Err(unsupported("deleting a window of rows"));
        }
        let Some(query) = self.item_query()? else { return Ok(()) };
        self.require_guard(&query.filter)?;
        let mut ids = Vec::new();
        let mut pages = self.read.clone().pages()?;
        while let Some(page) = pages.next().await {
            ids.extend(page?.into_iter().map(|(id, _)| id));
        }
        if ids.iter().any(|id| is_synthetic(id)) {
            return Err(unsupported("deleting rows without an id"));
        }
        let deletes = ids.into_iter().map(|id| async move { self.delete(&id).await });
        let mut deletes = stream::iter(deletes).buffer_unordered(self.read.settings.prefetch);
        while deletes.try_next().await?.is_some() {}
        Ok(())
    }

    /// The item with `id`; `None` when no row of the table can have it.
    fn item(&self, id: &str) -> Result<Option<Item>> {
        if is_synthetic(id) {
            return Err(
                error!("a row without an id cannot be written", key = id).mark_incorrect_usage()
            );
        }
        let Some(query) = self.item_query()? else { return Ok(None) };
        let target = query.path.of(id).ok_or_else(|| {
            error!("the id cannot be a segment of a path", id = id).mark_incorrect_usage()
        })?;
        Ok(Some(Item { id: id.to_owned(), target, filter: query.filter }))
    }

    fn item_query(&self) -> Result<Option<ItemQuery>> {
        let (template, declared) = (self.read.settings.write_path(), &self.read.declared);
        match lower_item(&template, declared, self.read.conditions())? {
            Some(query) if query.filter.is_opaque() => Err(unsupported("writes under a search")),
            query => Ok(query),
        }
    }

    /// Refuses a write that may change a row after it has left the set.
    fn require_guard(&self, filter: &Filter) -> Result<()> {
        if filter.is_empty() || self.writes.etags || self.writes.check_then_write {
            return Ok(());
        }
        Err(unsupported("keeping a write inside a narrowed table without entity tags"))
    }

    /// Refuses a row that would not be in the set.
    fn require_fit(&self, filter: &Filter, row: &Record<Value>) -> Result<()> {
        if filter.admits(row) == Some(true) { Ok(()) } else { Err(outside()) }
    }

    /// The record as conditions see it, once it is sure that it is about the row `id`.
    fn row_with_id(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
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

    /// That there is no such row, for APIs that can be told so.
    fn absent(&self) -> Precondition {
        if self.writes.etags { Precondition::Absent } else { Precondition::None }
    }

    async fn stored(&self, item: &Item) -> Result<Stored> {
        let read = &self.read;
        let response = match read.api.pool.get(item.target.as_str()).await {
            Ok(response) => response,
            Err(error) if is_gone(&error) => return Ok(Stored::Absent),
            Err(error) => return Err(read.failed(error)),
        };
        let Some(row) = self.answered(&response) else {
            return Err(error!("the API answered with no row", id = item.id));
        };
        if row.id.as_ref().is_some_and(|own| *own != item.id) {
            return Err(error!("the API answered with another row", id = item.id));
        }
        match item.filter.admits(&row.record) {
            Some(false) => Ok(Stored::Outside),
            Some(true) if self.writes.etags => {
                Ok(Stored::Inside(row.record, Precondition::unchanged(&response)?))
            }
            Some(true) => Ok(Stored::Inside(row.record, Precondition::None)),
            None => Err(unsupported("a write under a condition on what the row does not hold")),
        }
    }

    /// The row as it is after a write that was answered with `answer`.
    async fn written(&self, item: &Item, answer: &Response) -> Result<Record<Value>> {
        if let Some(row) = self.answered(answer).filter(|_| !self.writes.reads_back) {
            match row.id {
                Some(own) if own == item.id => return Ok(self.read.finished(row.record)),
                Some(own) => {
                    return Err(error!("the API stored the row under another id", id = own));
                }
                None => {}
            }
        }
        let response = self.call(Request::get(item.target.as_str())).await?;
        let row = self.answered(&response);
        let row = row.ok_or_else(|| error!("the API answered with no row", id = item.id))?;
        Ok(self.read.finished(row.record))
    }

    /// What came of a write that failed. The repeat of an attempt that was acted upon
    /// conflicts with what that attempt stored, which is as it should be.
    async fn settled(
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

    fn answered(&self, response: &Response) -> Option<Row> {
        let key = self.writes.wrapped_in.as_deref();
        body::row(&self.read.decoder, &self.read.settings.envelope, key, response)
    }

    fn post(&self, row: &Record<Value>) -> Result<Request> {
        let conditions = self.read.conditions();
        let place = lower_path(&self.read.settings.path, &self.read.declared, conditions)?;
        let Place { target, filter } = place.ok_or_else(outside)?;
        if filter.is_opaque() {
            return Err(unsupported("writes under a search"));
        }
        self.require_fit(&filter, row)?;
        self.request(Method::POST, &target, Some(row))
    }

    async fn put(
        &self,
        item: &Item,
        row: &Record<Value>,
        precondition: Precondition,
    ) -> Result<Response> {
        let mut request = self.request(Method::PUT, &item.target, Some(row))?;
        precondition.put_into(request.headers_mut());
        self.call(request).await
    }

    fn request(
        &self,
        method: Method,
        target: &str,
        row: Option<&Record<Value>>,
    ) -> Result<Request> {
        let key_header = self.writes.key_header(&method)?;
        let mut request = Request::new(method, target);
        if let Some(row) = row {
            let key = self.writes.wrapped_in.as_deref();
            request = request.json(&body::body(&self.item_of(row), key)?)?;
        }
        if let Some(name) = key_header {
            let key = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes());
            request = request.header(name.as_str(), &key.into_uuid().to_string())?;
            request = request.repeatable(true);
        }
        Ok(request)
    }

    /// The fields of an item with the columns of `row`. What the table does not declare
    /// and its path says already is not among them.
    fn item_of(&self, row: &Record<Value>) -> Record<Value> {
        let mut item = row.clone();
        let declared = &self.read.declared.fields;
        let in_path: Vec<&str> = placeholders(&self.read.settings.path).collect();
        item.retain(|field, _| declared.contains(field) || !in_path.contains(&field.as_str()));
        self.read.columns.lower(&mut item);
        item
    }

    async fn call(&self, request: Request) -> Result<Response> {
        self.read.api.pool.request(request).await.map_err(|error| self.read.failed(error))
    }
}

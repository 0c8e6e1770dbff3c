//! The writes of one table, each with the requests it makes, in their order.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use ciborium::Value;
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use vantage_core::{Result, VantageError, error};
use vantage_table::table::Table;
use vantage_types::{Entity, Record};

use super::{
    body::BodyLayout,
    etag::{Precondition, absent},
    refusal::{held_outside, makes_ids, missing, outside, wants_tag},
};
use crate::vantage::{
    PoolApi,
    error::unsupported,
    keys::{Keys, is_synthetic},
    reads::Read,
    record::id_text,
    row_filter::Filter,
    settings::{InsertBy, PatchBy, ReplaceBy, Writes},
};

/// A table as a write sees it.
pub(in crate::vantage) struct Write {
    pub(super) read: Read,
    pub(super) writes: Writes,
    pub(super) layout: BodyLayout,
    /// Whether the API has required a tag for writes of a row.
    wants_tags: AtomicBool,
}

/// What the API has at the path of an item.
pub(super) enum Stored {
    Absent,
    /// A row that is not in the table's set.
    Outside,
    Inside(Record<Value>, Precondition),
}

impl Write {
    pub(in crate::vantage) async fn of<E: Entity<Value>>(
        api: &PoolApi,
        table: &Table<PoolApi, E>,
    ) -> Result<Self> {
        let read = Read::of(api, table)?;
        let layout = BodyLayout::of(&read.settings.writes)?;
        // Nothing is requested for a write that is refused.
        let read = if read.settings.writes.is_none() { read } else { read.resolved().await? };
        let writes = read.settings.writes.clone();
        Ok(Self { writes, layout, read, wants_tags: AtomicBool::new(false) })
    }

    /// Stores a row, or returns the one that is already in the set under this id.
    pub(in crate::vantage) async fn insert(
        &self,
        id: &str,
        record: &Record<Value>,
    ) -> Result<Record<Value>> {
        self.with_tags(|| self.try_insert(id, record)).await
    }

    async fn try_insert(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        let by = self.writes.inserts().ok_or_else(|| unsupported("inserts"))?;
        if self.writes.server_ids {
            return Err(makes_ids(id));
        }
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
            InsertBy::Post => self.call(self.post(&row, Some(id))?).await,
            InsertBy::Put => self.send(Method::PUT, &item, &row, self.absent()).await,
        };
        match answer {
            Ok(answer) => {
                let sent = self.sent(&row);
                if by == InsertBy::Post {
                    self.require_own_id(&item, &sent, &answer).await?;
                }
                self.written(&item, &sent, &answer).await
            }
            // Stored in the meantime, maybe by an earlier attempt.
            Err(error) if error.is_conflict() => match self.stored(&item).await? {
                Stored::Inside(row, _) => Ok(self.read.finished(row)),
                Stored::Outside | Stored::Absent => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Stores a row and returns its id, which the API assigns.
    pub(in crate::vantage) async fn insert_return_id(
        &self,
        record: &Record<Value>,
    ) -> Result<String> {
        let by = self.writes.inserts().ok_or_else(|| unsupported("inserts"))?;
        let mut row = record.clone();
        self.read.columns.unfinish(&mut row);
        if by == InsertBy::Put {
            let own = self.read.columns.id().and_then(|column| id_text(row.get(column)?));
            let id = own.ok_or_else(|| unsupported("inserts without an id"))?;
            return self.insert(&id, record).await.map(|_| id);
        }
        if let Some(id) = self.read.columns.id().filter(|_| self.writes.server_ids) {
            row.shift_remove(id);
        }
        let answer = self.call(self.post(&row, None)?).await?;
        self.new_id(&self.sent(&row), &answer).await
    }

    /// Replaces the row, or creates it.
    pub(in crate::vantage) async fn replace(
        &self,
        id: &str,
        record: &Record<Value>,
    ) -> Result<Record<Value>> {
        self.with_tags(|| self.try_replace(id, record)).await
    }

    async fn try_replace(&self, id: &str, record: &Record<Value>) -> Result<Record<Value>> {
        let by = self.writes.replaces().ok_or_else(|| unsupported("replacing rows"))?;
        let Some(item) = self.item(id)? else { return Err(outside()) };
        let mut row = self.row_with_id(id, record)?;
        let creates_by_post =
            self.writes.inserts() == Some(InsertBy::Post) && !self.writes.server_ids;
        let has_id = by == ReplaceBy::Put && creates_by_post;
        if let Some(column) = self.read.columns.id().filter(|_| has_id) {
            // As for an insert: such an API takes ids from bodies.
            row.entry(column.to_owned()).or_insert_with(|| self.read.columns.id_value(id));
        }
        let mut precondition = None;
        if self.reads_first(&item.filter) {
            self.require_guard(&item.filter)?;
            precondition = match self.stored(&item).await? {
                Stored::Inside(_, unchanged) => unchanged,
                Stored::Outside => return Err(held_outside(id)),
                Stored::Absent => self.absent(),
            };
            self.require_fit(&item.filter, &row)?;
        }
        let answer = match by {
            ReplaceBy::Put => self.send(Method::PUT, &item, &row, precondition).await,
            ReplaceBy::Patch => {
                self.send(Method::PATCH, &item, &self.complete(&row), precondition).await
            }
        };
        match answer {
            Ok(answer) => self.written(&item, &self.sent(&row), &answer).await,
            // An API that does not create rows by PUT.
            Err(error) if error.is_not_found() && creates_by_post => self.insert(id, record).await,
            Err(error) => self.settled(&item, &row, error).await,
        }
    }

    /// Merges `partial` into the row.
    pub(in crate::vantage) async fn patch(
        &self,
        id: &str,
        partial: &Record<Value>,
    ) -> Result<Record<Value>> {
        self.with_tags(|| self.try_patch(id, partial)).await
    }

    async fn try_patch(&self, id: &str, partial: &Record<Value>) -> Result<Record<Value>> {
        let by = self.writes.patches().ok_or_else(|| unsupported("patches"))?;
        let Some(item) = self.item(id)? else { return Err(missing(id)) };
        let partial = self.row_with_id(id, partial)?;
        let mut precondition = None;
        let mut merged = None;
        if by == PatchBy::Put || self.reads_first(&item.filter) {
            self.require_guard(&item.filter)?;
            let Stored::Inside(mut row, unchanged) = self.stored(&item).await? else {
                return Err(missing(id));
            };
            row.extend(partial.clone());
            self.require_fit(&item.filter, &row)?;
            (precondition, merged) = (unchanged, Some(row));
        }
        let after = merged.as_ref().unwrap_or(&partial);
        let (answer, sent) = match by {
            PatchBy::Put => {
                (self.send(Method::PUT, &item, after, precondition).await, self.sent(after))
            }
            PatchBy::Patch | PatchBy::MergePatch => {
                let answer = self.send(Method::PATCH, &item, &partial, precondition).await;
                (answer, self.sent_in_part(&partial))
            }
        };
        match answer {
            Ok(answer) => self.written(&item, &sent, &answer).await,
            Err(error) => self.settled(&item, after, error).await,
        }
    }

    /// Deletes the row if it is in the set.
    pub(in crate::vantage) async fn delete(&self, id: &str) -> Result<()> {
        self.with_tags(|| self.try_delete(id)).await
    }

    async fn try_delete(&self, id: &str) -> Result<()> {
        if !self.writes.deletes() {
            return Err(unsupported("deletes"));
        }
        let Some(item) = self.item(id)? else { return Ok(()) };
        let mut request = self.request(Method::DELETE, &item.target)?;
        if self.reads_first(&item.filter) {
            self.require_guard(&item.filter)?;
            match self.stored(&item).await? {
                Stored::Inside(_, unchanged) => request.headers_mut().extend(unchanged),
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
    /// row is deleted, since pages shift when rows are deleted.
    pub(in crate::vantage) async fn delete_all(&self) -> Result<()> {
        if !self.writes.deletes() {
            return Err(unsupported("deletes"));
        }
        if self.read.window.is_some() {
            return Err(unsupported("deleting a window of rows"));
        }
        let Some((_, filter)) = self.item_query()? else { return Ok(()) };
        self.require_guard(&filter)?;
        let mut ids = Vec::new();
        let mut pages = self.read.clone().keyed(Keys::recent()).await?;
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

    /// Refuses a write that might change a row after it has left the set.
    pub(super) fn require_guard(&self, filter: &Filter) -> Result<()> {
        if filter.is_empty() || self.writes.guards() {
            return Ok(());
        }
        Err(unsupported("keeping a write inside a narrowed table without entity tags"))
    }

    /// Refuses a row that would be outside the set.
    pub(super) fn require_fit(&self, filter: &Filter, row: &Record<Value>) -> Result<()> {
        if filter.admits(row) == Some(true) { Ok(()) } else { Err(outside()) }
    }

    /// Makes a write, and once more if the API refused it for lack of a tag.
    async fn with_tags<T, F: Future<Output = Result<T>>>(
        &self,
        write: impl Fn() -> F,
    ) -> Result<T> {
        let sent_tag = self.requires_tags();
        match write().await {
            Err(error) if !sent_tag && self.learns_of_tags(&error) => write().await,
            done => done,
        }
    }

    /// Whether this is how an API refuses a write without a tag. From then on all writes send one.
    fn learns_of_tags(&self, error: &VantageError) -> bool {
        let wants_tags = wants_tag(error);
        self.wants_tags.fetch_or(wants_tags, Ordering::Relaxed);
        wants_tags
    }

    /// Whether each write of a row is conditional on its state.
    pub(super) fn sends_tags(&self) -> bool {
        self.writes.etags || self.requires_tags()
    }

    pub(super) fn requires_tags(&self) -> bool {
        self.writes.etags_required || self.wants_tags.load(Ordering::Relaxed)
    }

    /// Whether a row is read before it is written.
    fn reads_first(&self, filter: &Filter) -> bool {
        !filter.is_empty() || self.requires_tags()
    }

    /// Requires that there is no such row, for APIs that support that.
    fn absent(&self) -> Precondition {
        if self.sends_tags() { absent() } else { None }
    }
}

//! Writes of single rows: judged by conditions, one at a time for each row, and confined to what a
//! client may set. Knows nothing of requests, so that a batch can use it too.

use actix_web::http::StatusCode;
use ciborium::Value;
use vantage_dataset::traits::{InsertableValueSet as _, WritableValueSet as _};
use vantage_vista::Vista;

use super::row::{no_row, record, written};
use crate::{
    Problem,
    etag::{Conditions, Tag},
    gateway::State,
    prefer::Resolution,
    table_config::{Ops, Table},
};

type Record = vantage_types::Record<Value>;
type Lock<'a> = tokio::sync::MutexGuard<'a, ()>;

/// Writes rows of one table for one principal.
pub(super) struct Store<'a> {
    state: &'a State,
    table: &'a Table,
    /// The rows that the principal may see.
    vista: Vista,
    ops: Ops,
    /// The rows among which those that are changed must be, if it is fewer.
    among: Option<Vista>,
    /// Whether a transaction keeps other writes away.
    is_in_transaction: bool,
}

/// A row as it is stored now.
pub(super) struct Stored {
    pub(super) id: String,
    /// Its bytes as it may be seen.
    pub(super) row: Vec<u8>,
    pub(super) tag: Tag,
    pub(super) is_new: bool,
}

/// Makes what was kept of a table unused, however a write ends.
struct Seen<'a>(&'a Table);

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.0.note_write();
    }
}

impl<'a> Store<'a> {
    pub(super) fn new(state: &'a State, table: &'a Table, vista: Vista, ops: Ops) -> Self {
        Self { state, table, vista, ops, among: None, is_in_transaction: false }
    }

    pub(super) fn in_transaction(mut self) -> Self {
        self.is_in_transaction = true;
        self
    }

    /// Changes rows that are among those of `vista` alone.
    pub(super) fn among(mut self, vista: Vista) -> Self {
        self.among = Some(vista);
        self
    }

    async fn current(&self, id: &str) -> Result<Option<Record>, Problem> {
        record(self.among.as_ref().unwrap_or(&self.vista), id).await
    }

    /// Takes the lock of a row that a client sends, without its id, and reads what is there now.
    ///
    /// # Errors
    /// 422 if its id is another one, and 412 by the conditions.
    async fn begin(
        &self,
        id: &str,
        row: &mut Record,
        conditions: &Conditions,
    ) -> Result<(Option<Lock<'_>>, Option<Record>), Problem> {
        let given = row.shift_remove(&self.table.id_column);
        self.check_id(id, given.as_ref())?;
        let lock = self.lock(id).await;
        let current = self.current(id).await?;
        self.judge(id, current.as_ref(), conditions)?;
        Ok((lock, current))
    }

    async fn lock(&self, id: &str) -> Option<Lock<'_>> {
        if self.is_in_transaction {
            return None;
        }
        self.state.row_locks.of(&self.table.name, id).await
    }

    /// Inserts a row, under its own id if it has one.
    ///
    /// # Errors
    /// 409 if its id is taken and `resolution` refuses that.
    pub(super) async fn insert(
        &self,
        mut row: Record,
        resolution: Resolution,
    ) -> Result<Stored, Problem> {
        let _seen = Seen(self.table);
        let id = match row.shift_remove(&self.table.id_column) {
            None | Some(Value::Null) => None,
            Some(Value::Text(id)) => Some(id),
            Some(Value::Integer(id)) => Some(i128::from(id).to_string()),
            Some(_) => {
                return Err(Problem::unprocessable("invalid_row", "the id cannot be one")
                    .with_error(
                        format!("/{}", self.table.id_column),
                        "it must be a text or an integer",
                    ));
            }
        };
        let Some(id) = id else {
            let id = self.vista.insert_return_id_value(&row).await?;
            let stored = record(&self.vista, &id).await?.unwrap_or(row);
            return Ok(self.stored(id, &stored, true));
        };
        if id.is_empty() || id.chars().any(char::is_control) || id == "." || id == ".." {
            return Err(Problem::unprocessable("invalid_row", "the id cannot be one")
                .with_error(format!("/{}", self.table.id_column), "it has no address"));
        }
        let _lock = self.lock(&id).await;
        match (record(&self.vista, &id).await?, resolution) {
            (Some(_), Resolution::Refuse) => {
                Err(Problem::new(StatusCode::CONFLICT, "conflict", "there is a row with this id")
                    .with_detail(
                        "Prefer: resolution=merge-duplicates or ignore-duplicates says otherwise",
                    ))
            }
            (Some(current), Resolution::Ignore) => Ok(self.stored(id, &current, false)),
            (Some(current), Resolution::Merge) => {
                if !self.ops.has(Ops::PATCH) {
                    let title = "rows of this table may not be changed";
                    return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", title));
                }
                self.set(&id, &row, &current).await
            }
            (None, _) => {
                let stored = self.vista.insert_value(id.as_str(), &row).await?;
                let stored = self.reread(&id, stored).await?;
                Ok(self.stored(id, &stored, true))
            }
        }
    }

    /// Replaces a row, or creates it if inserts are allowed.
    ///
    /// # Errors
    /// 412 by the conditions, and 404 if the row is not there and may not be created.
    pub(super) async fn replace(
        &self,
        id: &str,
        mut row: Record,
        conditions: &Conditions,
    ) -> Result<Stored, Problem> {
        let _seen = Seen(self.table);
        let (_lock, current) = self.begin(id, &mut row, conditions).await?;
        if current.is_none() && !self.ops.has(Ops::INSERT) {
            return Err(no_row());
        }
        self.put(id.to_owned(), row, current).await
    }

    /// Replaces what a client may set of a row. The other columns stay as they are.
    async fn put(
        &self,
        id: String,
        row: Record,
        current: Option<Record>,
    ) -> Result<Stored, Problem> {
        let is_new = current.is_none();
        if !is_new && !self.ops.has(Ops::REPLACE) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                "rows of this table may not be replaced",
            ));
        }
        let mut whole = current.unwrap_or_default();
        whole.shift_remove(&self.table.id_column);
        whole.retain(|name, _| !self.table.column(name).is_some_and(|column| column.writable));
        whole.extend(row);
        let stored = self.vista.replace_value(id.as_str(), &whole).await?;
        let stored = self.reread(&id, stored).await?;
        Ok(self.stored(id, &stored, is_new))
    }

    /// Sets some columns of a row.
    ///
    /// # Errors
    /// 412 by the conditions, and 404 if the row is not there.
    pub(super) async fn patch(
        &self,
        id: &str,
        mut row: Record,
        conditions: &Conditions,
    ) -> Result<Stored, Problem> {
        let _seen = Seen(self.table);
        let (_lock, current) = self.begin(id, &mut row, conditions).await?;
        let Some(current) = current else { return Err(no_row()) };
        self.set(id, &row, &current).await
    }

    /// Sets these columns of a row that is there. The others stay as they are.
    async fn set(&self, id: &str, row: &Record, current: &Record) -> Result<Stored, Problem> {
        if row.is_empty() {
            return Ok(self.stored(id.to_owned(), current, false));
        }
        let stored = self.vista.patch_value(id, row).await?;
        let stored = self.reread(id, stored).await?;
        Ok(self.stored(id.to_owned(), &stored, false))
    }

    /// Deletes a row, if it is there.
    ///
    /// # Errors
    /// 412 by the conditions.
    pub(super) async fn delete(&self, id: &str, conditions: &Conditions) -> Result<(), Problem> {
        let _seen = Seen(self.table);
        let _lock = self.lock(id).await;
        if !conditions.is_empty() || self.among.is_some() {
            let current = self.current(id).await?;
            self.judge(id, current.as_ref(), conditions)?;
            if current.is_none() {
                return Ok(());
            }
        }
        Ok(self.vista.delete(id).await?)
    }

    /// A row as it is read.
    pub(super) async fn get(&self, id: &str) -> Result<Stored, Problem> {
        let record = record(&self.vista, id).await?.ok_or_else(no_row)?;
        Ok(self.stored(id.to_owned(), &record, false))
    }

    fn judge(
        &self,
        id: &str,
        current: Option<&Record>,
        conditions: &Conditions,
    ) -> Result<(), Problem> {
        if conditions.is_empty() {
            return Ok(());
        }
        let tag = current.map(|record| written(self.table, id, record).1);
        conditions.write(tag.as_ref())
    }

    /// The id in a body must be that of the path.
    fn check_id(&self, id: &str, given: Option<&Value>) -> Result<(), Problem> {
        let is_same = match given {
            None => true,
            Some(Value::Text(given)) => given == id,
            Some(Value::Integer(given)) => i128::from(*given).to_string() == id,
            Some(_) => false,
        };
        if is_same {
            return Ok(());
        }
        Err(Problem::unprocessable("invalid_row", "the row is of another id")
            .with_error(format!("/{}", self.table.id_column), "it must be the id in the path"))
    }

    /// What an API answers to a write may lack what its row has, so the row is read again.
    async fn reread(&self, id: &str, stored: Record) -> Result<Record, Problem> {
        if !self.table.is_remote {
            return Ok(stored);
        }
        Ok(record(&self.vista, id).await?.unwrap_or(stored))
    }

    fn stored(&self, id: String, record: &Record, is_new: bool) -> Stored {
        let (row, tag) = written(self.table, &id, record);
        Stored { id, row, tag, is_new }
    }
}

//! One commit in one transaction.

use arrow_array::RecordBatch;
use rusqlite::{Connection, Transaction};

use super::{
    NAMING, Open,
    children::Children,
    connection::begin,
    error::failed,
    objects,
    rows::{self, Insert},
    state::{self, Known},
    table::{self, Table},
};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        Commit, SinkError, Target,
        sql::{
            names::{new_table, quoted, seen_table},
            parts::{Part, Parts},
            remembered,
            statements::{delete_unseen, key_schema},
            steps::{Beside, Steps, check_seen, merges},
        },
        stored::CheckState,
    },
};

pub(super) fn commit(
    open: &mut Open,
    target: &Target,
    commit: &Commit<'_>,
) -> Result<(), SinkError> {
    let failed = || failed(format!("a commit of stream `{}` to SQLite", target.stream));
    let transaction = begin(&mut open.connection).map_err(failed())?;
    let known = state::owned(&transaction, target, &open.owner)?;
    write(&transaction, target, &known, commit)?;
    transaction.commit().map_err(failed())
}

/// Adds rows as a commit does, if `check` allows it, whoever writes the stream.
pub(super) fn insert(
    connection: &mut Connection,
    target: &Target,
    batches: &[RecordBatch],
    check: CheckState<'_>,
) -> Result<(), SinkError> {
    let failed = || failed(format!("rows for stream `{}` in SQLite", target.stream));
    let transaction = begin(connection).map_err(failed())?;
    let known = state::there(&transaction, target)?;
    let state = &known.before.state;
    check(state)?;
    write(&transaction, target, &known, &Commit::new(&state.schema, batches, &[], state, false))?;
    transaction.commit().map_err(failed())
}

fn write(
    transaction: &Transaction<'_>,
    target: &Target,
    known: &Known,
    commit: &Commit<'_>,
) -> Result<(), SinkError> {
    let parts = Parts::of(&NAMING, target, commit)?;
    let steps = Steps::of(target, &known.before, commit.state, commit.is_last)?;
    let children = Children { transaction, target };
    let writing = Writing { transaction, target, parts, children, steps };
    writing.clear()?;
    let columns = writing.write(known)?;
    let added = state::add_rejects(transaction, target, commit.state.run, commit.rejects);
    added.map_err(failed(format!("a commit of stream `{}` to SQLite", target.stream)))?;
    state::set(transaction, target, commit.state, steps.leaves(), &columns)
}

/// A commit that is written.
struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    target: &'a Target,
    parts: Parts<'a>,
    /// The tables below the stream's, whether or not this commit has them.
    children: Children<'a>,
    steps: Steps,
}

impl Writing<'_> {
    /// Drops what an earlier run has left, and makes sure that no one else has a table where this one
    /// needs its own.
    fn clear(&self) -> Result<(), SinkError> {
        if let Some(left) = self.steps.drops {
            let table = left.table(&self.target.stream);
            let dropped = objects::drop_table(self.transaction, &table);
            dropped.map_err(failed(what(&table)))?;
            self.children.drop_left()?;
        }
        let Some(made) = self.steps.makes else { return Ok(()) };
        let table = made.table(&self.target.stream);
        match self.is_there(&table)? {
            true => Err(remembered::not_free(self.target, &table)),
            false => Ok(()),
        }
    }

    /// Writes the rows and their items, and returns the columns of the stream's table after that.
    fn write(&self, known: &Known) -> Result<Schema, SinkError> {
        let stream = &self.parts.stream;
        let has_columns = !stream.schema.columns.is_empty();
        stream.check_columns()?;
        if has_columns {
            self.write_rows(known)?;
        }
        self.parts.children.iter().try_for_each(|child| self.write_items(child))?;
        let is_beside = self.steps.needs == Some(Beside::New);
        if self.steps.is_last {
            self.end()?;
        }
        let has_changed = (!is_beside || self.steps.is_last) && has_columns;
        Ok(if has_changed { stream.schema.clone() } else { known.columns.clone() })
    }

    fn write_rows(&self, known: &Known) -> Result<(), SinkError> {
        let stream = &self.parts.stream;
        let table = self.steps.table(stream.table);
        let is_beside = table != stream.table;
        let before = if is_beside { &known.before.state.schema } else { &known.columns };
        self.fit(stream, &table, before)?;
        if !merges(self.target.mode) {
            return self.insert(Insert::All, &table, stream.schema, stream.batches);
        }
        if !stream.has_key() {
            // There are no rows yet.
            return Ok(());
        }
        self.insert(Insert::Merge(&stream.key), &table, stream.schema, stream.batches)?;
        if self.target.mode == WriteMode::Sync { self.see(known) } else { Ok(()) }
    }

    /// Writes the items of a list, in the place of those that the rows of the commit have had, if they
    /// are merged.
    fn write_items(&self, child: &Part<'_>) -> Result<(), SinkError> {
        let table = self.steps.table(child.table);
        let mut known = self.children.claim(child.table)?;
        if table != child.table {
            known = self.children.claim(&table)?;
        }
        self.fit(child, &table, &known)?;
        if known != *child.schema {
            self.children.set_columns(&table, child.schema)?;
        }
        if merges(self.target.mode) {
            let (key, schema) = (&self.target.key, self.parts.stream.schema);
            let columns = child.row_key(key);
            for keys in self.keys()? {
                rows::delete(self.transaction, &table, columns, schema, &keys)?;
            }
        }
        self.insert(Insert::All, &table, child.schema, child.batches)
    }

    /// Makes a table, or changes it, so that it holds the rows of a part.
    fn fit(&self, part: &Part<'_>, table: &str, known: &Schema) -> Result<(), SinkError> {
        Table { name: table, primary_key: &[] }.fit(self.transaction, known, part.schema)?;
        if !merges(self.target.mode) {
            return table::set_key(self.transaction, table, &[]);
        }
        part.check_keys()?;
        match part.has_key() {
            true => table::set_key(self.transaction, table, &part.key),
            false => Ok(()),
        }
    }

    /// Writes down the keys of the rows.
    fn see(&self, known: &Known) -> Result<(), SinkError> {
        let Target { stream, key, .. } = self.target;
        let (seen, columns) = (seen_table(stream), key_schema(self.parts.stream.schema, key));
        let there = objects::columns(self.transaction, &seen).map_err(failed(what(&seen)))?;
        check_seen(self.target, &there)?;
        let table = Table { name: &seen, primary_key: key };
        table.fit(self.transaction, &known.before.state.schema, &columns)?;
        self.insert(Insert::New, &seen, &columns, &self.keys()?)
    }

    /// The keys of the rows.
    fn keys(&self) -> Result<Vec<RecordBatch>, SinkError> {
        let batches = self.parts.stream.batches.iter().filter(|batch| batch.num_rows() > 0);
        batches.map(|batch| keys(batch, &self.target.key)).collect()
    }

    fn insert(
        &self,
        insert: Insert<'_>,
        table: &str,
        schema: &Schema,
        batches: &[RecordBatch],
    ) -> Result<(), SinkError> {
        let mut batches = batches.iter().filter(|batch| batch.num_rows() > 0);
        batches.try_for_each(|batch| insert.rows(self.transaction, table, schema, batch))
    }

    /// Does what is done at the end of a run.
    fn end(&self) -> Result<(), SinkError> {
        match self.steps.needs {
            None => Ok(()),
            Some(Beside::New) => self.replace_all(),
            Some(Beside::Seen) => self.delete_unseen(),
        }
    }

    fn replace_all(&self) -> Result<(), SinkError> {
        self.replace(&self.target.stream)?;
        for (table, columns) in self.children.all()? {
            if !self.parts.has_child(&table) {
                continue;
            }
            if columns.columns.is_empty() {
                self.children.check_free(&table)?;
            }
            self.replace(&table)?;
        }
        self.children.replaced(&self.parts)
    }

    /// Puts the table that the run has written in the place of one; of a run that has written none
    /// there are no rows.
    fn replace(&self, table: &str) -> Result<(), SinkError> {
        let new = new_table(table);
        match self.is_there(&new)? {
            true => table::swap(self.transaction, table, &new).map_err(failed(self.ending())),
            false => self.empty(table),
        }
    }

    /// Deletes the rows whose keys the run has not written, and the items of such rows.
    fn delete_unseen(&self) -> Result<(), SinkError> {
        let Target { stream, key, .. } = self.target;
        let seen = seen_table(stream);
        let has_seen = self.is_there(&seen)?;
        for part in self.parts.all() {
            if has_seen {
                let columns = part.row_key(key);
                let sql = delete_unseen(&quoted(part.table), columns, &quoted(&seen), key);
                self.transaction.execute_batch(&sql).map_err(failed(self.ending()))?;
            } else {
                self.empty(part.table)?;
            }
        }
        objects::drop_table(self.transaction, &seen).map_err(failed(self.ending()))
    }

    /// Deletes all rows of a table, if it is there.
    fn empty(&self, table: &str) -> Result<(), SinkError> {
        if !self.is_there(table)? {
            return Ok(());
        }
        let sql = format!("DELETE FROM {}", quoted(table));
        self.transaction.execute_batch(&sql).map_err(failed(self.ending()))
    }

    fn is_there(&self, table: &str) -> Result<bool, SinkError> {
        objects::is_there(self.transaction, table).map_err(failed(what(table)))
    }

    fn ending(&self) -> String {
        format!("the end of a run of stream `{}` in SQLite", self.target.stream)
    }
}

fn what(table: &str) -> String {
    format!("table `{table}` in SQLite")
}

/// The columns of a batch that are in the key, in its order.
fn keys(batch: &RecordBatch, key: &[String]) -> Result<RecordBatch, SinkError> {
    let places = key.iter().map(|name| batch.schema_ref().index_of(name));
    let places = places.collect::<Result<Vec<_>, _>>();
    let keys = places.and_then(|places| batch.project(&places));
    keys.map_err(|error| SinkError::lasting("the keys of rows").because(error))
}

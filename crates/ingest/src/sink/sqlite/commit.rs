//! One commit in one transaction.

use arrow_array::RecordBatch;
use rusqlite::Transaction;

use super::{
    NAMING, Open,
    connection::begin,
    error::failed,
    objects,
    rows::Insert,
    state::{self, Known},
    table::{self, Table},
};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        Commit, SinkError, Target,
        sql::{
            cells::check_key,
            names::{new_table, quoted, seen_table},
            statements::{delete_unseen, key_schema},
            steps::{Beside, Steps, check_seen},
        },
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
    NAMING.check_columns(commit.schema)?;
    let steps = Steps::of(target, &known.before, commit.state, commit.is_last)?;
    let writing = Writing { transaction: &transaction, target, commit, steps };
    writing.clear()?;
    let columns = writing.write(&known)?;
    let run = commit.state.run;
    state::add_rejects(&transaction, target, run, commit.rejects).map_err(failed())?;
    state::set(&transaction, target, commit.state, steps.leaves(), &columns)?;
    transaction.commit().map_err(failed())
}

/// A commit that is written.
struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    target: &'a Target,
    commit: &'a Commit<'a>,
    steps: Steps,
}

impl Writing<'_> {
    /// Drops what an earlier run has left, and makes sure that no one else has a table where this one
    /// needs its own.
    fn clear(&self) -> Result<(), SinkError> {
        let failed = |table: &str| failed(format!("table `{table}` in SQLite"));
        if let Some(left) = self.steps.drops {
            let table = left.table(&self.target.stream);
            objects::drop_table(self.transaction, &table).map_err(failed(&table))?;
        }
        let Some(made) = self.steps.makes else { return Ok(()) };
        let table = made.table(&self.target.stream);
        match objects::is_there(self.transaction, &table).map_err(failed(&table))? {
            true => Err(crate::sink::sql::remembered::not_free(self.target, &table)),
            false => Ok(()),
        }
    }

    /// Writes the rows, and returns the columns of the stream's table after that.
    fn write(&self, known: &Known) -> Result<Schema, SinkError> {
        let schema = self.commit.schema;
        if schema.columns.is_empty() {
            self.check_no_rows()?;
        } else {
            self.write_rows(known)?;
        }
        let is_beside = self.steps.needs == Some(Beside::New);
        if self.steps.is_last {
            self.end()?;
        }
        let has_changed = (!is_beside || self.steps.is_last) && !schema.columns.is_empty();
        Ok(if has_changed { schema.clone() } else { known.columns.clone() })
    }

    fn check_no_rows(&self) -> Result<(), SinkError> {
        match self.commit.batches.iter().all(|batch| batch.num_rows() == 0) {
            true => Ok(()),
            false => Err(SinkError::lasting("rows without a column cannot be written")),
        }
    }

    fn write_rows(&self, known: &Known) -> Result<(), SinkError> {
        let Commit { schema, batches, .. } = *self.commit;
        let Target { stream, key, mode, .. } = self.target;
        let name = self.steps.table(stream);
        let is_beside = name != *stream;
        let before = if is_beside { &known.before.state.schema } else { &known.columns };
        Table { name: &name, primary_key: &[] }.fit(self.transaction, before, schema)?;
        match mode {
            WriteMode::Append | WriteMode::Replace => {
                table::set_key(self.transaction, &name, &[])?;
                self.insert(Insert::All, &name, schema, batches)
            }
            WriteMode::Merge | WriteMode::Sync => {
                batches.iter().try_for_each(|batch| check_key(batch, key))?;
                if key.iter().any(|name| schema.get(name).is_none()) {
                    // There are no rows yet.
                    return Ok(());
                }
                table::set_key(self.transaction, &name, key)?;
                self.insert(Insert::Merge(key), &name, schema, batches)?;
                if *mode == WriteMode::Sync { self.see(known) } else { Ok(()) }
            }
        }
    }

    /// Writes down the keys of the rows.
    fn see(&self, known: &Known) -> Result<(), SinkError> {
        let Target { stream, key, .. } = self.target;
        let (seen, columns) = (seen_table(stream), key_schema(self.commit.schema, key));
        let there = objects::columns(self.transaction, &seen);
        check_seen(self.target, &there.map_err(failed(format!("table `{seen}` in SQLite")))?)?;
        let table = Table { name: &seen, primary_key: key };
        table.fit(self.transaction, &known.before.state.schema, &columns)?;
        let keys = self.commit.batches.iter().map(|batch| keys(batch, key));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        self.insert(Insert::New, &seen, &columns, &keys)
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
        let Target { stream, key, .. } = self.target;
        let done = match self.steps.needs {
            None => Ok(()),
            Some(Beside::New) => self.replace(stream),
            Some(Beside::Seen) => self.delete_unseen(stream, key),
        };
        done.map_err(failed(format!("the end of a run of stream `{stream}` in SQLite")))
    }

    fn replace(&self, stream: &str) -> rusqlite::Result<()> {
        let new = new_table(stream);
        if objects::is_there(self.transaction, &new)? {
            table::swap(self.transaction, stream, &new)
        } else if objects::is_there(self.transaction, stream)? {
            // A run without a single column has no rows.
            self.transaction.execute_batch(&format!("DELETE FROM {}", quoted(stream)))
        } else {
            Ok(())
        }
    }

    fn delete_unseen(&self, stream: &str, key: &[String]) -> rusqlite::Result<()> {
        let seen = seen_table(stream);
        if objects::is_there(self.transaction, &seen)? {
            let sql = delete_unseen(&quoted(stream), &quoted(&seen), key);
            self.transaction.execute_batch(&sql)?;
            objects::drop_table(self.transaction, &seen)
        } else if objects::is_there(self.transaction, stream)? {
            self.transaction.execute_batch(&format!("DELETE FROM {}", quoted(stream)))
        } else {
            Ok(())
        }
    }
}

/// The columns of a batch that are in the key.
fn keys(batch: &RecordBatch, key: &[String]) -> Result<RecordBatch, SinkError> {
    let fields = batch.schema_ref().fields();
    let places = fields.iter().enumerate().filter(|(_, field)| key.contains(field.name()));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let keys = batch.project(&places);
    keys.map_err(|error| SinkError::lasting("the keys of rows").because(error))
}

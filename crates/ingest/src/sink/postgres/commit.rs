//! One commit in one transaction.

use arrow_array::RecordBatch;
use tokio_postgres::{Client, Error, Transaction};

use super::{
    NAMING,
    connection::Names,
    copy::{Copy, POSITION},
    error::failed,
    objects,
    state::Rows,
    table::Table,
    types::definition,
};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        Commit, SinkError, Target,
        sql::{
            names::{list, new_table, quoted, seen_table},
            parts::{Part, Parts},
            remembered,
            statements::{
                delete_unseen, key_list, key_schema, names as columns, on_conflict, same,
            },
            steps::{Before, Beside, Steps, check_seen, merges},
        },
        stored::CheckState,
    },
};

/// The temporary table from which rows are merged.
const STAGE: &str = "pg_temp.\"_apipool_stage\"";

pub(super) async fn commit(
    client: &mut Client,
    names: &Names,
    target: &Target,
    owner: &str,
    commit: &Commit<'_>,
    is_fitted: bool,
) -> Result<(), SinkError> {
    let failed = || failed(format!("a commit of stream `{}` to PostgreSQL", target.stream));
    let transaction = client.transaction().await.map_err(failed())?;
    let rows = Rows { transaction: &transaction, names, target };
    let before = rows.owned(owner).await?;
    write(rows, &before, commit, is_fitted).await?;
    transaction.commit().await.map_err(failed())
}

/// Adds rows as a commit does, if `check` allows it, whoever writes the stream.
pub(super) async fn insert(
    client: &mut Client,
    names: &Names,
    target: &Target,
    batches: &[RecordBatch],
    check: CheckState<'_>,
) -> Result<(), SinkError> {
    let failed = || failed(format!("rows for stream `{}` in PostgreSQL", target.stream));
    let transaction = client.transaction().await.map_err(failed())?;
    let rows = Rows { transaction: &transaction, names, target };
    let before = rows.there().await?;
    let state = &before.state;
    check(state)?;
    write(rows, &before, &Commit::new(&state.schema, batches, &[], state, false), false).await?;
    transaction.commit().await.map_err(failed())
}

async fn write(
    rows: Rows<'_>,
    before: &Before,
    commit: &Commit<'_>,
    is_fitted: bool,
) -> Result<(), SinkError> {
    let Rows { transaction, names, target } = rows;
    let parts = Parts::of(&NAMING, target, commit)?;
    let steps = Steps::of(target, before, commit.state, commit.is_last)?;
    let is_fitted = is_fitted && steps.makes.is_none() && steps.drops.is_none();
    let writing = Writing { transaction, names, target, parts, rows, steps, is_fitted };
    writing.clear().await?;
    writing.write().await?;
    if steps.is_last {
        writing.end().await?;
    }
    let added = rows.add_rejects(commit.state.run, commit.rejects).await;
    added.map_err(failed(format!("a commit of stream `{}` to PostgreSQL", target.stream)))?;
    rows.set(commit.state, steps.leaves()).await
}

/// A commit that is written.
pub(super) struct Writing<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) names: &'a Names,
    pub(super) target: &'a Target,
    pub(super) parts: Parts<'a>,
    /// Those of the stream and of all tables below its own, whether or not this commit has them.
    pub(super) rows: Rows<'a>,
    pub(super) steps: Steps,
    /// Whether the tables are known to be the stream's, with the columns and keys of this commit.
    pub(super) is_fitted: bool,
}

impl Writing<'_> {
    /// Drops what an earlier run has left, and makes sure that no one else has a table where this one
    /// needs its own.
    async fn clear(&self) -> Result<(), SinkError> {
        if let Some(left) = self.steps.drops {
            let table = left.table(&self.target.stream);
            let dropped = objects::drop_table(self.transaction, &self.names.of(&table)).await;
            dropped.map_err(failed(format!("table `{table}` in PostgreSQL")))?;
            self.rows.drop_left_children().await?;
        }
        let Some(made) = self.steps.makes else { return Ok(()) };
        let table = made.table(&self.target.stream);
        match self.rows.is_there(&table).await? {
            true => Err(remembered::not_free(self.target, &table)),
            false => Ok(()),
        }
    }

    /// Writes the rows and their items.
    pub(super) async fn write(&self) -> Result<(), SinkError> {
        let stream = &self.parts.stream;
        stream.check_columns()?;
        if stream.schema.columns.is_empty() {
            return Ok(());
        }
        let table = self.steps.table(stream.table);
        self.fit(stream, &table).await?;
        if merges(self.target.mode) {
            self.merge(&table).await?;
        } else {
            self.copy(stream, &table).await?;
        }
        for child in &self.parts.children {
            self.write_items(child).await?;
        }
        Ok(())
    }

    /// Makes a table, or changes it, so that it holds the rows of a part.
    async fn fit(&self, part: &Part<'_>, table: &str) -> Result<(), SinkError> {
        let merges = merges(self.target.mode);
        if merges {
            part.check_keys()?;
        }
        if self.is_fitted {
            return Ok(());
        }
        let table = self.table(table);
        table.fit(part.schema).await?;
        match (merges, part.has_key()) {
            (true, true) => table.set_key(&part.key).await,
            (true, false) => Ok(()),
            (false, _) => table.set_key(&[]).await,
        }
    }

    async fn merge(&self, table: &str) -> Result<(), SinkError> {
        let stream = &self.parts.stream;
        let (key, schema) = (&stream.key, stream.schema);
        if !stream.has_key() {
            // There are no rows yet.
            return Ok(());
        }
        let seen = seen_table(stream.table);
        let sees = self.target.mode == WriteMode::Sync;
        if sees && !self.is_fitted {
            let there = objects::columns(self.transaction, &self.names.of(&seen)).await;
            let there = there.map_err(failed(format!("table `{seen}` in PostgreSQL")))?;
            check_seen(self.target, &there)?;
            self.table(&seen).fit(&key_schema(schema, key)).await?;
            self.table(&seen).set_key(key).await?;
        }
        if !stream.has_rows() {
            return Ok(());
        }
        let failed = || failed(format!("rows of table `{table}` in PostgreSQL"));
        let stage = definition(schema);
        self.run(&format!(
            "CREATE TEMP TABLE \"_apipool_stage\" ({stage}, \"{POSITION}\" bigint) ON COMMIT DROP"
        ))
        .await
        .map_err(failed())?;
        let copy = Copy { into: STAGE, schema, has_position: true };
        copy.send(self.transaction, stream.batches).await?;
        self.run(&merge_sql(&self.names.of(table), schema, key)).await.map_err(failed())?;
        if sees {
            let (seen, key) = (self.names.of(&seen), key_list(key));
            let sql = format!(
                "INSERT INTO {seen} ({key}) SELECT DISTINCT {key} FROM {STAGE} ON CONFLICT DO NOTHING"
            );
            self.run(&sql).await.map_err(failed())?;
        }
        Ok(())
    }

    /// Writes the items of a list, in the place of those that the rows of the commit have had, if they
    /// are merged.
    async fn write_items(&self, child: &Part<'_>) -> Result<(), SinkError> {
        let table = self.steps.table(child.table);
        if !self.is_fitted {
            self.rows.claim(child.table).await?;
            if table != child.table {
                self.rows.claim(&table).await?;
            }
        }
        self.fit(child, &table).await?;
        if !self.is_fitted {
            self.rows.set_child(&table, child.schema).await?;
        }
        if merges(self.target.mode) && self.parts.stream.has_rows() {
            let key = &self.target.key;
            let sql = delete_staged(&self.names.of(&table), child.row_key(key), key);
            let deleted = self.run(&sql).await;
            deleted.map_err(failed(format!("rows of table `{table}` in PostgreSQL")))?;
        }
        self.copy(child, &table).await
    }

    /// Adds the rows of a part.
    async fn copy(&self, part: &Part<'_>, table: &str) -> Result<(), SinkError> {
        if !part.has_rows() {
            return Ok(());
        }
        let copy = Copy { into: &self.names.of(table), schema: part.schema, has_position: false };
        copy.send(self.transaction, part.batches).await
    }

    /// Does what is done at the end of a run.
    async fn end(&self) -> Result<(), SinkError> {
        match self.steps.needs {
            None => Ok(()),
            Some(Beside::New) => self.replace_all().await,
            Some(Beside::Seen) => self.delete_unseen().await,
        }
    }

    async fn replace_all(&self) -> Result<(), SinkError> {
        self.replace(&self.target.stream).await?;
        for (table, columns) in self.rows.children().await? {
            if !self.parts.has_child(&table) {
                continue;
            }
            if columns.columns.is_empty() {
                self.rows.check_child_free(&table).await?;
            }
            self.replace(&table).await?;
        }
        self.rows.children_replaced(&self.parts).await
    }

    /// Puts the table that the run has written in the place of one; of a run that has written none
    /// there are no rows.
    async fn replace(&self, table: &str) -> Result<(), SinkError> {
        let new = new_table(table);
        if !self.rows.is_there(&new).await? {
            return self.empty(table).await;
        }
        self.table(&new).replace(table).await.map_err(failed(self.ending()))
    }

    /// Deletes the rows whose keys the run has not written, and the items of such rows.
    async fn delete_unseen(&self) -> Result<(), SinkError> {
        let Target { stream, key, .. } = self.target;
        let seen = seen_table(stream);
        let (has_seen, seen) = (self.rows.is_there(&seen).await?, self.names.of(&seen));
        for part in self.parts.all() {
            if has_seen {
                let table = self.names.of(part.table);
                let sql = delete_unseen(&table, part.row_key(key), &seen, key);
                self.run(&sql).await.map_err(failed(self.ending()))?;
            } else {
                self.empty(part.table).await?;
            }
        }
        objects::drop_table(self.transaction, &seen).await.map_err(failed(self.ending()))
    }

    /// Deletes all rows of a table, if it is there.
    async fn empty(&self, table: &str) -> Result<(), SinkError> {
        if !self.rows.is_there(table).await? {
            return Ok(());
        }
        let sql = format!("DELETE FROM {}", self.names.of(table));
        self.run(&sql).await.map_err(failed(self.ending()))
    }

    fn table<'t>(&'t self, name: &'t str) -> Table<'t> {
        Table { transaction: self.transaction, names: self.names, name }
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        self.transaction.batch_execute(sql).await
    }

    fn ending(&self) -> String {
        format!("the end of a run of stream `{}` in PostgreSQL", self.target.stream)
    }
}

/// Deletes the items of the rows of the stage, of which `columns` have the key.
fn delete_staged(table: &str, columns: &[String], key: &[String]) -> String {
    format!("DELETE FROM {table} AS t USING {STAGE} AS s WHERE {}", same(columns, key))
}

/// Merges the rows of the stage: of several with one key the last, since PostgreSQL does not update a
/// row twice.
fn merge_sql(table: &str, schema: &Schema, key: &[String]) -> String {
    let (all, conflict) = (list(columns(schema)), on_conflict(schema, key));
    let (key, position) = (key_list(key), quoted(POSITION));
    format!(
        "INSERT INTO {table} ({all}) SELECT DISTINCT ON ({key}) {all} FROM {STAGE} \
         ORDER BY {key}, {position} DESC {conflict}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, ColumnType};

    #[test]
    fn the_last_row_of_a_key_is_merged() {
        let column =
            |name: &str| Column { name: name.into(), kind: ColumnType::Int, declared: true };
        let schema = Schema { columns: vec![column("id"), column("a")] };
        assert_eq!(
            merge_sql("\"public\".\"t\"", &schema, &["id".into()]),
            "INSERT INTO \"public\".\"t\" (\"id\", \"a\") SELECT DISTINCT ON (\"id\") \"id\", \"a\" \
             FROM pg_temp.\"_apipool_stage\" ORDER BY \"id\", \"_apipool_position\" DESC \
             ON CONFLICT (\"id\") DO UPDATE SET \"a\" = excluded.\"a\""
        );
    }

    #[test]
    fn the_items_of_the_rows_of_a_commit_are_deleted() {
        assert_eq!(
            delete_staged(
                "\"t_a\"",
                &["_t_of".into(), "_t_id".into()],
                &["of".into(), "id".into()]
            ),
            "DELETE FROM \"t_a\" AS t USING pg_temp.\"_apipool_stage\" AS s WHERE \
             s.\"of\" = t.\"_t_of\" AND s.\"id\" = t.\"_t_id\""
        );
    }
}

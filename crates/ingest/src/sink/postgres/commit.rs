//! One commit in one transaction.

use tokio_postgres::{Client, Error, Transaction};

use super::{
    NAMING,
    connection::Names,
    copy::{Copy, POSITION},
    error::{self, failed},
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
            cells::check_key,
            names::{list, quoted, seen_table},
            remembered,
            statements::{delete_unseen, key_list, key_schema, names as columns, on_conflict},
            steps::{Beside, Steps, check_seen},
        },
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
    NAMING.check_columns(commit.schema)?;
    let steps = Steps::of(target, &before, commit.state, commit.is_last)?;
    let is_fitted = is_fitted && steps.makes.is_none() && steps.drops.is_none();
    let writing = Writing { transaction: &transaction, names, target, commit, steps, is_fitted };
    writing.clear().await?;
    writing.write().await?;
    if steps.is_last {
        let what = format!("the end of a run of stream `{}` in PostgreSQL", target.stream);
        writing.end().await.map_err(error::failed(what))?;
    }
    rows.add_rejects(commit.state.run, commit.rejects).await.map_err(failed())?;
    rows.set(commit.state, steps.leaves()).await?;
    transaction.commit().await.map_err(failed())
}

/// A commit that is written.
struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    names: &'a Names,
    target: &'a Target,
    commit: &'a Commit<'a>,
    steps: Steps,
    /// Whether the tables are known to have the columns and the key of this commit.
    is_fitted: bool,
}

impl Writing<'_> {
    /// Drops what an earlier run has left, and makes sure that no one else has a table where this one
    /// needs its own.
    async fn clear(&self) -> Result<(), SinkError> {
        let failed = |table: &str| failed(format!("table `{table}` in PostgreSQL"));
        if let Some(left) = self.steps.drops {
            let table = left.table(&self.target.stream);
            let dropped = objects::drop_table(self.transaction, &self.names.of(&table)).await;
            dropped.map_err(failed(&table))?;
        }
        let Some(made) = self.steps.makes else { return Ok(()) };
        let table = made.table(&self.target.stream);
        match self.is_there(&table).await.map_err(failed(&table))? {
            true => Err(remembered::not_free(self.target, &table)),
            false => Ok(()),
        }
    }

    async fn write(&self) -> Result<(), SinkError> {
        let Commit { schema, batches, .. } = *self.commit;
        let has_rows = batches.iter().any(|batch| batch.num_rows() > 0);
        if schema.columns.is_empty() {
            return match has_rows {
                true => Err(SinkError::lasting("rows without a column cannot be written")),
                false => Ok(()),
            };
        }
        let table = self.steps.table(&self.target.stream);
        if !self.is_fitted {
            self.table(&table).fit(schema).await?;
        }
        match self.target.mode {
            WriteMode::Append | WriteMode::Replace => {
                if !self.is_fitted {
                    self.table(&table).set_key(&[]).await?;
                }
                if has_rows { self.copy(&self.names.of(&table), false).await } else { Ok(()) }
            }
            WriteMode::Merge | WriteMode::Sync => self.merge(&table, has_rows).await,
        }
    }

    async fn merge(&self, table: &str, has_rows: bool) -> Result<(), SinkError> {
        let (key, schema) = (&self.target.key, self.commit.schema);
        self.commit.batches.iter().try_for_each(|batch| check_key(batch, key))?;
        if key.iter().any(|name| schema.get(name).is_none()) {
            // There are no rows yet.
            return Ok(());
        }
        let seen = seen_table(&self.target.stream);
        let sees = self.target.mode == WriteMode::Sync;
        if !self.is_fitted {
            self.table(table).set_key(key).await?;
            if sees {
                let there = objects::columns(self.transaction, &self.names.of(&seen)).await;
                let what = format!("table `{seen}` in PostgreSQL");
                check_seen(self.target, &there.map_err(error::failed(what))?)?;
                self.table(&seen).fit(&key_schema(schema, key)).await?;
                self.table(&seen).set_key(key).await?;
            }
        }
        if !has_rows {
            return Ok(());
        }
        let failed = || failed(format!("rows of table `{table}` in PostgreSQL"));
        let stage = definition(schema);
        self.run(&format!(
            "CREATE TEMP TABLE \"_apipool_stage\" ({stage}, \"{POSITION}\" bigint) ON COMMIT DROP"
        ))
        .await
        .map_err(failed())?;
        self.copy(STAGE, true).await?;
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

    async fn copy(&self, into: &str, has_position: bool) -> Result<(), SinkError> {
        let Commit { schema, batches, .. } = *self.commit;
        Copy { into, schema, has_position }.send(self.transaction, batches).await
    }

    /// Does what is done at the end of a run.
    async fn end(&self) -> Result<(), Error> {
        let Target { stream, key, .. } = self.target;
        let Some(beside) = self.steps.needs else { return Ok(()) };
        let (own, other) = (self.names.of(stream), beside.table(stream));
        if !self.is_there(&other).await? {
            // A run without a single column has no rows.
            return match self.is_there(stream).await? {
                true => self.run(&format!("DELETE FROM {own}")).await,
                false => Ok(()),
            };
        }
        match beside {
            Beside::New => self.table(&other).replace(stream).await,
            Beside::Seen => {
                let seen = self.names.of(&other);
                self.run(&delete_unseen(&own, &seen, key)).await?;
                objects::drop_table(self.transaction, &seen).await
            }
        }
    }

    fn table<'t>(&'t self, name: &'t str) -> Table<'t> {
        Table { transaction: self.transaction, names: self.names, name }
    }

    async fn is_there(&self, table: &str) -> Result<bool, Error> {
        objects::is_there(self.transaction, &self.names.of(table)).await
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        self.transaction.batch_execute(sql).await
    }
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
}

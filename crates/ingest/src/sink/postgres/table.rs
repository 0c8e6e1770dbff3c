//! Makes tables, gives them columns and wider columns, and puts one in the place of another.

use tokio_postgres::{Error, Transaction};

use super::{
    connection::Names,
    error::failed,
    objects,
    types::{converted, definition, kind_of, sql_type},
};
use crate::{
    schema::{Column, Schema},
    sink::{
        SinkError,
        sql::{
            names::{key_index, quoted},
            statements::key_list,
        },
    },
};

/// A table that a stream writes.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) names: &'a Names,
    pub(super) name: &'a str,
}

impl Table<'_> {
    /// Makes the table, or changes it so that it holds rows of `schema`.
    ///
    /// # Errors
    /// If the table is not as a stream has made it.
    pub(super) async fn fit(self, schema: &Schema) -> Result<(), SinkError> {
        let failed = || failed(format!("table `{}` in PostgreSQL", self.name));
        let table = self.names.of(self.name);
        let there = objects::columns(self.transaction, &table).await.map_err(failed())?;
        let sql = if there.is_empty() {
            format!("CREATE TABLE {table} ({})", definition(schema))
        } else {
            let changes = schema.columns.iter().map(|column| self.change(column, &there));
            let changes: Vec<String> =
                changes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            if changes.is_empty() {
                return Ok(());
            }
            // In one statement, so that the rows are written anew once.
            format!("ALTER TABLE {table} {}", changes.join(", "))
        };
        self.transaction.batch_execute(&sql).await.map_err(failed())
    }

    /// What must change for a column, if anything.
    fn change(
        self,
        column: &Column,
        there: &[(String, String)],
    ) -> Result<Option<String>, SinkError> {
        let (name, wanted) = (&column.name, sql_type(column.kind));
        let Some((_, own)) = there.iter().find(|(own, _)| own == name) else {
            return Ok(Some(format!("ADD COLUMN {} {wanted}", quoted(name))));
        };
        if *own == wanted {
            return Ok(None);
        }
        let from = kind_of(own).filter(|from| from.widened(column.kind) == column.kind);
        let from = from.ok_or_else(|| {
            SinkError::lasting(format!(
                "column `{name}` of table `{}` is {own}, which the stream's {} is not written to",
                self.name, column.kind
            ))
        })?;
        let using = converted(name, from, column.kind);
        Ok(Some(format!("ALTER COLUMN {} TYPE {wanted} USING {using}", quoted(name))))
    }

    /// Gives the table a unique index on its key, or takes it away if the key is empty.
    ///
    /// # Errors
    /// If rows that are there have the same key.
    pub(super) async fn set_key(self, key: &[String]) -> Result<(), SinkError> {
        let failed = || failed(format!("the index on the key of table `{}`", self.name));
        let name = key_index(self.name);
        let (table, index) = (self.names.of(self.name), self.names.of(&name));
        let there = objects::index_columns(self.transaction, &table, &index);
        let there = there.await.map_err(failed())?;
        if there == key {
            return Ok(());
        }
        let mut statements = Vec::new();
        if !there.is_empty() {
            statements.push(format!("DROP INDEX {index}"));
        }
        if !key.is_empty() {
            let (name, key) = (quoted(&name), key_list(key));
            statements.push(format!("CREATE UNIQUE INDEX {name} ON {table} ({key})"));
        }
        self.transaction.batch_execute(&statements.join("; ")).await.map_err(failed())
    }

    /// Puts the table in the place of `old`.
    pub(super) async fn replace(self, old: &str) -> Result<(), Error> {
        let (new, table) = (self.names.of(self.name), self.names.of(old));
        let own = self.names.of(&key_index(old));
        let made = objects::made_on(self.transaction, &table, &own).await?;
        objects::drop_table(self.transaction, &table).await?;
        let sql = format!("ALTER TABLE {new} RENAME TO {}", quoted(old));
        self.transaction.batch_execute(&sql).await?;
        for sql in made {
            self.make_again(&sql).await?;
        }
        Ok(())
    }

    /// Makes something again that may not fit any more, such as an index on a column that is gone.
    async fn make_again(self, sql: &str) -> Result<(), Error> {
        self.transaction.batch_execute("SAVEPOINT apipool_again").await?;
        match self.transaction.batch_execute(sql).await {
            Ok(()) => self.transaction.batch_execute("RELEASE SAVEPOINT apipool_again").await,
            Err(error) if error.as_db_error().is_none() => Err(error),
            Err(error) => {
                tracing::warn!(table = self.name, sql, %error, "not made again");
                self.transaction.batch_execute("ROLLBACK TO SAVEPOINT apipool_again").await
            }
        }
    }
}

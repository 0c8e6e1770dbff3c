//! The tables below that of a stream. Each has a row in the table of states, by which it is the
//! stream's and nobody else's.

use tokio_postgres::{Error, types::Type};

use super::{error::failed, objects, state::Rows};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        SinkError,
        sql::{
            names::{STATE, replaced_table},
            parts::Parts,
            remembered,
        },
    },
};

/// Which row is that of a table.
const OF_TABLE: &str = r#""job" = $1 AND "owner" = $2 AND "beside" = 'child' AND "stream" = $3"#;

/// Which tables below a stream's are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Those of a run that was to replace others.
    Left,
    /// Those, and what is not a table any more.
    LeftOrGone,
}

impl Rows<'_> {
    /// The tables below the stream's, those among them that are to replace others, with their
    /// columns: none if a table was not made yet.
    pub(super) async fn children(self) -> Result<Vec<(String, Schema)>, SinkError> {
        let what = || format!("the tables below stream `{}` in PostgreSQL", self.target.stream);
        let rows = self.child_rows().await.map_err(failed(what()))?;
        let rows = rows.into_iter();
        rows.map(|(table, columns)| Ok((table, remembered::from_text(&columns, &what())?)))
            .collect()
    }

    /// Makes sure that a table is the stream's.
    ///
    /// # Errors
    /// A lasting one, if it is someone else's.
    pub(super) async fn claim(self, table: &str) -> Result<(), SinkError> {
        self.insert_child(table).await.map_err(failed(what(table)))?;
        self.check_writers(table).await?;
        let children = self.children().await?;
        let columns = children.iter().find(|(own, _)| own == table).map(|(_, columns)| columns);
        match columns.is_none_or(|columns| columns.columns.is_empty()) {
            true => self.check_child_free(table).await,
            false => Ok(()),
        }
    }

    /// Whether there is no table yet.
    ///
    /// # Errors
    /// A lasting one, if there is: someone else has made it.
    pub(super) async fn check_child_free(self, table: &str) -> Result<(), SinkError> {
        match self.is_there(table).await? {
            true => Err(remembered::not_free(self.target, table)),
            false => Ok(()),
        }
    }

    /// Sets the columns of a table.
    pub(super) async fn set_child(self, table: &str, columns: &Schema) -> Result<(), SinkError> {
        let text = remembered::to_text(columns)?;
        let state = self.names.of(STATE);
        let sql = format!("UPDATE {state} SET \"state\" = $4 WHERE {OF_TABLE}");
        let set = self.execute(&sql, &[(&table, Type::TEXT), (&text, Type::TEXT)]).await;
        set.map(drop).map_err(failed(what(table)))
    }

    /// Whether all tables are still there, if their rows are to be kept.
    ///
    /// # Errors
    /// A lasting one, if one is gone.
    pub(super) async fn check_children(self) -> Result<(), SinkError> {
        if self.target.mode == WriteMode::Replace {
            return Ok(());
        }
        for (table, columns) in self.children().await? {
            if !columns.columns.is_empty() && !self.is_there(&table).await? {
                return Err(remembered::gone(self.target, &table));
            }
        }
        Ok(())
    }

    /// Writes down that the tables of a commit which were to replace others have done so, and drops
    /// those of the run that are not in it any more.
    pub(super) async fn children_replaced(self, parts: &Parts<'_>) -> Result<(), SinkError> {
        for (table, columns) in self.children().await? {
            if let Some(old) = replaced_table(&table) {
                if parts.has_child(old) {
                    self.set_child(old, &columns).await?;
                }
                self.forget_child(&table, &columns).await?;
            }
        }
        Ok(())
    }

    /// Drops what a run that was given up has left.
    pub(super) async fn drop_left_children(self) -> Result<(), SinkError> {
        self.drop_children(Which::Left).await
    }

    /// Drops all tables.
    pub(super) async fn drop_all_children(self) -> Result<(), SinkError> {
        self.drop_children(Which::All).await
    }

    /// Drops what a run has left, and forgets the tables that are gone.
    pub(super) async fn reset_children(self) -> Result<(), SinkError> {
        self.drop_children(Which::LeftOrGone).await
    }

    async fn drop_children(self, which: Which) -> Result<(), SinkError> {
        for (table, columns) in self.children().await? {
            let is_meant = which == Which::All
                || replaced_table(&table).is_some()
                || (which == Which::LeftOrGone && !self.is_there(&table).await?);
            if is_meant {
                self.forget_child(&table, &columns).await?;
            }
        }
        Ok(())
    }

    /// Drops a table, unless it was not made yet, so that one of this name is someone else's.
    async fn forget_child(self, table: &str, columns: &Schema) -> Result<(), SinkError> {
        let failed = || failed(what(table));
        if !columns.columns.is_empty() {
            let dropped = objects::drop_table(self.transaction, &self.names.of(table)).await;
            dropped.map_err(failed())?;
        }
        let sql = format!("DELETE FROM {} WHERE {OF_TABLE}", self.names.of(STATE));
        let deleted = self.execute(&sql, &[(&table, Type::TEXT)]).await;
        deleted.map(drop).map_err(failed())
    }

    async fn insert_child(self, table: &str) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (\"job\", \"stream\", \"state\", \"owner\", \"beside\") \
             VALUES ($1, $3, '[]', $2, 'child') ON CONFLICT DO NOTHING",
            self.names.of(STATE)
        );
        self.execute(&sql, &[(&table, Type::TEXT)]).await.map(drop)
    }

    async fn child_rows(self) -> Result<Vec<(String, String)>, Error> {
        let sql = format!(
            "SELECT \"stream\", \"state\" FROM {} \
             WHERE \"job\" = $1 AND \"owner\" = $2 AND \"beside\" = 'child' ORDER BY \"stream\"",
            self.names.of(STATE)
        );
        let rows = self.query(&sql, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

fn what(table: &str) -> String {
    format!("table `{table}` in PostgreSQL")
}

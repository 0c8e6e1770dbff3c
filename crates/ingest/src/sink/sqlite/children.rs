//! The tables below that of a stream. Each has a row in the table of states, by which it is the
//! stream's and nobody else's.

use rusqlite::{OptionalExtension, Result, Transaction, params};

use super::{error::failed, objects, state};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        SinkError, Target,
        sql::{
            names::{STATE, replaced_table},
            parts::Parts,
            remembered,
        },
    },
};

/// Which row is that of a table.
const OF_TABLE: &str = r#""job" = ?1 AND "owner" = ?2 AND "beside" = 'child' AND "stream" = ?3"#;

/// The tables below that of a stream, those among them that are to replace others.
#[derive(Clone, Copy)]
pub(super) struct Children<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) target: &'a Target,
}

impl Children<'_> {
    /// All of them, with their columns: none if a table was not made yet.
    pub(super) fn all(self) -> Result<Vec<(String, Schema)>, SinkError> {
        let what = || format!("the tables below stream `{}` in SQLite", self.target.stream);
        let rows = self.rows().map_err(failed(what()))?;
        let rows = rows.into_iter();
        rows.map(|(table, columns)| Ok((table, remembered::from_text(&columns, &what())?)))
            .collect()
    }

    /// Makes sure that a table is the stream's, and returns its columns: none if it was not made yet.
    ///
    /// # Errors
    /// A lasting one, if it is someone else's.
    pub(super) fn claim(self, table: &str) -> Result<Schema, SinkError> {
        let failed = || failed(what(table));
        let sql = format!("SELECT \"state\" FROM {STATE} WHERE {OF_TABLE}");
        let Target { job, stream, .. } = self.target;
        let columns: Option<String> = self
            .transaction
            .query_row(&sql, params![job, stream, table], |row| row.get(0))
            .optional()
            .map_err(failed())?;
        let columns = match columns {
            Some(columns) => remembered::from_text(&columns, &what(table))?,
            None => {
                state::check_writers(self.transaction, self.target, table)?;
                self.insert(table).map_err(failed())?;
                Schema::default()
            }
        };
        if columns.columns.is_empty() {
            self.check_free(table)?;
        }
        Ok(columns)
    }

    /// Whether there is no table yet.
    ///
    /// # Errors
    /// A lasting one, if there is: someone else has made it.
    pub(super) fn check_free(self, table: &str) -> Result<(), SinkError> {
        match self.is_there(table)? {
            true => Err(remembered::not_free(self.target, table)),
            false => Ok(()),
        }
    }

    /// Sets the columns of a table.
    pub(super) fn set_columns(self, table: &str, columns: &Schema) -> Result<(), SinkError> {
        let text = remembered::to_text(columns)?;
        let sql = format!("UPDATE {STATE} SET \"state\" = ?4 WHERE {OF_TABLE}");
        let Target { job, stream, .. } = self.target;
        let set = self.transaction.execute(&sql, params![job, stream, table, text]);
        set.map(drop).map_err(failed(what(table)))
    }

    /// Whether all tables are still there, if their rows are to be kept.
    ///
    /// # Errors
    /// A lasting one, if one is gone.
    pub(super) fn check(self) -> Result<(), SinkError> {
        if self.target.mode == WriteMode::Replace {
            return Ok(());
        }
        for (table, columns) in self.all()? {
            if !columns.columns.is_empty() && !self.is_there(&table)? {
                return Err(remembered::gone(self.target, &table));
            }
        }
        Ok(())
    }

    /// Writes down that the tables of a commit which were to replace others have done so, and drops
    /// those of the run that are not in it any more.
    pub(super) fn replaced(self, parts: &Parts<'_>) -> Result<(), SinkError> {
        for (table, columns) in self.all()? {
            if let Some(old) = replaced_table(&table) {
                if parts.has_child(old) {
                    self.set_columns(old, &columns)?;
                }
                self.forget(&table, &columns)?;
            }
        }
        Ok(())
    }

    /// Drops what a run that was given up has left.
    pub(super) fn drop_left(self) -> Result<(), SinkError> {
        self.drop_if(|table| Ok(replaced_table(table).is_some()))
    }

    /// Drops all tables.
    pub(super) fn drop_all(self) -> Result<(), SinkError> {
        self.drop_if(|_| Ok(true))
    }

    /// Drops what a run has left, and forgets the tables that are gone.
    pub(super) fn reset(self) -> Result<(), SinkError> {
        self.drop_if(|table| Ok(replaced_table(table).is_some() || !self.is_there(table)?))
    }

    fn drop_if(self, is_left: impl Fn(&str) -> Result<bool, SinkError>) -> Result<(), SinkError> {
        for (table, columns) in self.all()? {
            if is_left(&table)? {
                self.forget(&table, &columns)?;
            }
        }
        Ok(())
    }

    /// Drops a table, unless it was not made yet, so that one of this name is someone else's.
    fn forget(self, table: &str, columns: &Schema) -> Result<(), SinkError> {
        let failed = || failed(what(table));
        if !columns.columns.is_empty() {
            objects::drop_table(self.transaction, table).map_err(failed())?;
        }
        let sql = format!("DELETE FROM {STATE} WHERE {OF_TABLE}");
        let Target { job, stream, .. } = self.target;
        let deleted = self.transaction.execute(&sql, params![job, stream, table]);
        deleted.map(drop).map_err(failed())
    }

    fn is_there(self, table: &str) -> Result<bool, SinkError> {
        objects::is_there(self.transaction, table).map_err(failed(what(table)))
    }

    fn insert(self, table: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO {STATE} (\"job\", \"stream\", \"state\", \"owner\", \"beside\", \"columns\") \
             VALUES (?1, ?3, '[]', ?2, 'child', '[]')"
        );
        let Target { job, stream, .. } = self.target;
        self.transaction.execute(&sql, params![job, stream, table]).map(drop)
    }

    fn rows(self) -> Result<Vec<(String, String)>> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT \"stream\", \"state\" FROM {STATE} \
             WHERE \"job\" = ?1 AND \"owner\" = ?2 AND \"beside\" = 'child' ORDER BY \"stream\""
        ))?;
        let Target { job, stream, .. } = self.target;
        let rows =
            statement.query_map(params![job, stream], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }
}

fn what(table: &str) -> String {
    format!("table `{table}` in SQLite")
}

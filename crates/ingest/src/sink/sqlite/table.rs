//! Makes tables, gives them columns and wider columns, and puts one in the place of another.

use rusqlite::Transaction;

use super::{
    error::failed,
    objects,
    types::{converted, declared, definition, kind_of},
};
use crate::{
    schema::{ColumnType, Schema},
    sink::{
        SinkError,
        sql::{
            names::{key_index, list, quoted, wide_table},
            statements::key_list,
        },
    },
};

/// A table that a stream writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    pub(super) name: &'a str,
    /// The columns of its primary key; none if it has none.
    pub(super) primary_key: &'a [String],
}

/// A column that is there, and what becomes of it.
struct Fitted {
    name: String,
    from: ColumnType,
    to: ColumnType,
}

impl Table<'_> {
    /// Makes the table, or changes it so that it holds rows of `schema`; `known` is what was last
    /// written of its columns.
    ///
    /// # Errors
    /// If the table is not as a stream has made it.
    pub(super) fn fit(
        self,
        transaction: &Transaction<'_>,
        known: &Schema,
        schema: &Schema,
    ) -> Result<(), SinkError> {
        let failed = || failed(format!("table `{}` in SQLite", self.name));
        let there = objects::columns(transaction, self.name).map_err(failed())?;
        if there.is_empty() {
            return self.make(transaction, self.name, schema).map_err(failed());
        }
        let fitted = self.fitted(&there, known, schema)?;
        if fitted.iter().any(|column| column.from != column.to) {
            if fitted.len() < there.len() {
                return Err(self.has_others(&there, schema));
            }
            return self.widen(transaction, &fitted, schema).map_err(failed());
        }
        let is_there = |name: &str| there.iter().any(|(own, _)| own == name);
        for column in schema.columns.iter().filter(|column| !is_there(&column.name)) {
            let (table, name) = (quoted(self.name), quoted(&column.name));
            let kind = declared(column.kind);
            let sql = format!("ALTER TABLE {table} ADD COLUMN {name} {kind}");
            transaction.execute_batch(&sql).map_err(failed())?;
        }
        Ok(())
    }

    /// The columns that are there and in `schema`.
    fn fitted(
        self,
        there: &[(String, String)],
        known: &Schema,
        schema: &Schema,
    ) -> Result<Vec<Fitted>, SinkError> {
        let mut fitted = Vec::new();
        for (name, declared) in there {
            let Some(column) = schema.get(name) else { continue };
            let (to, from) = (column.kind, kind_of(name, declared, known));
            let from = from.filter(|from| from.widened(to) == to).ok_or_else(|| {
                SinkError::lasting(format!(
                    "column `{name}` of table `{}` is {declared}, which the stream's {to} is not \
                     written to",
                    self.name
                ))
            })?;
            fitted.push(Fitted { name: name.clone(), from, to });
        }
        Ok(fitted)
    }

    fn has_others(self, there: &[(String, String)], schema: &Schema) -> SinkError {
        let others = there.iter().map(|(name, _)| name.as_str());
        let others: Vec<&str> = others.filter(|name| schema.get(name).is_none()).collect();
        SinkError::lasting(format!(
            "table `{}` must be made anew for a wider column, and has columns that the stream has \
             not written: {}",
            self.name,
            others.join(", ")
        ))
    }

    fn make(
        self,
        transaction: &Transaction<'_>,
        name: &str,
        schema: &Schema,
    ) -> rusqlite::Result<()> {
        let key = (!self.primary_key.is_empty()).then(|| key_list(self.primary_key));
        let rows = if key.is_some() { " WITHOUT ROWID" } else { "" };
        let columns = definition(schema, key.as_deref());
        transaction.execute_batch(&format!("CREATE TABLE {} {columns}{rows}", quoted(name)))
    }

    /// Makes the table anew with wider columns, and converts its rows.
    fn widen(
        self,
        transaction: &Transaction<'_>,
        columns: &[Fitted],
        schema: &Schema,
    ) -> rusqlite::Result<()> {
        let wide = wide_table(self.name);
        self.make(transaction, &wide, schema)?;
        let names = list(columns.iter().map(|column| column.name.as_str()));
        let values = columns.iter().map(|column| converted(&column.name, column.from, column.to));
        let values = values.collect::<Vec<_>>().join(", ");
        let (table, into) = (quoted(self.name), quoted(&wide));
        transaction
            .execute_batch(&format!("INSERT INTO {into} ({names}) SELECT {values} FROM {table}"))?;
        let made = objects::made_on(transaction, self.name, "")?;
        objects::drop_table(transaction, self.name)?;
        objects::rename(transaction, &wide, self.name)?;
        made.iter().try_for_each(|sql| transaction.execute_batch(sql))
    }
}

/// Gives a table a unique index on its key, or takes it away if the key is empty.
///
/// # Errors
/// If rows that are there have the same key.
pub(super) fn set_key(
    transaction: &Transaction<'_>,
    table: &str,
    key: &[String],
) -> Result<(), SinkError> {
    let failed = || failed(format!("the index on the key of table `{table}` in SQLite"));
    let name = key_index(table);
    let there = objects::index(transaction, table, &name).map_err(failed())?;
    let index = quoted(&name);
    let wanted = (!key.is_empty())
        .then(|| format!("CREATE UNIQUE INDEX {index} ON {} ({})", quoted(table), key_list(key)));
    if there == wanted {
        return Ok(());
    }
    if there.is_some() {
        transaction.execute_batch(&format!("DROP INDEX {index}")).map_err(failed())?;
    }
    match wanted {
        Some(sql) => transaction.execute_batch(&sql).map_err(failed()),
        None => Ok(()),
    }
}

/// Puts the table `new` in the place of `table`.
pub(super) fn swap(transaction: &Transaction<'_>, table: &str, new: &str) -> rusqlite::Result<()> {
    let made = objects::made_on(transaction, table, &key_index(table))?;
    objects::drop_table(transaction, table)?;
    objects::rename(transaction, new, table)?;
    for sql in made {
        // Such as one of a column that is gone.
        if let Err(error) = transaction.execute_batch(&sql) {
            tracing::warn!(table, sql, %error, "not made again on the table that was replaced");
        }
    }
    Ok(())
}

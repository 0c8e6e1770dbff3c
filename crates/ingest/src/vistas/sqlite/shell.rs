//! The operations of a Vista, over a table in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use ciborium::Value;
use indexmap::IndexMap;
use rusqlite::{params_from_iter, types::Value as Parameter};
use vantage_core::{Context, Result, error};
use vantage_types::Record;
use vantage_vista::{
    Capability, Condition, FilterOp, Page, Preview, SortDirection, TableShell, Transaction, Vista,
    VistaCapabilities, VistaMetadata, condition_column_error, direct, unknown_relation,
    unsupported,
};

use super::{
    clause::{Clause, Refusal, order},
    readers::Readers,
    value,
};
use crate::{
    schema::ColumnType,
    sink::{
        SinkError,
        sql::names::quoted,
        sqlite::{error::failed, reading},
    },
};

type Rows = Vec<(String, Record<Value>)>;

/// A table, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    id: String,
    columns: Vec<(String, ColumnType)>,
    metadata: VistaMetadata,
    capabilities: VistaCapabilities,
}

impl Table {
    pub(super) fn new(
        name: String,
        id: String,
        columns: Vec<(String, ColumnType)>,
        metadata: VistaMetadata,
    ) -> Self {
        let capabilities = [
            Capability::FilterOps,
            Capability::Order,
            Capability::Search,
            Capability::Traverse,
            Capability::Window,
        ];
        Self { name, id, columns, metadata, capabilities: capabilities.into_iter().collect() }
    }

    fn column(&self, name: &str) -> Option<(&str, ColumnType)> {
        let column = self.columns.iter().find(|(own, _)| own == name);
        column.map(|(name, kind)| (name.as_str(), *kind))
    }
}

/// The rows of a table that conditions and a search leave, in an order.
#[derive(Clone, Debug)]
pub(super) struct SqliteShell {
    readers: Arc<Readers>,
    table: Arc<Table>,
    conditions: Vec<Clause>,
    search: Option<Clause>,
    order: Option<(String, SortDirection)>,
}

impl SqliteShell {
    pub(super) fn new(readers: Arc<Readers>, table: Table) -> Self {
        let table = Arc::new(table);
        Self { readers, table, conditions: Vec::new(), search: None, order: None }
    }

    /// What the conditions and the search leave.
    fn filter(&self) -> Clause {
        self.conditions.iter().chain(&self.search).fold(Clause::default(), Clause::and)
    }

    /// The statement that reads rows, without its end.
    fn select(&self, filter: &Clause) -> String {
        let names = self.table.columns.iter().map(|(name, _)| name.as_str());
        reading::select(&self.table.name, names) + &filter.sql
    }

    fn ordered(&self) -> String {
        let by = self
            .order
            .as_ref()
            .and_then(|(name, direction)| Some((self.table.column(name)?, *direction)));
        order(by, &self.table.id)
    }

    async fn rows(&self, sql: String, values: Vec<Parameter>) -> Result<Rows> {
        let table = Arc::clone(&self.table);
        let read =
            move |connection: &rusqlite::Connection| -> std::result::Result<Rows, SinkError> {
                let mut rows = Rows::new();
                reading::rows(connection, &table.name, &sql, values, |row| {
                    rows.push(value::row(row, &table.id, &table.columns)?);
                    Ok(true)
                })?;
                Ok(rows)
            };
        self.readers.read(read).await.with_context(|| self.unread())
    }

    fn unread(&self) -> vantage_core::VantageError {
        error!("the table could not be read", table = self.table.name)
    }
}

#[async_trait]
impl TableShell for SqliteShell {
    fn metadata(&self) -> &VistaMetadata {
        &self.table.metadata
    }

    fn capabilities(&self) -> &VistaCapabilities {
        &self.table.capabilities
    }

    fn driver_name(&self) -> &'static str {
        "sqlite"
    }

    fn preview(&self) -> Preview {
        Preview::new().with_query(self.select(&self.filter()) + &self.ordered())
    }

    async fn list(&self) -> Result<IndexMap<String, Record<Value>>> {
        let filter = self.filter();
        let sql = self.select(&filter) + &self.ordered();
        Ok(self.rows(sql, filter.values).await?.into_iter().collect())
    }

    async fn get(&self, id: &str) -> Result<Option<Record<Value>>> {
        let Some(column) = self.table.column(&self.table.id) else { return Ok(None) };
        let value = Value::Text(id.to_owned());
        // An id that is none of the column names no row.
        let Ok(is_it) = Clause::comparing(column, FilterOp::Eq, &value) else { return Ok(None) };
        let filter = self.filter().and(&is_it);
        let sql = self.select(&filter) + " LIMIT 1";
        let row = self.rows(sql, filter.values).await?.into_iter().next();
        // A row has one id, however else its value may be written.
        Ok(row.filter(|(own, _)| own == id).map(|(_, row)| row))
    }

    async fn count(&self) -> Result<i64> {
        let Clause { sql, values } = self.filter();
        let sql = format!("SELECT count(*) FROM {}{sql}", quoted(&self.table.name));
        let what = format!("the number of rows of table `{}` in SQLite", self.table.name);
        let count = self.readers.read(move |connection| {
            let statement = connection.prepare_cached(&sql);
            let counted = statement.and_then(|mut statement| {
                statement.query_row(params_from_iter(values), |row| row.get(0))
            });
            counted.map_err(failed(what))
        });
        count.await.with_context(|| self.unread())
    }

    async fn fetch_window(&self, offset: usize, limit: usize) -> Result<Page> {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let mut filter = self.filter();
        let sql = self.select(&filter) + &self.ordered() + " LIMIT ? OFFSET ?";
        filter.values.extend([limit, offset].map(|number| Parameter::Integer(signed(number))));
        Ok(Page::new(self.rows(sql, filter.values).await?))
    }

    fn add_condition(&mut self, condition: &Condition) -> Result<()> {
        let Condition { column: name, op, value, .. } = condition;
        let Some(column) = self.table.column(name) else {
            return Err(condition_column_error(&self.table.metadata, name));
        };
        match Clause::comparing(column, *op, value) {
            Ok(clause) => {
                self.conditions.push(clause);
                Ok(())
            }
            Err(Refusal::Operator) => unsupported(Capability::FilterOps),
            Err(Refusal::Value) => {
                let kind = column.1.to_string();
                Err(error!("the value is none of the column", column = name, wanted = kind)
                    .mark_incorrect_usage())
            }
        }
    }

    fn set_search(&mut self, text: Option<&str>) -> Result<()> {
        self.search = text.map(|text| {
            let names = self.table.metadata.search_columns();
            Clause::searching(&names, text)
        });
        Ok(())
    }

    fn set_order(&mut self, order: Option<(&str, SortDirection)>) -> Result<()> {
        if let Some((name, _)) = order
            && self.table.column(name).is_none()
        {
            return Err(error!("there is no column to order by", column = name));
        }
        self.order = order.map(|(name, direction)| (name.to_owned(), direction));
        Ok(())
    }

    fn get_ref(&self, relation: &str, _: Option<&Record<Value>>) -> Result<Vista> {
        Err(unknown_relation(relation))
    }

    /// Nothing is written, so there is nothing to be undone.
    fn rebind(&self, _: &Transaction) -> Result<Box<dyn TableShell>> {
        Ok(direct(Box::new(self.clone())))
    }
}

//! `CREATE EXTERNAL TABLE … STORED AS API`, and the table function `api`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::DataType,
    catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider, TableProviderFactory},
    common::{ScalarValue, plan_err},
    error::Result,
    logical_expr::{CreateExternalTable, Expr},
};
use vantage_api_ingest::schema::ColumnType;

use crate::{
    catalog::source_of,
    error::SqlError,
    options::{Declared, base_of, description_of},
    pools::Pools,
    table::ApiTableProvider,
};

/// The most tables that the function remembers.
const MOST_KNOWN: usize = 1000;

/// Makes the tables of statements.
#[derive(Debug)]
pub(crate) struct ApiTableFactory {
    pools: Arc<Pools>,
}

/// The tables of the function `api`, by its arguments.
#[derive(Debug)]
pub(crate) struct ApiFunction {
    pools: Arc<Pools>,
    known: Mutex<HashMap<Vec<String>, Arc<ApiTableProvider>>>,
}

impl ApiTableFactory {
    pub(crate) fn new(pools: Arc<Pools>) -> Self {
        Self { pools }
    }
}

#[async_trait]
impl TableProviderFactory for ApiTableFactory {
    async fn create(
        &self,
        _: &dyn Session,
        statement: &CreateExternalTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let name = statement.name.table();
        let [url] = statement.locations.as_slice() else {
            return plan_err!("table `{name}`: an API has one location");
        };
        let fields = statement.schema.fields().iter();
        let columns = fields.map(|field| match kind_of(field.data_type()) {
            Some(kind) => {
                let (name, is_nullable) = (field.name().clone(), field.is_nullable());
                Ok(Declared { name, kind, is_nullable })
            }
            None => plan_err!(
                "table `{name}`: column `{}` of an API cannot be {}",
                field.name(),
                field.data_type()
            ),
        });
        let columns: Vec<_> = columns.collect::<Result<_>>()?;
        let options = statement.options.iter().map(|(key, value)| {
            // DataFusion takes a key without a dot for one of its own formats.
            (key.strip_prefix("format.").unwrap_or(key).to_owned(), value.clone())
        });
        let mut options: Vec<_> = options.collect();
        options.sort();
        Ok(Arc::new(table_of(&self.pools, name, url, options, &columns).await?))
    }
}

impl ApiFunction {
    pub(crate) fn new(pools: Arc<Pools>) -> Self {
        Self { pools, known: Mutex::default() }
    }

    /// Opens the table of these arguments, for the queries that name it.
    ///
    /// # Errors
    /// If they are none, or its columns are not to be found.
    pub(crate) async fn open(&self, arguments: Vec<String>) -> Result<(), SqlError> {
        if self.find(&arguments).is_some() {
            return Ok(());
        }
        let (url, options) = parts_of(&arguments)?;
        let table = Arc::new(table_of(&self.pools, "api", url, options, &[]).await?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(arguments, table);
        Ok(())
    }

    fn find(&self, arguments: &[String]) -> Option<Arc<ApiTableProvider>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(arguments).cloned()
    }
}

impl TableFunctionImpl for ApiFunction {
    fn call_with_args(
        &self,
        arguments: TableFunctionArgs<'_, '_>,
    ) -> Result<Arc<dyn TableProvider>> {
        let texts = arguments.exprs().iter().map(|argument| match argument {
            Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
                Ok(text.clone())
            }
            _ => {
                plan_err!("the arguments of `api` are texts: a URL, and keys and values of options")
            }
        });
        let texts: Vec<String> = texts.collect::<Result<_>>()?;
        parts_of(&texts)?;
        match self.find(&texts) {
            Some(table) => Ok(table),
            None => plan_err!(
                "the columns of `api` are found before a query is planned: run it with ApiSession::sql"
            ),
        }
    }
}

/// Settings by their keys.
type Options = Vec<(String, String)>;

/// A URL, and options.
fn parts_of(arguments: &[String]) -> Result<(&str, Options), SqlError> {
    match arguments {
        [url, options @ ..] if options.len() % 2 == 0 => {
            let pairs = options.chunks_exact(2).filter_map(|pair| match pair {
                [key, value] => Some((key.clone(), value.clone())),
                _ => None,
            });
            Ok((url, pairs.collect()))
        }
        _ => Err(SqlError::table("api", "its arguments are a URL, and keys and values of options")),
    }
}

async fn table_of(
    pools: &Pools,
    name: &str,
    url: &str,
    options: Options,
    columns: &[Declared],
) -> Result<ApiTableProvider, SqlError> {
    let description = description_of(name, url, options.clone(), columns)?;
    let base = base_of(url).unwrap_or_default();
    let of_api = options.into_iter().filter(|(key, _)| key.starts_with("api."));
    let key = format!("{base} {:?}", of_api.collect::<Vec<_>>());
    let pool = pools.get(name, key, &description)?;
    let api = source_of(&description.tables, &pool);
    match description.tables.first() {
        Some(table) => ApiTableProvider::described(table, &api).await,
        None => Err(SqlError::table(name, "it has no description")),
    }
}

fn kind_of(data_type: &DataType) -> Option<ColumnType> {
    Some(match data_type {
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => ColumnType::Int,
        DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        _ => return None,
    })
}

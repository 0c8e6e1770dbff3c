//! Finds the columns of a table that declares none, from its first page.

use serde_json::{Map, Value};
use vantage_api_ingest::{
    description::{ColumnDescription, TableDescription},
    rows::RowBatches,
    schema::ColumnType,
};
use vantage_api_pool::{PoolApi, paging::ReadMode, vantage::PoolTableExt};

use crate::error::SqlError;

/// The table with the columns of the rows on its first page, each with the narrowest type of its
/// values. A field that has no value there is a column of text, which holds whatever is not an object and
/// no list: it comes last, and its type is known once it is declared.
///
/// # Errors
/// If the page cannot be read, or has no rows with fields.
pub(super) async fn columns_of(
    table: &TableDescription,
    api: &PoolApi,
) -> Result<TableDescription, SqlError> {
    let name = table.name.as_str();
    let rows = table.table(api).stream_json().await;
    let rows = rows.map_err(|error| {
        SqlError::table(name, format!("its columns are not declared, and no page tells: {error}"))
    })?;
    let of_page = |source| SqlError::Page { table: name.to_owned(), source };
    // No page is requested behind it.
    let page = rows.mode(ReadMode::Sequential).next_page().await.transpose();
    let rows = page.map_err(of_page)?.unwrap_or_default();
    let rows: Vec<_> = rows.iter().map(|row| row.get()).collect();
    let mut inferred = table.clone();
    if rows.iter().any(|row| has_value(row)) {
        let mut decoder = RowBatches::inferred();
        decoder.decode(&rows).map_err(|what| SqlError::Row {
            table: name.to_owned(),
            page: 1,
            what,
        })?;
        for column in &decoder.schema().columns {
            inferred.columns.insert(column.name.clone(), ColumnDescription::new(column.kind));
        }
    }
    for field in fields_without_value(&rows) {
        let column = inferred.columns.entry(field);
        column.or_insert_with(|| ColumnDescription::new(ColumnType::Text));
    }
    if inferred.columns.is_empty() {
        let what = "its columns are not declared, and its first page has no rows that tell them";
        return Err(SqlError::table(name, what));
    }
    Ok(inferred)
}

/// Whether a row is anything but an object without a value.
fn has_value(row: &str) -> bool {
    let fields = serde_json::from_str::<Map<String, Value>>(row);
    fields.map_or(true, |fields| fields.values().any(|value| !value.is_null()))
}

/// The fields that are null in some row.
fn fields_without_value(rows: &[&str]) -> impl Iterator<Item = String> {
    let rows = rows.iter().filter_map(|row| serde_json::from_str::<Map<String, Value>>(row).ok());
    rows.flatten().filter(|(_, value)| value.is_null()).map(|(field, _)| field)
}

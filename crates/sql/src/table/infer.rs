//! Finds the columns of a table that declares none, from its first page.

use futures::StreamExt;
use vantage_api_ingest::{
    description::{ColumnDescription, TableDescription},
    rows::RowBatches,
};
use vantage_api_pool::{PoolApi, paging::ReadMode, vantage::PoolTableExt};

use crate::error::SqlError;

/// The table with the columns of the rows on its first page, each with the narrowest type of its
/// values.
///
/// # Errors
/// If the page cannot be read, or has no rows.
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
    let page = rows.mode(ReadMode::Sequential).pages().next().await.transpose();
    let Some(page) = page.map_err(of_page)? else {
        let what = "its columns are not declared, and its first page has no rows that tell them";
        return Err(SqlError::table(name, what));
    };
    let number = page.number();
    let rows = page.collect::<Result<Vec<_>, _>>().map_err(of_page)?;
    let mut decoder = RowBatches::inferred();
    decoder.decode(&rows).map_err(|what| SqlError::Row {
        table: name.to_owned(),
        page: number,
        what,
    })?;
    let mut inferred = table.clone();
    for column in &decoder.schema().columns {
        inferred.columns.insert(column.name.clone(), ColumnDescription::new(column.kind));
    }
    Ok(inferred)
}

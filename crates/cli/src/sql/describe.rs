//! Tells which tables there are, and their columns.

use vantage_api_sql::{
    ApiSession,
    datafusion::arrow::datatypes::{DataType, Field},
};

use super::{
    json::is_json,
    run::{Settings, all, unless_stopped},
    table::{Column, Table},
};
use crate::{arguments::Format, failure::Failure, interrupts::Interrupts, output};

/// Asks no API.
const TABLES: &str = "SELECT table_schema AS \"schema\", table_name AS \"table\" FROM \
                      information_schema.tables WHERE table_schema <> 'information_schema' \
                      ORDER BY table_schema, table_name";

/// Prints the tables of all schemas.
pub(crate) async fn tables(session: &ApiSession) -> Result<(), Failure> {
    let (is_expanded, has_timing, max_rows) = (false, false, None);
    let settings = Settings { format: Format::Table, is_expanded, has_timing, max_rows };
    all(session, [TABLES], &settings).await
}

/// Prints the columns of a table, for which a page may be read.
pub(crate) async fn columns(session: &ApiSession, table: &str) -> Result<(), Failure> {
    let mut interrupts = Interrupts::of_keyboard();
    let found = unless_stopped(&mut interrupts, session.context().table_provider(table));
    let table = found.await??;
    let column = |name: &str| Column { name: name.to_owned(), is_number: false };
    let mut columns = Table::new(["column", "type", "null"].map(column).into());
    for field in table.schema().fields() {
        let null = if field.is_nullable() { "" } else { "never" };
        columns.add(&[field.name().clone(), kind(field), null.to_owned()]);
    }
    output::text(columns.finish());
    Ok(())
}

/// The type of a column, as descriptions call it.
fn kind(field: &Field) -> String {
    match field.data_type() {
        DataType::Boolean => "bool".to_owned(),
        DataType::Int64 => "int".to_owned(),
        DataType::Float64 => "float".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Utf8 | DataType::Utf8View if is_json(field) => "json".to_owned(),
        DataType::Utf8 | DataType::Utf8View => "text".to_owned(),
        other => other.to_string(),
    }
}

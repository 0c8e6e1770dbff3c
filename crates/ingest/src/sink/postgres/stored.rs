//! Reads the rows of a table back.

use std::{pin::pin, time::Duration};

use futures::TryStreamExt;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_postgres::{Client, types::ToSql};

use super::{connection::Names, error::failed, objects, types};
use crate::{
    schema::{Column, Schema},
    sink::{
        SinkError,
        sql::names::list,
        stored::{Gathered, TakeRows},
    },
};

/// The columns that a table has now; none if it is not there.
///
/// # Errors
/// That of the database.
pub(super) async fn columns(
    client: &mut Client,
    names: &Names,
    table: &str,
) -> Result<Schema, SinkError> {
    let failed = || failed(format!("table `{table}` in PostgreSQL"));
    let transaction = client.transaction().await.map_err(failed())?;
    let columns = objects::columns(&transaction, &names.of(table)).await.map_err(failed())?;
    let columns = columns.into_iter().filter_map(|(name, sql_type)| {
        let kind = types::kind_of(&sql_type)?;
        Some(Column { name, kind, declared: false })
    });
    Ok(Schema { columns: columns.collect() })
}

/// Hands over the rows of a table with these columns.
///
/// # Errors
/// That of the database; and a passing one if a row has not come for as long as `wait`.
pub(super) async fn read(
    client: &mut Client,
    names: &Names,
    table: &str,
    columns: &Schema,
    wait: Duration,
    take: TakeRows<'_>,
) -> Result<(), SinkError> {
    let failed = || failed(format!("table `{table}` in PostgreSQL"));
    let selected = list(columns.columns.iter().map(|column| column.name.as_str()));
    let of_table = names.of(table);
    let sql = format!("SELECT row_to_json(r)::text FROM (SELECT {selected} FROM {of_table}) r");
    // The server gives up a lock that nobody here waits for any more.
    let limit = format!("SET lock_timeout = {}", wait.as_millis().clamp(1, i32::MAX as u128));
    within(wait, client.batch_execute(&limit)).await?.map_err(failed())?;
    let found = within(wait, client.query_raw(&sql, Vec::<&(dyn ToSql + Sync)>::new())).await?;
    let mut found = pin!(found.map_err(failed())?);
    let mut rows = Gathered::new(take);
    while let Some(row) = within(wait, found.try_next()).await?.map_err(failed())? {
        let text: String = row.try_get(0).map_err(failed())?;
        let row = RawValue::from_string(text);
        let row = row.map_err(|error| SinkError::lasting("a row in PostgreSQL").because(error))?;
        if !rows.add(row) {
            return Ok(());
        }
    }
    rows.end();
    Ok(())
}

/// Waits for the server, but not for long.
async fn within<T>(wait: Duration, answer: impl Future<Output = T>) -> Result<T, SinkError> {
    let late = |_| SinkError::passing(format!("PostgreSQL has not sent a row for {wait:?}"));
    timeout(wait, answer).await.map_err(late)
}

//! Streams that are divided into parts, each of which is committed with a fence.

use sqlx::PgConnection;
use vantage_api_ingest::parts::Part;

use super::PostgresStore;
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    store::{Claimed, runs::RunId},
};

impl PostgresStore {
    /// Puts parts in the place of a stream, and hands them to the dispatcher; nothing, if the stream is
    /// not this process's any more.
    pub(crate) async fn divide(
        &self,
        own: &Claimed,
        stream_run: u64,
        parts: &[Part],
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let divided = sqlx::query(
            "UPDATE _apipool_unit SET is_divided = true, stream_run = $3, owner = NULL, starts = 0
             WHERE id = $1 AND epoch = $2 AND NOT halted AND NOT done",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(stream_run).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        if divided.rows_affected() != 1 {
            return Ok(());
        }
        let units = add_parts(&mut transaction, own, stream_run, parts).await?;
        dispatcher.push(Transaction::Postgres(&mut transaction), &units).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    /// Puts a stream in the place of its parts again, which are not written any more, and hands it to the
    /// dispatcher; nothing, if the part is not this process's any more.
    pub(crate) async fn undivide(
        &self,
        own: &Claimed,
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let stream: Option<i64> = sqlx::query_scalar(
            "UPDATE _apipool_unit s SET is_divided = false, stream_run = NULL, starts = 0
             FROM _apipool_unit p
             WHERE p.id = $1 AND p.epoch = $2 AND s.run = p.run AND s.stream = p.stream
                 AND NOT s.is_part AND s.is_divided AND NOT s.done
             RETURNING s.id",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(stream) = stream else { return Ok(()) };
        sqlx::query("DELETE FROM _apipool_unit WHERE run = $1 AND stream = $2 AND is_part")
            .bind(own.run)
            .bind(&own.stream)
            .execute(&mut *transaction)
            .await?;
        dispatcher.push(Transaction::Postgres(&mut transaction), &[stream]).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    /// The statement with which each commit of a part begins: it keeps where the part goes on, and
    /// changes a row as long as the part is this process's.
    pub(crate) fn fence(own: &Claimed) -> String {
        let Claimed { unit, epoch, .. } = own;
        format!(
            "UPDATE _apipool_unit SET next = $1, done = $2, starts = 0, error = NULL,
                 pages = ($1::jsonb -> 'counts' ->> 'pages')::bigint,
                 rows = ($1::jsonb -> 'counts' ->> 'written')::bigint,
                 owner = CASE WHEN $2 THEN NULL ELSE owner END
             WHERE id = {unit} AND epoch = {epoch} AND NOT done AND NOT failed AND NOT halted"
        )
    }
}

/// Sets all that is open of a run aside: another stream of it has failed.
pub(super) async fn stop_run(transaction: &mut PgConnection, run: RunId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE _apipool_unit SET failed = true, epoch = epoch + 1, owner = NULL,
             error = 'stopped, since another stream has failed'
         WHERE run = $1 AND NOT done AND NOT failed AND NOT is_divided",
    )
    .bind(run)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn add_parts(
    transaction: &mut PgConnection,
    own: &Claimed,
    stream_run: u64,
    parts: &[Part],
) -> Result<Vec<i64>, Error> {
    let keys: Vec<String> = parts.iter().map(|part| part.key().to_owned()).collect();
    let texts = parts.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let units = sqlx::query_scalar(
        "INSERT INTO _apipool_unit (run, stream, is_part, key, part, stream_run)
         SELECT $1, $2, true, p.key, p.part, $3 FROM unnest($4::text[], $5::text[])
             WITH ORDINALITY AS p (key, part, place) ORDER BY p.place
         RETURNING id",
    )
    .bind(own.run)
    .bind(&own.stream)
    .bind(i64::try_from(stream_run).unwrap_or(i64::MAX))
    .bind(keys)
    .bind(texts)
    .fetch_all(&mut *transaction)
    .await?;
    Ok(units)
}

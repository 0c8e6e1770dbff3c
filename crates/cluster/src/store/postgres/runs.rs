//! Runs: how they begin, are held, and go on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::PostgresStore;
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    overview::RunState,
    store::runs::{Beginning, Last, RunId, Runs, beginning, moment},
};

#[async_trait]
impl Runs for PostgresStore {
    async fn begin(
        &self,
        job: &str,
        streams: &[String],
        due: Option<DateTime<Utc>>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<Option<RunId>, Error> {
        let mut transaction = self.pool.begin().await?;
        // Whoever begins a run of the same job waits, and finds this one.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('apipool run ' || $1, 0))")
            .bind(job)
            .execute(&mut *transaction)
            .await?;
        let last = last(&mut transaction, job).await?;
        let run = match beginning(last, due, Utc::now()) {
            Beginning::Not => return Ok(None),
            Beginning::New { due } => add_run(&mut transaction, job, streams, due).await?,
            Beginning::GoesOn { run, due, reads_again } => {
                if reads_again {
                    read_again(&mut transaction, run).await?;
                }
                go_on(&mut transaction, run, streams, due).await?;
                run
            }
        };
        push_all(&mut transaction, run, dispatcher).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(Some(run))
    }

    async fn last_due(&self, job: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let sql = "SELECT extract(epoch FROM max(due))::float8 FROM _apipool_run WHERE job = $1";
        let due: Option<f64> = sqlx::query_scalar(sql).bind(job).fetch_one(&self.pool).await?;
        Ok(due.and_then(|due| moment(micros(due))))
    }

    async fn open_run(&self, job: &str) -> Result<Option<RunId>, Error> {
        let sql = "SELECT id FROM _apipool_run WHERE job = $1 AND state IN ('running', 'paused')";
        Ok(sqlx::query_scalar(sql).bind(job).fetch_optional(&self.pool).await?)
    }

    async fn hold(&self, job: &str, state: RunState) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let run: Option<RunId> = sqlx::query_scalar(
            "UPDATE _apipool_run SET state = $2,
                 ended = CASE WHEN $2 = 'cancelled' THEN now() END
             WHERE job = $1 AND state IN ('running', 'paused') RETURNING id",
        )
        .bind(job)
        .bind(state.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(run) = run else { return Err(Error::NoRun(job.to_owned())) };
        // Who had a unit has it no more, even if the run goes on before that is noticed.
        sqlx::query(
            "UPDATE _apipool_unit SET halted = true, epoch = epoch + 1, owner = NULL
             WHERE run = $1 AND NOT done",
        )
        .bind(run)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn resume(&self, job: &str, dispatcher: &dyn Dispatcher) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let run: Option<RunId> = sqlx::query_scalar(
            "UPDATE _apipool_run SET state = 'running' WHERE job = $1 AND state = 'paused'
             RETURNING id",
        )
        .bind(job)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(run) = run else { return Err(Error::NoRun(job.to_owned())) };
        sqlx::query("UPDATE _apipool_unit SET halted = false WHERE run = $1")
            .bind(run)
            .execute(&mut *transaction)
            .await?;
        push_all(&mut transaction, run, dispatcher).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    async fn cap(&self, job: &str, most: Option<i32>) -> Result<(), Error> {
        let sql = match most {
            Some(_) => {
                "INSERT INTO _apipool_cap (job, most)
                 SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM _apipool_run WHERE job = $1)
                 ON CONFLICT (job) DO UPDATE SET most = excluded.most"
            }
            None => "DELETE FROM _apipool_cap WHERE job = $1 AND $2::integer IS NULL",
        };
        let capped = sqlx::query(sql).bind(job).bind(most).execute(&self.pool).await?;
        match most.is_some() && capped.rows_affected() == 0 {
            true => Err(Error::NoJob(job.to_owned())),
            false => Ok(()),
        }
    }

    async fn state_of(&self, run: RunId) -> Result<Option<RunState>, Error> {
        let sql = "SELECT state FROM _apipool_run WHERE id = $1";
        let state: Option<String> =
            sqlx::query_scalar(sql).bind(run).fetch_optional(&self.pool).await?;
        Ok(state.as_deref().map(RunState::of))
    }

    async fn end_runs(&self) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_run r SET ended = now(), state = CASE WHEN EXISTS (
                     SELECT 1 FROM _apipool_unit u WHERE u.run = r.id AND u.failed)
                 THEN 'failed' ELSE 'complete' END
             WHERE r.state = 'running' AND NOT EXISTS (SELECT 1 FROM _apipool_unit u
                 WHERE u.run = r.id AND NOT u.is_part AND NOT u.done AND NOT u.failed)",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// The last run of a job.
async fn last(transaction: &mut PgConnection, job: &str) -> Result<Option<Last>, Error> {
    let last = sqlx::query(
        "SELECT id, state, extract(epoch FROM due)::float8 FROM _apipool_run
         WHERE job = $1 ORDER BY id DESC LIMIT 1",
    );
    let Some(row) = last.bind(job).fetch_optional(transaction).await? else { return Ok(None) };
    let (run, state) = (row.try_get(0)?, RunState::of(row.try_get(1)?));
    Ok(Some(Last { run, state, due: micros(row.try_get(2)?) }))
}

/// The microseconds of a time in seconds.
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// Adds a run with a unit for each stream.
async fn add_run(
    transaction: &mut PgConnection,
    job: &str,
    streams: &[String],
    due: i64,
) -> Result<RunId, Error> {
    let run: RunId = sqlx::query_scalar(
        "INSERT INTO _apipool_run (job, due) VALUES ($1, to_timestamp($2)) RETURNING id",
    )
    .bind(job)
    .bind(due as f64 / 1e6)
    .fetch_one(&mut *transaction)
    .await?;
    add_streams(transaction, run, streams).await?;
    Ok(run)
}

async fn add_streams(
    transaction: &mut PgConnection,
    run: RunId,
    streams: &[String],
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO _apipool_unit (run, stream) SELECT $1, unnest($2::text[])
         ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(streams)
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

/// Lets the streams of a run that are done be read again, as in a run of their own.
async fn read_again(transaction: &mut PgConnection, run: RunId) -> Result<(), Error> {
    for sql in [
        "DELETE FROM _apipool_unit p USING _apipool_unit s
         WHERE p.run = $1 AND p.is_part AND s.run = $1 AND s.stream = p.stream AND NOT s.is_part
             AND s.done",
        "UPDATE _apipool_unit SET done = false, is_divided = false, stream_run = NULL, pages = 0,
             rows = 0, remarks = '{}'
         WHERE run = $1 AND NOT is_part AND done",
    ] {
        sqlx::query(sql).bind(run).execute(&mut *transaction).await?;
    }
    Ok(())
}

/// Forgets the streams of a run that the job does not have any more, but for those whose parts have
/// written something: what is left of them would be read twice if the job had them again.
async fn leave_out(
    transaction: &mut PgConnection,
    run: RunId,
    streams: &[String],
) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM _apipool_unit u WHERE u.run = $1 AND u.stream <> ALL($2)
             AND NOT EXISTS (SELECT 1 FROM _apipool_unit s JOIN _apipool_unit p
                 ON p.run = s.run AND p.stream = s.stream AND p.is_part
                 WHERE s.run = $1 AND s.stream = u.stream AND NOT s.is_part AND NOT s.done
                     AND p.next IS NOT NULL)",
    )
    .bind(run)
    .bind(streams)
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

/// Lets a run go on that was held or has failed: what is done stays done. A stream that has failed
/// although all of its parts are done begins anew.
async fn go_on(
    transaction: &mut PgConnection,
    run: RunId,
    streams: &[String],
    due: i64,
) -> Result<(), Error> {
    leave_out(transaction, run, streams).await?;
    for sql in [
        "DELETE FROM _apipool_unit p USING _apipool_unit s
         WHERE p.run = $1 AND p.is_part AND s.run = $1 AND s.stream = p.stream AND NOT s.is_part
             AND s.failed AND NOT EXISTS (SELECT 1 FROM _apipool_unit o WHERE o.run = $1
                 AND o.stream = s.stream AND o.is_part AND NOT o.done)",
        "UPDATE _apipool_unit s SET is_divided = false WHERE run = $1 AND NOT is_part AND failed
             AND NOT EXISTS (SELECT 1 FROM _apipool_unit o WHERE o.run = $1
                 AND o.stream = s.stream AND o.is_part)",
        // What has failed is run once more, even if its run has ended.
        "UPDATE _apipool_unit SET halted = false, failed = false, starts = 0, error = NULL,
             not_before = now(), stream_run = CASE WHEN failed AND NOT is_part AND NOT is_divided
                 THEN NULL ELSE stream_run END
         WHERE run = $1 AND NOT done",
    ] {
        sqlx::query(sql).bind(run).execute(&mut *transaction).await?;
    }
    sqlx::query(
        "UPDATE _apipool_run SET state = 'running', ended = NULL, due = to_timestamp($2)
         WHERE id = $1",
    )
    .bind(run)
    .bind(due as f64 / 1e6)
    .execute(&mut *transaction)
    .await?;
    add_streams(transaction, run, streams).await
}

/// Hands what there is to do in a run to the dispatcher.
async fn push_all(
    transaction: &mut PgConnection,
    run: RunId,
    dispatcher: &dyn Dispatcher,
) -> Result<(), Error> {
    let units: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM _apipool_unit WHERE run = $1 AND NOT done AND NOT failed AND NOT is_divided
         ORDER BY id",
    )
    .bind(run)
    .fetch_all(&mut *transaction)
    .await?;
    dispatcher.push(Transaction::Postgres(transaction), &units).await
}

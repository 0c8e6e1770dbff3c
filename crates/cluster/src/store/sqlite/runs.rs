//! Runs: how they begin, are held, and go on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, list, now};
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    overview::RunState,
    store::runs::{Beginning, Last, RunId, Runs, beginning, moment},
};

/// The runs under way whose streams have all ended.
macro_rules! ended {
    () => {
        "SELECT r.id FROM _apipool_run r WHERE r.state = 'running' AND NOT EXISTS (
             SELECT 1 FROM _apipool_unit u WHERE u.run = r.id AND NOT u.done AND NOT u.failed)"
    };
}

const END: &str = concat!(
    "UPDATE _apipool_run SET ended = ?1, state = CASE WHEN EXISTS (
             SELECT 1 FROM _apipool_unit u WHERE u.run = _apipool_run.id AND u.failed)
         THEN 'failed' ELSE 'complete' END
     WHERE id IN (",
    ended!(),
    ")"
);

#[async_trait]
impl Runs for SqliteStore {
    async fn begin(
        &self,
        job: &str,
        streams: &[String],
        due: Option<DateTime<Utc>>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<Option<RunId>, Error> {
        // Whoever begins a run waits for others, and finds theirs.
        let mut transaction = self.begin().await?;
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
        let sql = "SELECT max(due) FROM _apipool_run WHERE job = ?1";
        let due: Option<i64> = sqlx::query_scalar(sql).bind(job).fetch_one(&self.quick).await?;
        Ok(due.and_then(moment))
    }

    async fn open_run(&self, job: &str) -> Result<Option<RunId>, Error> {
        let sql = "SELECT id FROM _apipool_run WHERE job = ?1 AND state IN ('running', 'paused')";
        Ok(sqlx::query_scalar(sql).bind(job).fetch_optional(&self.quick).await?)
    }

    async fn hold(&self, job: &str, state: RunState) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let run: Option<RunId> = sqlx::query_scalar(
            "UPDATE _apipool_run SET state = ?2, ended = CASE WHEN ?2 = 'cancelled' THEN ?3 END
             WHERE job = ?1 AND state IN ('running', 'paused') RETURNING id",
        )
        .bind(job)
        .bind(state.as_str())
        .bind(now())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(run) = run else { return Err(Error::NoRun(job.to_owned())) };
        // Who had a unit has it no more, even if the run goes on before that is noticed.
        sqlx::query(
            "UPDATE _apipool_unit SET halted = 1, epoch = epoch + 1, owner = NULL
             WHERE run = ?1 AND NOT done",
        )
        .bind(run)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn resume(&self, job: &str, dispatcher: &dyn Dispatcher) -> Result<(), Error> {
        let mut transaction = self.begin().await?;
        let run: Option<RunId> = sqlx::query_scalar(
            "UPDATE _apipool_run SET state = 'running' WHERE job = ?1 AND state = 'paused'
             RETURNING id",
        )
        .bind(job)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(run) = run else { return Err(Error::NoRun(job.to_owned())) };
        sqlx::query("UPDATE _apipool_unit SET halted = 0 WHERE run = ?1")
            .bind(run)
            .execute(&mut *transaction)
            .await?;
        push_all(&mut transaction, run, dispatcher).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    async fn cap(&self, job: &str, most: Option<i32>) -> Result<(), Error> {
        let Some(most) = most else {
            let sql = "DELETE FROM _apipool_cap WHERE job = ?1";
            sqlx::query(sql).bind(job).execute(&self.writer).await?;
            return Ok(());
        };
        let sql = "INSERT INTO _apipool_cap (job, most)
                   SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM _apipool_run WHERE job = ?1)
                   ON CONFLICT (job) DO UPDATE SET most = excluded.most";
        let capped = sqlx::query(sql).bind(job).bind(most).execute(&self.writer).await?;
        match capped.rows_affected() {
            0 => Err(Error::NoJob(job.to_owned())),
            _ => Ok(()),
        }
    }

    async fn state_of(&self, run: RunId) -> Result<Option<RunState>, Error> {
        let sql = "SELECT state FROM _apipool_run WHERE id = ?1";
        let state: Option<String> =
            sqlx::query_scalar(sql).bind(run).fetch_optional(&self.quick).await?;
        Ok(state.as_deref().map(RunState::of))
    }

    async fn end_runs(&self) -> Result<(), Error> {
        // To look keeps nobody from writing.
        if sqlx::query(ended!()).fetch_all(&self.quick).await?.is_empty() {
            return Ok(());
        }
        sqlx::query(END).bind(now()).execute(&self.writer).await?;
        Ok(())
    }
}

/// The last run of a job.
async fn last(transaction: &mut SqliteConnection, job: &str) -> Result<Option<Last>, Error> {
    let last = sqlx::query(
        "SELECT id, state, due FROM _apipool_run WHERE job = ?1 ORDER BY id DESC LIMIT 1",
    );
    let Some(row) = last.bind(job).fetch_optional(transaction).await? else { return Ok(None) };
    let state: String = row.try_get(1)?;
    Ok(Some(Last { run: row.try_get(0)?, state: RunState::of(&state), due: row.try_get(2)? }))
}

/// Adds a run with a unit for each stream.
async fn add_run(
    transaction: &mut SqliteConnection,
    job: &str,
    streams: &[String],
    due: i64,
) -> Result<RunId, Error> {
    let run = sqlx::query("INSERT INTO _apipool_run (job, due, begun) VALUES (?1, ?2, ?3)")
        .bind(job)
        .bind(due)
        .bind(now())
        .execute(&mut *transaction)
        .await?
        .last_insert_rowid();
    add_streams(transaction, run, streams).await?;
    Ok(run)
}

async fn add_streams(
    transaction: &mut SqliteConnection,
    run: RunId,
    streams: &[String],
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO _apipool_unit (run, stream, not_before)
         SELECT ?1, value, ?3 FROM json_each(?2) WHERE true ORDER BY key
         ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(list(streams)?)
    .bind(now())
    .execute(transaction)
    .await?;
    Ok(())
}

/// Lets the streams of a run that are done be read again, as in a run of their own.
async fn read_again(transaction: &mut SqliteConnection, run: RunId) -> Result<(), Error> {
    sqlx::query(
        "UPDATE _apipool_unit SET done = 0, stream_run = NULL, pages = 0, rows = 0, remarks = '[]'
         WHERE run = ?1 AND done",
    )
    .bind(run)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Lets a run go on that was held or has failed: what is done stays done, what has failed is run once
/// more, and what the job does not have any more is forgotten.
async fn go_on(
    transaction: &mut SqliteConnection,
    run: RunId,
    streams: &[String],
    due: i64,
) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM _apipool_unit
         WHERE run = ?1 AND stream NOT IN (SELECT value FROM json_each(?2))",
    )
    .bind(run)
    .bind(list(streams)?)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "UPDATE _apipool_unit SET halted = 0, failed = 0, starts = 0, error = NULL, not_before = ?2,
             stream_run = CASE WHEN failed THEN NULL ELSE stream_run END
         WHERE run = ?1 AND NOT done",
    )
    .bind(run)
    .bind(now())
    .execute(&mut *transaction)
    .await?;
    sqlx::query("UPDATE _apipool_run SET state = 'running', ended = NULL, due = ?2 WHERE id = ?1")
        .bind(run)
        .bind(due)
        .execute(&mut *transaction)
        .await?;
    add_streams(transaction, run, streams).await
}

/// Hands what there is to do in a run to the dispatcher.
async fn push_all(
    transaction: &mut SqliteConnection,
    run: RunId,
    dispatcher: &dyn Dispatcher,
) -> Result<(), Error> {
    let units: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM _apipool_unit WHERE run = ?1 AND NOT done AND NOT failed ORDER BY id",
    )
    .bind(run)
    .fetch_all(&mut *transaction)
    .await?;
    dispatcher.push(Transaction::Sqlite(transaction), &units).await
}

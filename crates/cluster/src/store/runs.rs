//! Runs: how they begin, are held, and go on.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::Store;
use crate::{Error, dispatch::Dispatcher, overview::RunState};

/// The number of a run.
pub(crate) type RunId = i64;

impl Store {
    /// Begins a run of a job that has these streams, and returns its number; or goes on with the last
    /// one, if that was paused, cancelled or has failed. `None` if a run is under way. One that begins
    /// since it is due by the job's schedule, at `due`, does not begin either if there was one that was
    /// due then or later, or if the last one is paused; and reads the streams again that are done, if the
    /// last one has failed.
    pub(crate) async fn begin(
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
        let last = sqlx::query(
            "SELECT id, state, extract(epoch FROM due)::float8 FROM _apipool_run
             WHERE job = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(job)
        .fetch_optional(&mut *transaction)
        .await?;
        let is_scheduled = due.is_some();
        let mut due = due.unwrap_or_else(Utc::now).timestamp_micros() as f64 / 1e6;
        let run = match last {
            Some(row) => {
                let (id, state): (RunId, RunState) =
                    (row.try_get(0)?, RunState::of(row.try_get(1)?));
                let last: f64 = row.try_get(2)?;
                let waits = is_scheduled && (state == RunState::Paused || last >= due);
                if state == RunState::Running || waits {
                    return Ok(None);
                }
                // The clock of another machine may be ahead.
                due = due.max(last + 1e-6);
                match state {
                    RunState::Complete => add_run(&mut transaction, job, streams, due).await?,
                    _ => {
                        if is_scheduled && state == RunState::Failed {
                            read_again(&mut transaction, id).await?;
                        }
                        go_on(&mut transaction, id, streams, due).await?;
                        id
                    }
                }
            }
            None => add_run(&mut transaction, job, streams, due).await?,
        };
        push_all(&mut transaction, run, dispatcher).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(Some(run))
    }

    /// When the last run of a job was due.
    pub(crate) async fn last_due(&self, job: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let sql = "SELECT extract(epoch FROM max(due))::float8 FROM _apipool_run WHERE job = $1";
        let due: Option<f64> = sqlx::query_scalar(sql).bind(job).fetch_one(&self.pool).await?;
        Ok(due.and_then(|due| DateTime::from_timestamp_micros((due * 1e6).round() as i64)))
    }

    /// The run of a job that is under way or paused.
    pub(crate) async fn open_run(&self, job: &str) -> Result<Option<RunId>, Error> {
        let sql = "SELECT id FROM _apipool_run WHERE job = $1 AND state IN ('running', 'paused')";
        Ok(sqlx::query_scalar(sql).bind(job).fetch_optional(&self.pool).await?)
    }

    /// Holds the run of a job: nobody has any of its units any more.
    ///
    /// # Errors
    /// [`Error::NoRun`], if none is under way.
    pub(crate) async fn hold(&self, job: &str, state: RunState) -> Result<(), Error> {
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

    /// Lets the run of a job go on that was paused.
    ///
    /// # Errors
    /// [`Error::NoRun`], if none is paused.
    pub(crate) async fn resume(&self, job: &str, dispatcher: &dyn Dispatcher) -> Result<(), Error> {
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

    /// Lets no more than so many units of a job be worked on at a time, or any number.
    ///
    /// # Errors
    /// [`Error::NoJob`], if it was never run.
    pub(crate) async fn cap(&self, job: &str, most: Option<i32>) -> Result<(), Error> {
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

    /// How a run stands.
    pub(crate) async fn state_of(&self, run: RunId) -> Result<Option<RunState>, Error> {
        let sql = "SELECT state FROM _apipool_run WHERE id = $1";
        let state: Option<String> =
            sqlx::query_scalar(sql).bind(run).fetch_optional(&self.pool).await?;
        Ok(state.as_deref().map(RunState::of))
    }
}

/// Adds a run with a unit for each stream.
async fn add_run(
    transaction: &mut PgConnection,
    job: &str,
    streams: &[String],
    due: f64,
) -> Result<RunId, Error> {
    let run: RunId = sqlx::query_scalar(
        "INSERT INTO _apipool_run (job, due) VALUES ($1, to_timestamp($2)) RETURNING id",
    )
    .bind(job)
    .bind(due)
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
    due: f64,
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
    .bind(due)
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
    dispatcher.push(transaction, &units).await
}

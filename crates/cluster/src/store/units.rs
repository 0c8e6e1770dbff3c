//! Units: who has which, and what becomes of them.

use sqlx::{PgConnection, Row, postgres::PgRow};
use std::time::Duration;
use vantage_api_ingest::parts::Part;

use super::{RunId, Store, seconds};
use crate::{Error, dispatch::Dispatcher};

/// Takes a unit of a job that has no cap; or, if `$4`, of one whose cap leaves room for it.
const CLAIM: &str = "UPDATE _apipool_unit u SET epoch = epoch + 1, starts = starts + 1, owner = $2,
         since = now()
     FROM _apipool_run r
     WHERE u.id = $1 AND r.id = u.run AND r.job = ANY($3) AND r.state = 'running' AND NOT u.done
         AND NOT u.failed AND NOT u.halted AND NOT u.is_divided AND u.not_before <= now()
         AND (u.owner IS NULL OR u.owner = $2 OR NOT _apipool_is_alive(u.owner))
         AND NOT EXISTS (SELECT 1 FROM _apipool_cap c WHERE c.job = r.job
             AND (NOT $4 OR c.most <= _apipool_in_work(r.job)))
     RETURNING u.id, u.run, r.job, u.stream, u.epoch, u.starts, u.part, u.stream_run, u.next,
         u.error";

/// A unit that this process has, as long as the epoch in the table is this one.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) unit: i64,
    pub(crate) run: RunId,
    pub(crate) job: String,
    pub(crate) stream: String,
    pub(crate) epoch: i64,
    /// How often it was started without getting further, this time included.
    pub(crate) starts: i32,
    /// That of the last time, if it was to be tried again.
    pub(crate) error: Option<String>,
    /// Whether its end makes room for another unit of its job.
    pub(crate) is_capped: bool,
    pub(crate) work: Work,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A stream, whole or to be divided; whole, if it was begun so, in this run of it.
    Stream { stream_run: Option<u64> },
    /// A part of one, in this run of the stream, from where it was left.
    /// What part it is is read by whoever runs it: another version may have written it.
    Part { stream_run: u64, part: String, next: Option<String> },
}

impl Store {
    /// Takes a unit of one of these jobs, if there is something to do, nobody has it who may be alive, and
    /// not as many units of its job are worked on as may be.
    pub(crate) async fn claim(
        &self,
        unit: i64,
        me: &str,
        jobs: &[String],
    ) -> Result<Option<Claimed>, Error> {
        let claim =
            |is_capped: bool| sqlx::query(CLAIM).bind(unit).bind(me).bind(jobs).bind(is_capped);
        if let Some(row) = claim(false).fetch_optional(&self.pool).await? {
            return claimed(&row, false).map(Some);
        }
        let mut transaction = self.pool.begin().await?;
        // Whoever claims another unit of a job that has a cap waits, and then counts this one.
        let capped = sqlx::query(
            "SELECT c.job FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
                 JOIN _apipool_cap c ON c.job = r.job
             WHERE u.id = $1 FOR UPDATE OF c",
        );
        if capped.bind(unit).fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(None);
        }
        let row = claim(true).fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        row.map(|row| claimed(&row, true)).transpose()
    }

    /// Whether a unit is still this process's.
    pub(crate) async fn holds(&self, own: &Claimed) -> Result<bool, Error> {
        Ok(!self.lost(&[(own.unit, own.epoch)]).await?.contains(&own.unit))
    }

    /// Those of these units, with their epochs, that are not this process's any more.
    pub(crate) async fn lost(&self, own: &[(i64, i64)]) -> Result<Vec<i64>, Error> {
        let (units, epochs): (Vec<i64>, Vec<i64>) = own.iter().copied().unzip();
        let sql = "SELECT o.id FROM unnest($1::bigint[], $2::bigint[]) AS o (id, epoch)
                   WHERE NOT EXISTS (SELECT 1 FROM _apipool_unit u
                       WHERE u.id = o.id AND u.epoch = o.epoch AND NOT u.halted)";
        Ok(sqlx::query_scalar(sql).bind(units).bind(epochs).fetch_all(&self.pool).await?)
    }

    /// Gives a unit back, to be taken by anyone after a while, at once if there is none.
    pub(crate) async fn release(
        &self,
        own: &Claimed,
        wait: Duration,
        error: Option<&str>,
        dispatcher: &dyn Dispatcher,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let released: Option<bool> = sqlx::query_scalar(
            "UPDATE _apipool_unit SET owner = NULL, error = $4,
                 not_before = now() + make_interval(secs => $3)
             WHERE id = $1 AND epoch = $2 AND NOT done AND NOT failed RETURNING halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(seconds(wait))
        .bind(error)
        .fetch_optional(&mut *transaction)
        .await?;
        if released == Some(false) && wait.is_zero() {
            dispatcher.push(&mut transaction, &[own.unit]).await?;
        }
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
    }

    /// Gives units back whose work has ended without a word, since its task was dropped.
    pub(crate) async fn drop_all(&self, own: &[(i64, i64)]) -> Result<(), Error> {
        let (units, epochs): (Vec<i64>, Vec<i64>) = own.iter().copied().unzip();
        sqlx::query(
            "UPDATE _apipool_unit u SET owner = NULL
             FROM unnest($1::bigint[], $2::bigint[]) AS o (id, epoch)
             WHERE u.id = o.id AND u.epoch = o.epoch",
        )
        .bind(units)
        .bind(epochs)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The time by the clock of the database, in seconds since 1970.
    pub(crate) async fn time(&self) -> Result<f64, Error> {
        let sql = "SELECT extract(epoch FROM now())::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    /// Gives units back that this process has and knows nothing of, since the answer to a claim was lost:
    /// all but those in `begun`, which was looked up after this [time](Self::time). What was claimed
    /// later may have begun later, and is left alone.
    pub(crate) async fn disown(&self, me: &str, begun: &[i64], time: f64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET owner = NULL
             WHERE owner = $1 AND NOT done AND NOT failed AND id <> ALL($2)
                 AND since < to_timestamp($3)",
        )
        .bind(me)
        .bind(begun)
        .bind(time)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Sets a unit aside with its error; and with it, if it `stops` the others, what is open of its run.
    pub(crate) async fn fail(&self, own: &Claimed, error: &str, stops: bool) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let failed = sqlx::query(
            "UPDATE _apipool_unit SET failed = true, error = $3, owner = NULL
             WHERE id = $1 AND epoch = $2 AND NOT done",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(error)
        .execute(&mut *transaction)
        .await?;
        if stops && failed.rows_affected() == 1 {
            stop_run(&mut transaction, own.run).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Ends a unit that is done. A part has been done by its last commit; what is known of it is kept.
    pub(crate) async fn finish(
        &self,
        own: &Claimed,
        (pages, rows): (u64, u64),
        remarks: &[String],
    ) -> Result<(), Error> {
        let is_part = matches!(own.work, Work::Part { .. });
        sqlx::query(
            "UPDATE _apipool_unit SET done = true, owner = NULL, error = NULL, remarks = $3,
                 pages = CASE WHEN $6 THEN pages ELSE $4 END,
                 rows = CASE WHEN $6 THEN rows ELSE $5 END
             WHERE id = $1 AND epoch = $2",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(remarks)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .bind(is_part)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps in which run a stream is run whole, before it is: one whose end was not heard of is not run
    /// again. `false` if the stream is not this process's any more.
    pub(crate) async fn run_whole(&self, own: &Claimed, stream_run: u64) -> Result<bool, Error> {
        let kept = sqlx::query(
            "UPDATE _apipool_unit SET stream_run = $3
             WHERE id = $1 AND epoch = $2 AND NOT done AND NOT failed AND NOT halted",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(stream_run).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Keeps how far a stream has come that is run whole: it has got further.
    pub(crate) async fn tell(&self, own: &Claimed, pages: u64, rows: u64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE _apipool_unit SET pages = $3, rows = $4, starts = 0
             WHERE id = $1 AND epoch = $2 AND (pages < $3 OR rows < $4)",
        )
        .bind(own.unit)
        .bind(own.epoch)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

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
        dispatcher.push(&mut transaction, &units).await?;
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
        dispatcher.push(&mut transaction, &[stream]).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(())
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

fn claimed(row: &PgRow, is_capped: bool) -> Result<Claimed, Error> {
    let part: Option<String> = row.try_get("part")?;
    let stream_run = row.try_get::<Option<i64>, _>("stream_run")?.map(i64::unsigned_abs);
    let work = match part {
        None => Work::Stream { stream_run },
        Some(part) => Work::Part {
            stream_run: stream_run.unwrap_or_default(),
            part,
            next: row.try_get("next")?,
        },
    };
    Ok(Claimed {
        unit: row.try_get("id")?,
        run: row.try_get("run")?,
        job: row.try_get("job")?,
        stream: row.try_get("stream")?,
        epoch: row.try_get("epoch")?,
        starts: row.try_get("starts")?,
        error: row.try_get("error")?,
        is_capped,
        work,
    })
}

impl Claimed {
    /// The statement with which each commit of a part begins: it keeps where the part goes on, and
    /// changes a row as long as the part is this process's.
    pub(crate) fn fence(&self) -> String {
        let Self { unit, epoch, .. } = self;
        format!(
            "UPDATE _apipool_unit SET next = $1, done = $2, starts = 0, error = NULL,
                 pages = ($1::jsonb -> 'counts' ->> 'pages')::bigint,
                 rows = ($1::jsonb -> 'counts' ->> 'written')::bigint,
                 owner = CASE WHEN $2 THEN NULL ELSE owner END
             WHERE id = {unit} AND epoch = {epoch} AND NOT done AND NOT failed AND NOT halted"
        )
    }
}

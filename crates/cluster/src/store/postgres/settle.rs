//! The ends of streams whose parts have all ended.

use sqlx::{Row, postgres::PgRow};

use super::{PostgresStore, parts::stop_run};
use crate::{Error, store::runs::RunId};

/// A stream in parts, all of which are done or have failed.
#[derive(Debug)]
pub(crate) struct Divided {
    pub(crate) unit: i64,
    pub(crate) run: RunId,
    pub(crate) job: String,
    pub(crate) stream: String,
    pub(crate) stream_run: u64,
    pub(crate) parts: i64,
    pub(crate) failed: i64,
    /// The error of one part that has failed, and its name.
    pub(crate) error: Option<String>,
}

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum StreamEnd {
    Done { pages: u64, rows: u64, remarks: Vec<String> },
    Failed(String),
}

impl PostgresStore {
    /// The streams in parts that have come to their end, of runs that are under way.
    pub(crate) async fn divided(&self) -> Result<Vec<Divided>, Error> {
        let rows = sqlx::query(
            "SELECT s.id, s.run, r.job, s.stream, s.stream_run, count(p.id) AS parts,
                 count(p.id) FILTER (WHERE p.failed) AS failed,
                 min(p.key || ': ' || p.error) FILTER (WHERE p.failed) AS error
             FROM _apipool_unit s JOIN _apipool_run r ON r.id = s.run
                 JOIN _apipool_unit p ON p.run = s.run AND p.stream = s.stream AND p.is_part
             WHERE r.state = 'running' AND s.is_divided AND NOT s.done AND NOT s.failed
             GROUP BY s.id, r.job, s.stream, s.stream_run
             HAVING bool_and(p.done OR p.failed)",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(divided).collect()
    }

    /// What the parts of a stream have kept, and their remarks.
    pub(crate) async fn kept(&self, of: &Divided) -> Result<(Vec<String>, Vec<String>), Error> {
        let rows = sqlx::query(
            "SELECT p.next, p.remarks FROM _apipool_unit p JOIN _apipool_unit s
                 ON s.run = p.run AND s.stream = p.stream
             WHERE s.id = $1 AND p.is_part AND p.done ORDER BY p.id",
        )
        .bind(of.unit)
        .fetch_all(&self.pool)
        .await?;
        let (mut kept, mut all) = (Vec::new(), Vec::new());
        for row in &rows {
            kept.extend(row.try_get::<Option<String>, _>("next")?);
            let remarks: Vec<String> = row.try_get("remarks")?;
            all.extend(remarks);
        }
        all.sort_unstable();
        all.dedup();
        Ok((kept, all))
    }

    /// Ends a stream that was in parts; and if it has failed and that `stops` the others, what is open of
    /// its run.
    pub(crate) async fn end_stream(
        &self,
        of: &Divided,
        end: &StreamEnd,
        stops: bool,
    ) -> Result<(), Error> {
        let (is_done, pages, rows, remarks, error) = match end {
            StreamEnd::Done { pages, rows, remarks } => (true, *pages, *rows, &remarks[..], None),
            StreamEnd::Failed(error) => (false, 0, 0, &[][..], Some(error)),
        };
        let mut transaction = self.pool.begin().await?;
        let ended = sqlx::query(
            "UPDATE _apipool_unit SET done = $2, failed = NOT $2, error = $3, remarks = $4,
                 pages = $5, rows = $6
             WHERE id = $1 AND NOT done",
        )
        .bind(of.unit)
        .bind(is_done)
        .bind(error)
        .bind(remarks)
        .bind(i64::try_from(pages).unwrap_or(i64::MAX))
        .bind(i64::try_from(rows).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        if stops && !is_done && ended.rows_affected() == 1 {
            stop_run(&mut transaction, of.run).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn divided(row: &PgRow) -> Result<Divided, Error> {
    Ok(Divided {
        unit: row.try_get("id")?,
        run: row.try_get("run")?,
        job: row.try_get("job")?,
        stream: row.try_get("stream")?,
        stream_run: row.try_get::<i64, _>("stream_run")?.unsigned_abs(),
        parts: row.try_get("parts")?,
        failed: row.try_get("failed")?,
        error: row.try_get("error")?,
    })
}

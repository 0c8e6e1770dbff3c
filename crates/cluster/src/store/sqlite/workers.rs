//! Workers, and what is handed out again.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::{SqliteStore, alive, in_work, list, micros, now};
use crate::{
    Error,
    dispatch::{Dispatcher, Transaction},
    store::{Workers, workers::KEPT},
};

/// The units of these jobs that nobody has who may be alive, each with its job.
const OPEN: &str = concat!(
    "SELECT u.id, r.job FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
     WHERE r.state = 'running' AND r.job IN (SELECT value FROM json_each(?2))
         AND NOT u.done AND NOT u.failed AND NOT u.halted AND u.not_before <= ?1
         AND (u.owner IS NULL OR u.owner NOT IN ",
    alive!(),
    ") ORDER BY u.id"
);

/// How many more units of each job that has a cap may be worked on.
const ROOM: &str = concat!("SELECT c.job, c.most - ", in_work!(), " AS room FROM _apipool_cap c");

#[async_trait]
impl Workers for SqliteStore {
    async fn beat(&self, me: &str, silence: Duration, slots: usize) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO _apipool_worker (id, begun, seen, silence, slots)
             VALUES (?1, ?2, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
        )
        .bind(me)
        .bind(now())
        .bind(micros(silence))
        .bind(i32::try_from(slots).unwrap_or(i32::MAX))
        .execute(&self.quick)
        .await?;
        Ok(())
    }

    async fn leave(&self, me: &str) -> Result<(), Error> {
        let sql = "DELETE FROM _apipool_worker WHERE id = ?1";
        sqlx::query(sql).bind(me).execute(&self.quick).await?;
        Ok(())
    }

    async fn reconcile(
        &self,
        jobs: &[String],
        dispatcher: &dyn Dispatcher,
    ) -> Result<usize, Error> {
        // To look keeps nobody from writing.
        if open(&mut *self.quick.acquire().await?, jobs).await?.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        let open = open(&mut transaction, jobs).await?;
        let known = dispatcher.known(Transaction::Sqlite(&mut transaction)).await?;
        let lost: Vec<i64> = open.into_iter().filter(|unit| !known.contains(unit)).collect();
        if lost.is_empty() {
            return Ok(0);
        }
        dispatcher.push(Transaction::Sqlite(&mut transaction), &lost).await?;
        transaction.commit().await?;
        dispatcher.committed();
        Ok(lost.len())
    }

    async fn forget(&self) -> Result<(), Error> {
        let (now, kept) = (now(), micros(KEPT));
        sqlx::query(
            "DELETE FROM _apipool_worker WHERE seen < ?1 - max(?2, 2 * silence)
                 AND NOT EXISTS (SELECT 1 FROM _apipool_unit u WHERE u.owner = _apipool_worker.id)",
        )
        .bind(now)
        .bind(kept)
        .execute(&self.quick)
        .await?;
        sqlx::query(
            "DELETE FROM _apipool_run WHERE state = 'complete' AND ended < ?1 - ?2
                 AND id < (SELECT max(o.id) FROM _apipool_run o WHERE o.job = _apipool_run.job)",
        )
        .bind(now)
        .bind(kept)
        .execute(&self.quick)
        .await?;
        Ok(())
    }
}

/// What is to be done of these jobs and nobody does, as far as caps leave room.
async fn open(connection: &mut SqliteConnection, jobs: &[String]) -> Result<Vec<i64>, Error> {
    let now = now();
    let mut rooms = HashMap::new();
    for row in sqlx::query(ROOM).bind(now).fetch_all(&mut *connection).await? {
        rooms.insert(row.try_get::<String, _>("job")?, row.try_get::<i64, _>("room")?);
    }
    let rows = sqlx::query(OPEN).bind(now).bind(list(jobs)?).fetch_all(connection).await?;
    let mut open = Vec::new();
    for row in rows {
        let job: String = row.try_get("job")?;
        let room = rooms.get_mut(&job);
        let has_room = room.as_deref().is_none_or(|room| *room > 0);
        if has_room {
            open.push(row.try_get("id")?);
        }
        if let Some(room) = room {
            *room -= 1;
        }
    }
    Ok(open)
}

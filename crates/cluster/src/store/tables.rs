//! The tables, and how they are made.

use super::Store;
use crate::Error;

/// The number of the lock under which tables are made: to make one that is there is an error if two do
/// it at a time.
const LOCK: i64 = 0x0061_7069_706f_6f6d;

const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS _apipool_run (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job text NOT NULL,
        due timestamptz NOT NULL,
        begun timestamptz NOT NULL DEFAULT now(),
        ended timestamptz,
        state text NOT NULL DEFAULT 'running'
            CHECK (state IN ('running', 'paused', 'cancelled', 'complete', 'failed')),
        UNIQUE (job, due))",
    // A job has one run at a time.
    "CREATE UNIQUE INDEX IF NOT EXISTS _apipool_run_open ON _apipool_run (job)
        WHERE state IN ('running', 'paused')",
    "CREATE TABLE IF NOT EXISTS _apipool_unit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run bigint NOT NULL REFERENCES _apipool_run ON DELETE CASCADE,
        stream text NOT NULL,
        is_part boolean NOT NULL DEFAULT false,
        key text NOT NULL DEFAULT '',
        part text,
        stream_run bigint,
        is_divided boolean NOT NULL DEFAULT false,
        epoch bigint NOT NULL DEFAULT 0,
        starts integer NOT NULL DEFAULT 0,
        owner text,
        since timestamptz,
        not_before timestamptz NOT NULL DEFAULT now(),
        next text,
        pages bigint NOT NULL DEFAULT 0,
        rows bigint NOT NULL DEFAULT 0,
        done boolean NOT NULL DEFAULT false,
        failed boolean NOT NULL DEFAULT false,
        halted boolean NOT NULL DEFAULT false,
        error text,
        remarks text[] NOT NULL DEFAULT '{}',
        UNIQUE (run, stream, is_part, key))",
    "CREATE INDEX IF NOT EXISTS _apipool_unit_open ON _apipool_unit (run)
        WHERE NOT done AND NOT failed",
    "CREATE TABLE IF NOT EXISTS _apipool_worker (
        id text PRIMARY KEY,
        begun timestamptz NOT NULL DEFAULT now(),
        seen timestamptz NOT NULL DEFAULT now(),
        silence double precision NOT NULL,
        slots integer NOT NULL)",
    // Whether a worker may still be alive.
    "CREATE OR REPLACE FUNCTION _apipool_is_alive(worker text) RETURNS boolean
        LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT 1 FROM _apipool_worker w WHERE w.id = worker
            AND w.seen > now() - make_interval(secs => w.silence)) $$",
];

impl Store {
    pub(super) async fn make_tables(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await?;
        let there: Option<String> =
            sqlx::query_scalar("SELECT to_regprocedure('_apipool_is_alive(text)')::text")
                .fetch_one(&mut *transaction)
                .await?;
        // To make them takes rights, even if they are there.
        if there.is_none() {
            for table in TABLES {
                sqlx::query(table).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

//! The tables, and how they are made.

use super::Store;
use crate::Error;

/// The number of the lock under which tables are made: to make one that is there is an error if two do
/// it at a time.
const LOCK: i64 = 0x0061_7069_706f_6f6d;

const TABLES: [&str; 9] = [
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
    // `most` is the configured limit, `granted` the moment up to which permits are granted, `peak` the
    // rate at which the API last refused.
    "CREATE TABLE IF NOT EXISTS _apipool_budget (
        key text PRIMARY KEY,
        most double precision,
        granted timestamptz NOT NULL DEFAULT now(),
        peak double precision,
        cut timestamptz,
        told double precision,
        told_until timestamptz,
        measured double precision,
        counted integer NOT NULL DEFAULT 0,
        counted_since timestamptz NOT NULL DEFAULT now())",
    // The lowest of the limit, of what headers tell, and of a cubic curve: seven tenths of the rate at
    // the last refusal, back there after a while, and then beyond it.
    "CREATE OR REPLACE FUNCTION _apipool_rate(b _apipool_budget) RETURNS double precision
        LANGUAGE sql VOLATILE AS $$
        SELECT least(b.most, CASE WHEN b.told_until > clock_timestamp() THEN b.told END,
            CASE WHEN b.peak IS NOT NULL THEN greatest(0.5, b.peak + 0.4 * power(least(1e3,
                extract(epoch FROM clock_timestamp() - b.cut)::double precision)
                - cbrt(b.peak * 0.3 / 0.4), 3)) END) $$",
    // A tenth of a second's worth of permits, from the moment on up to which others have theirs.
    "CREATE OR REPLACE FUNCTION _apipool_grant(of text, OUT permits integer,
            OUT each double precision, OUT wait double precision)
        LANGUAGE plpgsql AS $$
        DECLARE b _apipool_budget; rate double precision; start timestamptz; at timestamptz;
        BEGIN
            SELECT * INTO b FROM _apipool_budget WHERE key = of FOR UPDATE;
            rate := _apipool_rate(b);
            IF rate IS NULL THEN RETURN; END IF;
            at := clock_timestamp();
            permits := greatest(1, least(1000, ceil(rate / 10)));
            each := 1 / rate;
            start := greatest(b.granted, at);
            wait := extract(epoch FROM start - at);
            UPDATE _apipool_budget SET granted = start + make_interval(secs => permits / rate),
                measured = CASE WHEN at - b.counted_since > interval '1 second'
                    THEN (b.counted + permits)
                        / extract(epoch FROM at - b.counted_since)::double precision
                    ELSE b.measured END,
                counted = CASE WHEN at - b.counted_since > interval '1 second' THEN 0
                    ELSE b.counted + permits END,
                counted_since = CASE WHEN at - b.counted_since > interval '1 second' THEN at
                    ELSE b.counted_since END
            WHERE key = of;
        END $$",
];

impl Store {
    pub(super) async fn make_tables(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await?;
        let there: Option<String> =
            sqlx::query_scalar("SELECT to_regprocedure('_apipool_grant(text)')::text")
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

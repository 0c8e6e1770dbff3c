//! The tables, and how they are made.

use super::{PostgresStore, look::has_tables};
use crate::Error;

/// The number of the lock under which tables are made: to make one that is there is an error if two do
/// it at a time.
const LOCK: i64 = 0x0061_7069_706f_6f6d;

const TABLES: [&str; 13] = [
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
    // At most so many units of a job are worked on at a time.
    "CREATE TABLE IF NOT EXISTS _apipool_cap (
        job text PRIMARY KEY,
        most integer NOT NULL CHECK (most > 0))",
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
    // How many units of a job are with workers that may be alive.
    "CREATE OR REPLACE FUNCTION _apipool_in_work(of text) RETURNS bigint LANGUAGE sql STABLE AS $$
        SELECT count(*) FROM _apipool_unit u JOIN _apipool_run r ON r.id = u.run
        WHERE r.job = of AND NOT u.done AND NOT u.failed AND u.owner IS NOT NULL
            AND _apipool_is_alive(u.owner) $$",
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
    // The lowest of the limit, of what headers tell, and of a curve: from 0.85 of the rate at the last
    // refusal it is back there after some three seconds, grows in a straight line for four, and bends up
    // then. So a limit that lies where the last one was costs one request in some hundreds.
    "CREATE OR REPLACE FUNCTION _apipool_rate(b _apipool_budget) RETURNS double precision
        LANGUAGE sql VOLATILE AS $$
        SELECT least(b.most, CASE WHEN b.told_until > clock_timestamp() THEN b.told END,
            (SELECT greatest(0.5, b.peak + CASE WHEN past <= 0 THEN bend * power(past, 3)
                    ELSE least(bend * power(past, 3), 0.015 * b.peak * past)
                        + 0.4 * power(greatest(past - 4, 0), 3) END)
                FROM (SELECT bend, least(1e3,
                        extract(epoch FROM clock_timestamp() - b.cut)::double precision)
                        - cbrt(b.peak * 0.15 / bend) AS past
                    FROM (SELECT least(0.4, 0.004 * b.peak) AS bend) AS c) AS d
                WHERE b.peak IS NOT NULL)) $$",
    // What all processes have sent that was not refused, per second. Nothing is known of it after a
    // while in which nothing was sent.
    "CREATE OR REPLACE FUNCTION _apipool_count(of text, accepted integer)
        RETURNS _apipool_budget LANGUAGE plpgsql AS $$
        DECLARE b _apipool_budget; elapsed double precision;
        BEGIN
            -- What a crash of the database would lose of it is found out again.
            PERFORM set_config('synchronous_commit', 'off', true);
            SELECT * INTO b FROM _apipool_budget WHERE key = of FOR UPDATE;
            elapsed := extract(epoch FROM clock_timestamp() - b.counted_since);
            b.counted := b.counted + accepted;
            IF elapsed > 1 THEN
                b.measured := CASE WHEN elapsed < 5 THEN b.counted / elapsed END;
                b.counted := CASE WHEN elapsed < 5 THEN 0 ELSE accepted END;
                b.counted_since := clock_timestamp();
            END IF;
            UPDATE _apipool_budget SET measured = b.measured, counted = b.counted,
                counted_since = b.counted_since WHERE key = of;
            RETURN b;
        END $$",
    // Cuts the rate, unless the request that was refused, so long ago, was sent before the last cut or
    // shortly after it. The limit is at most a tenth above what is not refused. As long as that is not
    // measured, what was sent by now is all that is known, and the curve begins where it bends up.
    "CREATE OR REPLACE FUNCTION _apipool_cut(of text, accepted integer, age double precision)
        RETURNS void LANGUAGE plpgsql AS $$
        DECLARE b _apipool_budget; elapsed double precision;
        BEGIN
            b := _apipool_count(of, accepted);
            IF b.cut > clock_timestamp() - make_interval(secs => greatest(age, 0.5)) THEN
                RETURN;
            END IF;
            elapsed := extract(epoch FROM clock_timestamp() - b.counted_since);
            b.peak := greatest(1, least(_apipool_rate(b),
                1.1 * greatest(b.measured, b.counted / greatest(1, elapsed))));
            b.cut := clock_timestamp() - make_interval(secs => CASE WHEN b.measured IS NULL
                THEN 4 + cbrt(b.peak * 0.15 / least(0.4, 0.004 * b.peak)) ELSE 0 END);
            UPDATE _apipool_budget SET peak = b.peak, cut = b.cut WHERE key = of;
        END $$",
    // Some hundredths of a second's worth of permits, from the moment on up to which others have theirs.
    "CREATE OR REPLACE FUNCTION _apipool_grant(of text, accepted integer, OUT permits integer,
            OUT each double precision, OUT wait double precision)
        LANGUAGE plpgsql AS $$
        DECLARE b _apipool_budget; rate double precision; start timestamptz; at timestamptz;
        BEGIN
            b := _apipool_count(of, accepted);
            rate := _apipool_rate(b);
            IF rate IS NULL THEN RETURN; END IF;
            at := clock_timestamp();
            permits := greatest(1, least(1000, ceil(rate * 0.08)));
            each := 1 / rate;
            start := greatest(b.granted, at);
            wait := extract(epoch FROM start - at);
            UPDATE _apipool_budget SET granted = start + make_interval(secs => permits / rate)
                WHERE key = of;
        END $$",
];

impl PostgresStore {
    pub(super) async fn make_tables(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await?;
        // To make them takes rights, even if they are there.
        if !has_tables(&mut transaction).await? {
            for table in TABLES {
                sqlx::query(table).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

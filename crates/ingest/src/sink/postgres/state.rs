//! What is remembered of a stream, in a row beside its rows; and who may write it.

use tokio_postgres::{
    Client, Error, Row, Transaction,
    types::{ToSql, Type},
};

use super::{connection::Names, error::failed, objects};
use crate::{
    description::WriteMode,
    schema::Schema,
    sink::{
        Reject, SinkError, Target,
        sql::{
            names::{REJECTS, STATE, new_table, seen_table},
            remembered,
            steps::{Before, Beside},
        },
    },
    state::StreamState,
};

/// The number of the lock under which the tables are made: to make one that is there is an error if
/// two do it at a time.
const LOCK: i64 = 0x0061_7069_706f_6f6c;

/// Becomes the one who writes the stream: returns the name by which that is known, and the state.
///
/// A commit that is under way elsewhere is waited for, such as one of a connection that was lost.
pub(super) async fn take(
    client: &mut Client,
    names: &Names,
    target: &Target,
) -> Result<(String, StreamState), SinkError> {
    let failed = || failed(what(target));
    let transaction = client.transaction().await.map_err(failed())?;
    let rows = Rows { transaction: &transaction, names, target };
    rows.make_tables().await.map_err(failed())?;
    let is_new = rows.insert().await.map_err(failed())?;
    // After that, since it waits for whoever has another row of the same name under way.
    rows.check_writers(&target.stream).await?;
    let found = rows.read(" FOR UPDATE").await?;
    let before = found.map(|(before, _)| before).unwrap_or_default();
    match is_new {
        true => rows.check_free().await?,
        false => {
            rows.check_table(&before).await?;
            rows.check_children().await?;
        }
    }
    let owner = rows.set_owner().await.map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok((owner, before.state))
}

/// The state, without becoming its owner.
pub(super) async fn look(
    client: &mut Client,
    names: &Names,
    target: &Target,
) -> Result<StreamState, SinkError> {
    let failed = || failed(what(target));
    let transaction = client.transaction().await.map_err(failed())?;
    if !objects::is_there(&transaction, &names.of(STATE)).await.map_err(failed())? {
        return Ok(StreamState::default());
    }
    let found = Rows { transaction: &transaction, names, target }.read("").await?;
    Ok(found.map(|(before, _)| before.state).unwrap_or_default())
}

/// Forgets where the stream stands, and its rows as well if told so.
pub(super) async fn reset(
    client: &mut Client,
    names: &Names,
    target: &Target,
    drop_rows: bool,
) -> Result<(), SinkError> {
    let failed = || failed(format!("reset of stream `{}` in PostgreSQL", target.stream));
    let transaction = client.transaction().await.map_err(failed())?;
    if !objects::is_there(&transaction, &names.of(STATE)).await.map_err(failed())? {
        return Ok(());
    }
    let rows = Rows { transaction: &transaction, names, target };
    let Some((before, _)) = rows.read(" FOR UPDATE").await? else { return Ok(()) };
    if let Some(beside) = before.beside {
        let table = names.of(&beside.table(&target.stream));
        objects::drop_table(&transaction, &table).await.map_err(failed())?;
    }
    let table = names.of(&target.stream);
    if drop_rows {
        rows.drop_all_children().await?;
        objects::drop_table(&transaction, &table).await.map_err(failed())?;
        rows.delete().await.map_err(failed())?;
    } else {
        rows.reset_children().await?;
        let is_there = objects::is_there(&transaction, &table).await.map_err(failed())?;
        let schema = if is_there { before.state.schema.clone() } else { Schema::default() };
        let state = remembered::forgotten(before.state, schema);
        rows.set(&state, None).await?;
        rows.set_owner().await.map_err(failed())?;
    }
    transaction.commit().await.map_err(failed())
}

fn what(target: &Target) -> String {
    format!("the state of stream `{}` in PostgreSQL", target.stream)
}

/// The rows of a stream in the sinks' own tables.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) names: &'a Names,
    pub(super) target: &'a Target,
}

impl Rows<'_> {
    /// What there is before a commit of `owner`; nobody else changes it until the transaction ends.
    ///
    /// # Errors
    /// A lasting one, if someone else has opened the stream since.
    pub(super) async fn owned(self, owner: &str) -> Result<Before, SinkError> {
        match self.read(" FOR UPDATE").await? {
            Some((before, of)) if of == owner => Ok(before),
            _ => Err(remembered::not_owned(self.target)),
        }
    }

    /// What there is, whoever writes the stream; nobody changes it until the transaction ends.
    ///
    /// # Errors
    /// If a table of the stream is gone.
    pub(super) async fn there(self) -> Result<Before, SinkError> {
        if !self.is_there(STATE).await? {
            return Ok(Before::default());
        }
        let Some((before, _)) = self.read(" FOR UPDATE").await? else {
            return Ok(Before::default());
        };
        self.check_table(&before).await?;
        self.check_children().await?;
        Ok(before)
    }

    /// Sets what there is after a commit.
    pub(super) async fn set(
        self,
        state: &StreamState,
        beside: Option<Beside>,
    ) -> Result<(), SinkError> {
        let text = remembered::to_text(state)?;
        let beside = beside.map(Beside::as_str);
        let sql = format!(
            "UPDATE {} SET \"state\" = $3, \"beside\" = $4 WHERE \"job\" = $1 AND \"stream\" = $2",
            self.names.of(STATE)
        );
        let set = self.execute(&sql, &[(&text, Type::TEXT), (&beside, Type::TEXT)]).await;
        set.map(drop).map_err(failed(what(self.target)))
    }

    /// Adds rows that were set aside.
    pub(super) async fn add_rejects(self, run: u64, rejects: &[Reject]) -> Result<(), Error> {
        if rejects.is_empty() {
            return Ok(());
        }
        let run = i64::try_from(run).unwrap_or(i64::MAX);
        let reasons: Vec<String> = rejects.iter().map(|reject| held(&reject.reason)).collect();
        let rows: Vec<String> = rejects.iter().map(|reject| held(&reject.row)).collect();
        let sql = format!(
            "INSERT INTO {} (\"job\", \"stream\", \"run\", \"reason\", \"row\") \
             SELECT $1, $2, $3, reason, whole FROM unnest($4, $5) AS reject(reason, whole)",
            self.names.of(REJECTS)
        );
        let more: [Parameter<'_>; 3] =
            [(&run, Type::INT8), (&reasons, Type::TEXT_ARRAY), (&rows, Type::TEXT_ARRAY)];
        self.execute(&sql, &more).await.map(drop)
    }

    /// `owner` is whoever opened the stream last, `beside` the table that its run has beside its own.
    /// A table below that of a stream has a row as well, with `child` in `beside`, the stream in
    /// `owner` and its columns in `state`.
    async fn make_tables(self) -> Result<(), Error> {
        let (state, rejects) = (self.names.of(STATE), self.names.of(REJECTS));
        // To make them takes rights, even if they are there.
        if objects::is_there(self.transaction, &state).await?
            && objects::is_there(self.transaction, &rejects).await?
        {
            return Ok(());
        }
        let sql = format!(
            "SELECT pg_advisory_xact_lock({LOCK});
             CREATE TABLE IF NOT EXISTS {state} (
                 \"job\" text NOT NULL, \"stream\" text NOT NULL, \"state\" text NOT NULL,
                 \"owner\" text NOT NULL, \"beside\" text, PRIMARY KEY (\"job\", \"stream\"));
             CREATE TABLE IF NOT EXISTS {rejects} (
                 \"job\" text NOT NULL, \"stream\" text NOT NULL, \"run\" bigint NOT NULL,
                 \"at\" timestamptz NOT NULL DEFAULT now(), \"reason\" text NOT NULL,
                 \"row\" text NOT NULL)"
        );
        self.transaction.batch_execute(&sql).await
    }

    /// Whether there was no row, and one was added.
    async fn insert(self) -> Result<bool, Error> {
        let sql = format!(
            "INSERT INTO {} (\"job\", \"stream\", \"state\", \"owner\") VALUES ($1, $2, '{{}}', '') \
             ON CONFLICT DO NOTHING",
            self.names.of(STATE)
        );
        Ok(self.execute(&sql, &[]).await? > 0)
    }

    /// What there is, and its owner.
    pub(super) async fn read(self, end: &str) -> Result<Option<(Before, String)>, SinkError> {
        let what = || what(self.target);
        let sql = format!(
            "SELECT \"state\", \"beside\", \"owner\" FROM {} \
             WHERE \"job\" = $1 AND \"stream\" = $2 AND \"beside\" IS DISTINCT FROM 'child'{end}",
            self.names.of(STATE)
        );
        let rows = self.query(&sql, &[]).await.map_err(failed(what()))?;
        let Some(row) = rows.first() else { return Ok(None) };
        let values = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (state, beside, owner): (String, Option<String>, String) =
            values().map_err(failed(what()))?;
        let before = Before {
            state: remembered::from_text(&state, &what())?,
            beside: Beside::parse(beside.as_deref())?,
        };
        Ok(Some((before, owner)))
    }

    async fn set_owner(self) -> Result<String, Error> {
        let sql = format!(
            "UPDATE {} SET \"owner\" = gen_random_uuid()::text \
             WHERE \"job\" = $1 AND \"stream\" = $2 RETURNING \"owner\"",
            self.names.of(STATE)
        );
        let rows = self.query(&sql, &[]).await?;
        rows.first().map_or_else(|| Ok(String::new()), |row| row.try_get(0))
    }

    async fn delete(self) -> Result<(), Error> {
        for table in [STATE, REJECTS] {
            let table = self.names.of(table);
            let sql = format!("DELETE FROM {table} WHERE \"job\" = $1 AND \"stream\" = $2");
            self.execute(&sql, &[]).await?;
        }
        Ok(())
    }

    /// Whether no other stream writes a table.
    pub(super) async fn check_writers(self, table: &str) -> Result<(), SinkError> {
        let failed = || failed("the streams in PostgreSQL");
        let sql = format!(
            "SELECT \"job\", \"writer\" FROM (SELECT \"job\", \
             CASE \"beside\" WHEN 'child' THEN \"owner\" ELSE \"stream\" END AS \"writer\" \
             FROM {} WHERE \"stream\" = $3) AS \"writers\" \
             WHERE NOT (\"job\" = $1 AND \"writer\" = $2)",
            self.names.of(STATE)
        );
        let rows = self.query(&sql, &[(&table, Type::TEXT)]).await.map_err(failed())?;
        let Some(row) = rows.first() else { return Ok(()) };
        let values = || Ok((row.try_get(0)?, row.try_get(1)?));
        let (job, stream): (String, String) = values().map_err(failed())?;
        Err(remembered::taken(table, &job, &stream))
    }

    /// Whether the tables of a stream that was never written are free.
    async fn check_free(self) -> Result<(), SinkError> {
        let stream = &self.target.stream;
        for table in [stream.clone(), new_table(stream), seen_table(stream)] {
            if self.is_there(&table).await? {
                return Err(remembered::not_free(self.target, &table));
            }
        }
        Ok(())
    }

    /// Whether the table of a stream is still there, if its rows are to be kept.
    async fn check_table(self, before: &Before) -> Result<(), SinkError> {
        let is_new = before.state.schema.columns.is_empty()
            || before.beside == Some(Beside::New)
            || self.target.mode == WriteMode::Replace;
        if is_new || self.is_there(&self.target.stream).await? {
            return Ok(());
        }
        Err(remembered::gone(self.target, &self.target.stream))
    }

    pub(super) async fn is_there(self, table: &str) -> Result<bool, SinkError> {
        let there = objects::is_there(self.transaction, &self.names.of(table)).await;
        there.map_err(failed(format!("table `{table}` in PostgreSQL")))
    }

    pub(super) async fn query(self, sql: &str, more: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        self.transaction.query_typed(sql, &self.parameters(more)).await
    }

    pub(super) async fn execute(self, sql: &str, more: &[Parameter<'_>]) -> Result<u64, Error> {
        self.transaction.execute_typed(sql, &self.parameters(more)).await
    }

    /// The job and the stream, and what is after them.
    fn parameters<'p>(&'p self, more: &[Parameter<'p>]) -> Vec<Parameter<'p>> {
        let own: [Parameter<'p>; 2] =
            [(&self.target.job, Type::TEXT), (&self.target.stream, Type::TEXT)];
        own.into_iter().chain(more.iter().cloned()).collect()
    }
}

pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// A text without U+0000, which in JSON is written as an escape.
fn held(text: &str) -> String {
    text.replace('\0', "\\u0000")
}

//! A part of a stream, whose parts several processes write at a time.

use std::fmt;

use indexmap::IndexMap;
use secrecy::SecretString;
use tokio_postgres::{Client, types::Type};

use super::{
    NAMING,
    commit::Writing,
    connection::{Connection, Limits, Names},
    error::failed,
    shared::{of_run, unite},
    state::Rows,
};
use crate::{
    parts::{Claim, PartState},
    sink::{
        Commit, Sink, SinkError, Target,
        sql::{parts::Parts, remembered, steps::Steps},
    },
    state::StreamState,
};

/// The sink of one part. The state that it opens with is that of the part, and what it commits of it
/// goes where its claim keeps it; columns are those that all parts have.
pub(crate) struct PostgresPart {
    url: SecretString,
    target: Target,
    run: u64,
    is_range: bool,
    claim: Claim,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    /// What all parts know, as of the last commit.
    known: Option<StreamState>,
}

impl PostgresPart {
    /// A part of run `run`.
    pub(crate) fn new(
        url: SecretString,
        target: Target,
        run: u64,
        is_range: bool,
        claim: Claim,
    ) -> Self {
        Self { url, target, run, is_range, claim, open: None }
    }

    fn read(&self, connection: &mut Connection) -> Result<StreamState, SinkError> {
        let (target, run) = (&self.target, self.run);
        connection.run(async |client, names| {
            let failed =
                || failed(format!("the state of stream `{}` in PostgreSQL", target.stream));
            let transaction = client.transaction().await.map_err(failed())?;
            let found = Rows { transaction: &transaction, names, target }.read("").await?;
            of_run(found.map(|(before, _)| before.state), run, target)
        })
    }
}

impl Sink for PostgresPart {
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.open = None;
        NAMING.check_target(&self.target)?;
        let mut connection = Connection::open(&self.url, Limits::shared())?;
        let shared = self.read(&mut connection)?;
        let own: PartState = match &self.claim.next {
            Some(text) => remembered::from_text(text, "the state of a part")?,
            None => PartState::default(),
        };
        self.open = Some(Open { connection, known: None });
        Ok(StreamState {
            is_in_parts: false,
            mark: None,
            partitions: IndexMap::new(),
            last: own.counts,
            is_finished: own.is_done,
            units: own.units,
            ..shared
        })
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        let mut connection = Connection::open(&self.url, Limits::shared())?;
        self.read(&mut connection)
    }

    fn reset(&mut self, _: bool) -> Result<(), SinkError> {
        Err(SinkError::lasting("a part of a stream is not reset by itself"))
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        // Taken, so that after an error the connection is closed, and what was begun is undone.
        let Some(Open { mut connection, mut known }) = self.open.take() else {
            return Err(SinkError::passing("no connection to PostgreSQL is open"));
        };
        let next = remembered::to_text(&PartState::of(commit.state, self.is_range))?;
        let (target, run) = (&self.target, self.run);
        let writing = PartCommit { target, run, fence: &self.claim.fence, next: &next, commit };
        connection.run(async |client, names| {
            // What another part has learned meanwhile is known after the first time.
            if !writing.write(client, names, &mut known).await? {
                writing.write(client, names, &mut known).await?;
            }
            Ok(())
        })?;
        self.open = Some(Open { connection, known });
        Ok(())
    }
}

impl fmt::Debug for PostgresPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPart").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A commit of a part.
struct PartCommit<'a> {
    target: &'a Target,
    run: u64,
    fence: &'a str,
    /// What the claim keeps.
    next: &'a str,
    commit: &'a Commit<'a>,
}

impl PartCommit<'_> {
    /// Writes it in one transaction. `false` if nothing was written, since what was `known` has changed;
    /// then the row of the stream is to be taken alone. A transaction never takes it first with others
    /// and then alone: two of those would wait for each other.
    async fn write(
        &self,
        client: &mut Client,
        names: &Names,
        known: &mut Option<StreamState>,
    ) -> Result<bool, SinkError> {
        let Self { target, commit, .. } = self;
        let failed =
            || failed(format!("a commit of stream `{}` to PostgreSQL", self.target.stream));
        let transaction = client.transaction().await.map_err(failed())?;
        let is_done = commit.state.is_finished;
        let fence = [
            (&self.next as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
            (&is_done, Type::BOOL),
        ];
        if transaction.execute_typed(self.fence, &fence).await.map_err(failed())? != 1 {
            return Err(SinkError::lasting(format!(
                "a part of stream `{}` was taken over, cancelled or done by another process",
                target.stream
            )));
        }
        let rows = Rows { transaction: &transaction, names, target };
        let before = known.take();
        let is_fitted =
            before.as_ref().is_some_and(|known| !unite(&mut known.clone(), commit.state));
        let lock = if is_fitted { " FOR SHARE" } else { " FOR UPDATE" };
        let found = rows.read(lock).await?.map(|(before, _)| before.state);
        let mut state = of_run(found, self.run, target)?;
        if is_fitted && before.is_some_and(|before| before != state) {
            return Ok(false);
        }
        if unite(&mut state, commit.state) {
            rows.set(&state, None).await?;
        }
        let whole = Commit::new(&state.schema, commit.batches, commit.rejects, commit.state, false);
        let parts = Parts::of(&NAMING, target, &whole)?;
        let steps = Steps::PLAIN;
        let transaction_of = &transaction;
        let writing =
            Writing { transaction: transaction_of, names, target, parts, rows, steps, is_fitted };
        writing.write().await?;
        drop(writing);
        rows.add_rejects(self.run, commit.rejects).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        *known = Some(state);
        Ok(true)
    }
}

/// Ends a run, all of whose parts are done, and returns its state. One that has ended stays as it is.
///
/// # Errors
/// If the database cannot be reached; a lasting one, if the stream was reset meanwhile.
pub(crate) fn end_parts(
    url: &SecretString,
    target: &Target,
    run: u64,
    states: &[PartState],
    error: Option<String>,
) -> Result<StreamState, SinkError> {
    let mut connection = Connection::open(url, Limits::shared())?;
    connection.run(async |client, names| {
        let failed = || failed(format!("the end of stream `{}` in PostgreSQL", target.stream));
        let transaction = client.transaction().await.map_err(failed())?;
        let rows = Rows { transaction: &transaction, names, target };
        let found = rows.read(" FOR UPDATE").await?.map(|(before, _)| before.state);
        if let Some(ended) = found.as_ref().filter(|state| state.run == run && state.is_finished) {
            return Ok(ended.clone());
        }
        let mut state = of_run(found, run, target)?;
        state.end_parts(states, error);
        rows.set(&state, None).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(state)
    })
}

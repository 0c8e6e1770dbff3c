//! Rows into PostgreSQL.

mod binary;
mod children;
mod commit;
mod connection;
mod copy;
mod error;
mod objects;
mod part;
mod refuses;
mod shared;
mod state;
mod stored;
mod table;
mod tls;
mod types;

use std::{fmt, time::Duration};

use arrow_array::RecordBatch;
use secrecy::SecretString;

use self::connection::{Connection, Limits};
pub(crate) use self::part::{PostgresPart, end_parts};
use super::{
    Child, Commit, Sink, SinkError, TakeRows, Target,
    sql::names::{Naming, OWN},
    stored::CheckState,
};
use crate::{schema::Schema, state::StreamState};

/// PostgreSQL cuts longer names without an error, so that two of them could become one.
const NAMING: Naming = Naming {
    database: "PostgreSQL",
    max_bytes: 63,
    folds_case: false,
    reserved: &[OWN],
    system_columns: &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
};

/// How long the rows of a table may be read, the time of whoever takes them included: 7 days.
const READING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A table in PostgreSQL, in the first schema of the role's `search_path`.
///
/// Rows come by `COPY`, and are merged from a temporary table, so the role needs the right to make
/// tables, temporary ones among them. Beside the streams' tables and those of the items of lists there
/// are `_apipool_state`, with a row for each of these tables, and `_apipool_rejects` with the rows that
/// were set aside.
///
/// Types of columns: `bool` is `boolean`, `int` is `bigint`, `float` is `double precision`, a decimal
/// `numeric`, `date`, `timestamp` is `timestamptz`, `text`, and `json` is `jsonb`.
///
/// A table that is replaced is dropped in the transaction that puts the new one in its place. Indexes
/// and grants that others have put on it are made again; views of it stop the stream, which should be
/// merged or synchronized then.
///
/// The connection is encrypted if the URL says `sslmode=require`; then the server's certificate must
/// be one that the system trusts. A pooler between must keep a session for a connection.
pub struct Postgres {
    url: SecretString,
    target: Target,
    limits: Limits,
    open: Option<Open>,
}

/// A connection, and by what name it is known as the last writer of the stream.
struct Open {
    connection: Connection,
    owner: String,
    /// The columns for which the tables of the run are known to be right.
    fitted: Option<Fitted>,
}

/// The columns of the tables of a commit.
struct Fitted {
    stream: Schema,
    /// Those of the tables below the stream's, by name.
    children: Vec<(String, Schema)>,
}

impl Fitted {
    fn of(commit: &Commit<'_>) -> Self {
        let child = |child: &Child<'_>| (child.table.to_owned(), child.schema.clone());
        let children = commit.children.iter().map(child).collect();
        Self { stream: commit.schema.clone(), children }
    }

    /// Whether a commit has the same tables with the same columns.
    fn fits(&self, commit: &Commit<'_>) -> bool {
        let own = self.children.iter().map(|(table, schema)| (table.as_str(), schema));
        let others = commit.children.iter().map(|child| (child.table, child.schema));
        self.stream == *commit.schema && own.eq(others)
    }
}

impl Postgres {
    /// The table of `target` in the database at `url`,
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub fn new(url: SecretString, target: Target) -> Self {
        Self { url, target, limits: Limits::default(), open: None }
    }

    /// The columns of a table of the stream, its own or one below it; none if it is not there.
    pub(super) fn columns(&self, table: &str) -> Result<Schema, SinkError> {
        let mut connection = Connection::open(&self.url, self.limits)?;
        connection.run(async |client, names| stored::columns(client, names, table).await)
    }

    /// Hands over the rows of such a table with these columns. It waits for a row for as long as a
    /// commit may take; whoever takes them may take days.
    pub(super) fn read(
        &self,
        table: &str,
        columns: &Schema,
        take: TakeRows<'_>,
    ) -> Result<(), SinkError> {
        let wait = self.limits.commit;
        let mut connection =
            Connection::open(&self.url, Limits { commit: READING, ..self.limits })?;
        connection.run(async |client, names| {
            stored::read(client, names, table, columns, wait, take).await
        })
    }

    /// Adds rows to the table of a stream in one transaction, without becoming the one who writes it.
    pub(super) fn insert(
        &self,
        batches: &[RecordBatch],
        check: CheckState<'_>,
    ) -> Result<(), SinkError> {
        let mut connection = Connection::open(&self.url, self.limits)?;
        let target = &self.target;
        connection
            .run(async |client, names| commit::insert(client, names, target, batches, check).await)
    }

    /// How long a commit may take, 5 minutes if not said: after that it is given up, and tried again
    /// by whoever runs the stream.
    #[must_use]
    pub fn with_commit_timeout(mut self, timeout: Duration) -> Self {
        self.limits.commit = timeout;
        self
    }

    /// How long it may take to connect to a server, 10 seconds if not said.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect = timeout;
        self
    }

    /// Why PostgreSQL cannot hold a text of a row, be it that of a string or the JSON of an object or
    /// a list; `None` if it can. Rows with others should be set aside: a commit of one fails.
    #[must_use]
    pub fn refuses(text: &str) -> Option<&'static str> {
        refuses::refuses(text)
    }
}

impl Sink for Postgres {
    fn open(&mut self) -> Result<StreamState, SinkError> {
        self.open = None;
        NAMING.check_target(&self.target)?;
        let mut connection = Connection::open(&self.url, self.limits)?;
        let (owner, state) =
            connection.run(async |client, names| state::take(client, names, &self.target).await)?;
        self.open = Some(Open { connection, owner, fitted: None });
        Ok(state)
    }

    fn state(&mut self) -> Result<StreamState, SinkError> {
        let mut connection = Connection::open(&self.url, self.limits)?;
        connection.run(async |client, names| state::look(client, names, &self.target).await)
    }

    fn reset(&mut self, drop_rows: bool) -> Result<(), SinkError> {
        self.open = None;
        NAMING.check_target(&self.target)?;
        let mut connection = Connection::open(&self.url, self.limits)?;
        connection
            .run(async |client, names| state::reset(client, names, &self.target, drop_rows).await)
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), SinkError> {
        // Taken, so that after an error the connection is closed, and what was begun is undone.
        let Some(Open { mut connection, owner, fitted }) = self.open.take() else {
            return Err(SinkError::passing("no connection to PostgreSQL is open"));
        };
        let is_fitted = fitted.as_ref().is_some_and(|fitted| fitted.fits(commit));
        let target = &self.target;
        connection.run(async |client, names| {
            commit::commit(client, names, target, &owner, commit, is_fitted).await
        })?;
        // What ends a run takes the tables that it needs away.
        let fitted = (!commit.is_last)
            .then(|| fitted.filter(|_| is_fitted).unwrap_or_else(|| Fitted::of(commit)));
        self.open = Some(Open { connection, owner, fitted });
        Ok(())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Postgres");
        debug.field("target", &self.target).field("is_open", &self.open.is_some());
        debug.finish_non_exhaustive()
    }
}

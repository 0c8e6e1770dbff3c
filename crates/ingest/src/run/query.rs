//! One run of a stream whose rows are those of a query.

use std::{mem, path::PathBuf, sync::Arc};

use futures::StreamExt;
use indexmap::IndexMap;
use tokio::sync::watch;

use super::{
    control::{Control, heeding},
    stream::Ended,
    writer::{Chunk, Progress, WriteRules, Writer},
};
use crate::{
    error::Error,
    query::{QueryColumns, QueryEngine, QueryError, QueryRows},
    row::{Decoded, Learned},
    schema::{Change, Schema},
    state::{Counts, StreamState},
};

/// The key of the only unit.
const UNIT: &str = "";

/// What a run needs to know of a query.
pub(crate) struct QueryPlan {
    pub(crate) sql: String,
    /// Where it is from.
    pub(crate) file: PathBuf,
    pub(crate) engine: Option<Arc<dyn QueryEngine>>,
    /// The columns that name a row.
    pub(crate) key: Vec<String>,
    /// Whether columns may be added, or get wider types, once there are any.
    pub(crate) may_grow: bool,
    /// How many bytes a run may have, if its rows are committed all at once.
    pub(crate) at_once: Option<usize>,
    /// Which texts the sink cannot hold, and why.
    pub(crate) refuses: fn(&str) -> Option<&'static str>,
    pub(crate) write: WriteRules,
}

impl QueryPlan {
    /// Runs the query, and hands its rows to `writer`, which was opened with this state.
    ///
    /// # Errors
    /// That of the sink, of the query, or of a row that no column holds. Rows that came before are
    /// committed, unless those of a run are committed all at once; the next run begins anew.
    pub(crate) async fn run(
        &self,
        writer: Writer,
        state: &StreamState,
        mut control: watch::Receiver<Control>,
    ) -> Result<Ended, Error> {
        let is_read = state.units.get(UNIT).is_some_and(|unit| unit.is_done);
        let copied = match is_read {
            true => Ok(true),
            false => self.copy(&writer, state, &mut control).await,
        };
        let error = copied.as_ref().err().map(ToString::to_string);
        let state = writer.finish(matches!(copied, Ok(true)), error).await?;
        copied.map(|_| Ended::of(state))
    }

    /// Hands over the rows of the query. Returns whether these are all, and not when the run is to
    /// stop, or the writer has failed.
    async fn copy(
        &self,
        writer: &Writer,
        state: &StreamState,
        control: &mut watch::Receiver<Control>,
    ) -> Result<bool, Error> {
        let engine = self.engine.as_ref().ok_or_else(|| {
            let file = self.file.display();
            QueryError::lasting(format!("{file}: this program runs no queries in SQL"))
        })?;
        let Some(begun) = heeding(control, engine.query(&self.sql)).await else {
            return Ok(false);
        };
        let QueryRows { schema, mut batches } = begun?;
        let columns = QueryColumns::of(&schema, &self.key, self.refuses).map_err(Error::Schema)?;
        let learned = self.learned(state, &columns.schema)?;
        let mut waiting = empty(learned);
        let mut read = 0;
        loop {
            let Some(batch) = heeding(control, batches.next()).await else { return Ok(false) };
            let Some(batch) = batch.transpose()? else { break };
            let (batch, bytes) = columns.conform(&batch).map_err(Error::Schema)?;
            read += batch.num_rows() as u64;
            waiting.bytes += bytes;
            waiting.batches.push(batch);
            match self.at_once {
                Some(most) if waiting.bytes > most => return Err(too_many(most)),
                Some(_) => {}
                None => {
                    let next = empty(waiting.learned.clone());
                    let decoded = mem::replace(&mut waiting, next);
                    if !writer.send(chunk(decoded, read, false)).await {
                        return Ok(false);
                    }
                    read = 0;
                }
            }
        }
        Ok(writer.send(chunk(waiting, read, true)).await)
    }

    /// What is known of the columns with those of the query.
    ///
    /// # Errors
    /// If there are others, and they are not to change.
    fn learned(&self, state: &StreamState, query: &Schema) -> Result<Learned, Error> {
        let mut learned = Learned::of(state);
        let is_fixed = !self.may_grow && !learned.schema.columns.is_empty();
        for change in learned.schema.changes_to(query) {
            if is_fixed {
                return Err(Error::Schema(match change {
                    Change::Add(column) => {
                        format!("the table has no column for `{}`", column.name)
                    }
                    Change::Widen { column, from, .. } => {
                        format!("`{column}` holds no more than {from}")
                    }
                }));
            }
            learned.schema.apply(&change);
        }
        Ok(learned)
    }
}

/// No rows.
fn empty(learned: Learned) -> Decoded {
    Decoded {
        batches: Vec::new(),
        children: IndexMap::new(),
        rejects: Vec::new(),
        bytes: 0,
        learned,
    }
}

fn chunk(decoded: Decoded, rows: u64, is_last: bool) -> Chunk {
    let counts = Counts { read: rows, written: rows, ..Counts::default() };
    let progress = Progress { unit: UNIT.to_owned(), is_last, counts, ..Progress::default() };
    Chunk { progress: vec![progress], decoded: Some(decoded) }
}

fn too_many(most: usize) -> Error {
    Error::Settings(format!(
        "the query gives more than the {most} bytes that `commit` has for rows which are appended at \
         once: raise its `bytes`, or write with `replace` or `merge`"
    ))
}

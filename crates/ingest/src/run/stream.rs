//! One run of one stream: its units read side by side, their pages decoded and handed to the writer.

use std::{
    collections::BTreeSet,
    mem,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, SubsecRound, Utc};
use futures::{Stream, StreamExt};
use serde_json::value::RawValue;
use tokio::sync::watch;
use vantage_api_pool::{
    ErrorKind, PoolApi,
    paging::{Page, ResumeToken},
    vantage::PoolTableExt,
};
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

use super::{
    control::{Control, heeding},
    unit::{Asked, Since, Unit},
    writer::{Chunk, WriteRules, Writer},
};
use crate::{
    error::Error,
    row::{Learned, RowDecoder, RowRules},
    state::{Counts, StreamState, UnitState},
};

/// Makes the table with the rows of a unit.
pub(crate) type TableOf = Arc<dyn Fn(&Unit) -> Table<PoolApi, EmptyEntity> + Send + Sync>;

/// What a run needs to know of its stream.
#[derive(Clone)]
pub(crate) struct StreamPlan {
    /// The table with the rows of a unit.
    pub(crate) table: TableOf,
    pub(crate) rules: RowRules,
    pub(crate) write: WriteRules,
    /// How many units are read at a time.
    pub(crate) units_at_once: usize,
    /// How many pages of each are in flight.
    pub(crate) prefetch: usize,
    /// Whether a unit may end with fewer rows than the API says, which the report says then.
    pub(crate) may_miss_rows: bool,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) state: StreamState,
    /// The units that failed, each with its error; in a finished run, those that miss rows as they
    /// may.
    pub(crate) failures: Vec<(String, Error)>,
    /// The fields that were left out.
    pub(crate) discarded: Vec<String>,
}

impl Ended {
    /// A run of which no more is known than its state.
    pub(crate) fn of(state: StreamState) -> Self {
        Self { state, failures: Vec::new(), discarded: Vec::new() }
    }

    /// The failure of a unit, if all that failed may pass.
    pub(crate) fn passing_failure(&mut self) -> Option<Error> {
        let may_pass = self.failures.iter().all(|(_, error)| error.may_pass());
        may_pass.then(|| self.failures.pop())?.map(|(_, error)| error)
    }
}

/// A page of a unit, or its end.
enum Piece {
    /// With the moment at which it was asked for, at the earliest.
    Page(Arc<str>, Box<Page<Box<RawValue>>>, DateTime<Utc>),
    End(Arc<str>),
    Failed(Arc<str>, Error),
}

impl Piece {
    fn unit(&self) -> &str {
        match self {
            Self::Page(unit, ..) | Self::End(unit) | Self::Failed(unit, _) => unit,
        }
    }
}

impl StreamPlan {
    /// Runs the stream from its state, with which `writer` was opened. With the units comes what
    /// cannot be read, if there is anything.
    ///
    /// # Errors
    /// That of the sink, of the units, or of a row that the schema does not allow. What was read
    /// before is committed, unless it is the sink that failed.
    pub(crate) async fn run(
        &self,
        writer: Writer,
        state: &StreamState,
        units: impl Future<Output = Result<(Vec<Unit>, Option<String>), Error>>,
        control: watch::Receiver<Control>,
        warnings: &Warnings,
    ) -> Result<Ended, Error> {
        let mut run = Running { writer, control, failures: Vec::new(), is_stopped: false };
        let (units, lack) = run.heeding(pin!(units)).await.transpose()?.unwrap_or_default();
        if let Some(what) = lack {
            run.writer.lacks(what);
        }
        let decoder = RowDecoder::new(self.rules.clone(), Learned::of(state));
        let mut decoder = decoder.knowing(state.boundary.rows());
        let open = units.into_iter().filter_map(|unit| {
            let before = state.units.get(&unit.key).cloned().unwrap_or_default();
            (!before.is_done).then_some((unit, before))
        });
        let key = state.signing_key.as_bytes().try_into().unwrap_or_default();
        let pieces = futures::stream::iter(open)
            .map(|(unit, before)| self.clone().pieces(unit, before, key, warnings.clone()).boxed())
            .flatten_unordered(self.units_at_once);
        let mut pieces = pin!(pieces);
        let mut refused = None;
        while let Some(piece) = run.next(&mut pieces).await {
            if run.has_failed(piece.unit()) {
                // A page after one that failed would leave a gap.
                continue;
            }
            match chunk_of(piece, &mut decoder, self.write.since.as_ref()) {
                Ok(chunk) => {
                    if !run.writer.send(chunk).await {
                        break;
                    }
                }
                Err(Failure::Unit(unit, error)) => {
                    let end = Chunk { unit: unit.clone(), is_last: true, ..Chunk::default() };
                    let goes_on = !self.tolerates(&error) || run.writer.send(end).await;
                    run.failures.push((unit, error));
                    if !goes_on {
                        break;
                    }
                }
                Err(Failure::Run(error)) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let is_read = run.failures.iter().all(|(_, error)| self.tolerates(error));
        let is_complete = refused.is_none() && is_read && !run.is_stopped;
        if !is_complete {
            run.failures.retain(|(_, error)| !self.tolerates(error));
        }
        let error = refused.as_ref().or(run.failures.first().map(|(_, error)| error));
        let error = error.map(ToString::to_string);
        let state = run.writer.finish(is_complete, error).await?;
        match refused {
            Some(error) => Err(error),
            None => Ok(Ended { state, failures: run.failures, discarded: decoder.discarded() }),
        }
    }

    /// Whether an error says no more than that rows are missing, and they may be.
    fn tolerates(&self, error: &Error) -> bool {
        let is_incomplete =
            matches!(error, Error::Api(error) if error.kind() == ErrorKind::Incomplete);
        self.may_miss_rows && is_incomplete
    }

    /// The pages of a unit and its end, or the error that ended it.
    fn pieces(
        self,
        unit: Unit,
        before: UnitState,
        signing_key: [u8; 32],
        warnings: Warnings,
    ) -> impl Stream<Item = Piece> + Send {
        let key: Arc<str> = unit.key.as_str().into();
        async_stream::stream! {
            let mut asked = Asked::new(self.prefetch, now());
            let mut pages = match self.pages(&unit, before, &signing_key, warnings).await {
                Ok(pages) => pages,
                Err(error) => return yield Piece::Failed(key, error),
            };
            while let Some(page) = pages.next().await {
                match page {
                    Ok(page) => {
                        let asked = asked.take(now());
                        yield Piece::Page(Arc::clone(&key), Box::new(page), asked);
                    }
                    Err(error) => return yield Piece::Failed(key, error.into()),
                }
            }
            yield Piece::End(key);
        }
    }

    async fn pages(
        &self,
        unit: &Unit,
        before: UnitState,
        signing_key: &[u8; 32],
        warnings: Warnings,
    ) -> Result<
        impl Stream<Item = Result<Page<Box<RawValue>>, vantage_api_pool::Error>> + Send + Unpin,
        Error,
    > {
        let rows = (self.table)(unit).stream_json().await?;
        let rows = rows.prefetch(self.prefetch).signing_key(signing_key);
        let mut rows = rows.on_warning(move |warning| warnings.add(warning));
        if let Some(token) = before.token {
            rows = rows.resume_from(token.parse::<ResumeToken>()?);
        }
        Ok(rows.pages())
    }
}

/// Not more exact than most APIs write moments, so that a mark of it hides none of the same one.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// How many warnings are told.
const MOST_WARNINGS: usize = 10;

/// What was strange about the pages of all units, each once; also before a restart.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<Mutex<BTreeSet<String>>>);

impl Warnings {
    fn add(&self, warning: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_WARNINGS {
            all.insert(warning.to_owned());
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// A run under way.
struct Running {
    writer: Writer,
    control: watch::Receiver<Control>,
    failures: Vec<(String, Error)>,
    is_stopped: bool,
}

impl Running {
    fn has_failed(&self, unit: &str) -> bool {
        self.failures.iter().any(|(failed, _)| failed == unit)
    }

    /// The next piece, once the run may go on; `None` at the end, or when it is to stop.
    async fn next(&mut self, pieces: &mut (impl Stream<Item = Piece> + Unpin)) -> Option<Piece> {
        self.heeding(pieces.next()).await.flatten()
    }

    /// What comes of `work`, which goes on while the run may; `None` when it is to stop.
    async fn heeding<T>(&mut self, work: impl Future<Output = T> + Unpin) -> Option<T> {
        let done = heeding(&mut self.control, work).await;
        self.is_stopped |= done.is_none();
        done
    }
}

enum Failure {
    Unit(String, Error),
    Run(Error),
}

/// Decodes a piece.
fn chunk_of(
    piece: Piece,
    decoder: &mut RowDecoder,
    since: Option<&Since>,
) -> Result<Chunk, Failure> {
    match piece {
        Piece::Failed(unit, error) => Err(Failure::Unit(unit.to_string(), error)),
        Piece::End(unit) => Ok(Chunk { unit: unit.to_string(), is_last: true, ..Chunk::default() }),
        Piece::Page(unit, page, asked) => {
            let (token, declared) = (Some(page.resume_token().to_text()), page.total());
            let rows = page.collect::<Result<Vec<_>, _>>();
            let rows = rows.map_err(|error| Failure::Unit(unit.to_string(), error.into()))?;
            let mut decoded =
                decoder.decode(&rows).map_err(|what| Failure::Run(Error::Schema(what)))?;
            if let Some(since) = since {
                decoded.mark.0 = decoded.mark.0.map(|mark| since.until(mark, asked));
            }
            let rejected = decoded.rejects.len() as u64;
            let repeated = decoded.seen.iter().filter(|row| row.is_repeated).count() as u64;
            let read = rows.len() as u64;
            let written = read - rejected - repeated;
            let counts = Counts { pages: 1, read, written, rejected, repeated, declared };
            Ok(Chunk {
                unit: unit.to_string(),
                token,
                counts,
                decoded: Some(decoded),
                is_last: false,
            })
        }
    }
}

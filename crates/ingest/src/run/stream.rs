//! One run of one stream: its units read side by side, their pages decoded and handed to the writer.

use std::{mem, pin::pin, sync::Arc};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures::{Stream, StreamExt, future::poll_immediate};
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
    gathered::{Failure, Gathered, Piece, UnitRead},
    unit::Unit,
    warnings::Warnings,
    writer::{WriteRules, Writer},
};
use crate::{
    description::{Delta, moment_of},
    error::Error,
    row::{Known, Learned, RowDecoder, RowRules},
    state::{StreamState, UnitState},
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
    /// By which token what has changed is asked for.
    pub(crate) delta: Option<Arc<Delta>>,
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

    /// Whether a unit cannot go on, since the description asks for other pages than before the run was
    /// interrupted.
    pub(crate) fn is_of_other_read(&self) -> bool {
        self.failures.iter().any(|(_, error)| error.is_of_other_read())
    }

    /// The failure of a unit, if all that failed may pass.
    pub(crate) fn passing_failure(&mut self) -> Option<Error> {
        let may_pass = self.failures.iter().all(|(_, error)| error.may_pass());
        may_pass.then(|| self.failures.pop())?.map(|(_, error)| error)
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
        let (units, lack) = match run.heeding(pin!(units)).await.transpose() {
            Ok(units) => units.unwrap_or_default(),
            Err(error) => {
                run.writer.finish(false, Some(error.to_string())).await?;
                return Err(error);
            }
        };
        if let Some(what) = lack {
            run.writer.lacks(what);
        }
        run.writer.reads(units.iter().map(|unit| unit.partition.clone()).collect());
        let decoder = RowDecoder::new(self.rules.clone(), Learned::of(state));
        let mut known = Known::of(state.boundary.rows());
        state.partitions.iter().for_each(|(name, own)| known.add(name, own.boundary.rows()));
        let decoder = decoder.knowing(known);
        let gathered = Gathered::new(decoder, &self.write, state, before(state), warnings.clone());
        let mut gathered = gathered.with_delta(self.delta.clone());
        let open = units.into_iter().filter_map(|unit| {
            let before = state.units.get(&unit.key).cloned().unwrap_or_default();
            (!before.is_done).then_some((unit, before))
        });
        let key = state.signing_key.as_bytes().try_into().unwrap_or_default();
        let pieces = futures::stream::iter(open)
            .map(|(unit, before)| self.clone().pieces(unit, before, key, warnings.clone()).boxed())
            .flatten_unordered(self.units_at_once);
        let mut pieces = pin!(pieces);
        let read = self.read(&mut run, &mut gathered, &mut pieces).await;
        let refused = read.and(run.hand_over(&mut gathered).await.map(drop)).err();
        let is_read = run.failures.iter().all(|(_, error)| self.tolerates(error));
        let is_complete = refused.is_none() && is_read && !run.is_stopped;
        if !is_complete {
            run.failures.retain(|(_, error)| !self.tolerates(error));
        }
        let failures = mem::take(&mut run.failures).into_iter();
        let failures: Vec<_> =
            failures.map(|(unit, error)| (unit.name().to_owned(), error)).collect();
        let error = refused.as_ref().or(failures.first().map(|(_, error)| error));
        let error = error.map(ToString::to_string);
        let state = run.writer.finish(is_complete, error).await?;
        match refused {
            Some(error) => Err(error),
            None => Ok(Ended { state, failures, discarded: gathered.discarded() }),
        }
    }

    /// Reads the pieces to their end, or until the run is to stop or the writer has failed.
    ///
    /// # Errors
    /// That of a row which ends the run.
    async fn read(
        &self,
        run: &mut Running,
        gathered: &mut Gathered,
        pieces: &mut (impl Stream<Item = Piece> + Unpin),
    ) -> Result<(), Error> {
        loop {
            let piece = match poll_immediate(run.next(pieces)).await {
                Some(piece) => piece,
                // Nothing waits for a page that is not there yet.
                None if run.hand_over(gathered).await? => run.next(pieces).await,
                None => return Ok(()),
            };
            let Some(piece) = piece else { return Ok(()) };
            if run.has_failed(piece.unit()) {
                // A page after one that failed would leave a gap.
                continue;
            }
            match gathered.add(piece) {
                Ok(()) => {}
                Err(Failure::Run(error)) => return Err(error),
                Err(Failure::Unit(unit, error)) => {
                    if self.tolerates(&error) {
                        gathered.end(&unit, None);
                    }
                    run.failures.push((unit, error));
                }
            }
            if gathered.are_enough() && !run.hand_over(gathered).await? {
                return Ok(());
            }
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
        let read = Arc::new(UnitRead::new(unit));
        async_stream::stream! {
            let anew = read.unit().anew();
            let opened = self.pages(read.unit(), Arc::clone(&read), before, &signing_key, warnings.clone()).await;
            let mut pages = match opened {
                Ok(pages) => pages,
                Err(error) => return yield Piece::Failed(Arc::clone(&read), error),
            };
            let mut first = pages.next().await;
            if let (Some(anew), Some(Err(error))) = (&anew, &first)
                && self.has_expired(error)
            {
                warnings.add(EXPIRED);
                read.read_all();
                let state = UnitState::default();
                pages = match self.pages(anew, Arc::clone(&read), state, &signing_key, warnings).await {
                    Ok(pages) => pages,
                    Err(error) => return yield Piece::Failed(Arc::clone(&read), error),
                };
                first = pages.next().await;
            }
            let mut pages = futures::stream::iter(first).chain(pages);
            while !read.has_enough() && let Some(page) = pages.next().await {
                match page {
                    Ok(page) => {
                        yield Piece::Page(Arc::clone(&read), Box::new(page));
                    }
                    Err(error) => return yield Piece::Failed(Arc::clone(&read), error.into()),
                }
            }
            yield Piece::End(Arc::clone(&read));
        }
    }

    /// Whether an error means that the token of the last run has expired.
    fn has_expired(&self, error: &vantage_api_pool::Error) -> bool {
        let body = error.response().map_or(&[][..], |response| response.body());
        let status = error.status().map(|status| status.as_u16());
        self.delta
            .as_ref()
            .zip(status)
            .is_some_and(|(delta, status)| delta.is_expired(status, body))
    }

    async fn pages(
        &self,
        unit: &Unit,
        read: Arc<UnitRead>,
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
        if let Some(delta) = self.delta.clone() {
            let place = delta.token.clone();
            rows = rows.on_text_at(place, move |text| {
                delta
                    .token_in(text.to_owned())
                    .into_iter()
                    .for_each(|token| read.learn_token(token));
            });
        }
        if let Some(token) = before.token.or_else(|| unit.start.clone()) {
            rows = rows.resume_from(token.parse::<ResumeToken>()?);
        }
        let left = unit.pages.map(|pages| pages.saturating_sub(before.counts.pages));
        if let Some(left) = left {
            // None beyond the unit is requested.
            rows = rows.max_pages(left);
        }
        let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        Ok(rows.pages().take(left))
    }

    /// The first page of a unit: the token after it, signed with this key, and how many rows the API
    /// says there are. `None` if the unit is empty.
    pub(crate) async fn first_page(
        &self,
        unit: &Unit,
        signing_key: &[u8; 32],
    ) -> Result<Option<(ResumeToken, Option<u64>)>, Error> {
        let rows = (self.table)(unit).stream_json().await?;
        let mut pages = rows.prefetch(1).signing_key(signing_key).max_pages(1).pages();
        let first = pages.next().await.transpose()?;
        Ok(first.map(|page| (page.resume_token(), page.total())))
    }
}

/// That everything is read.
const EXPIRED: &str = "the token of the last run has expired, so everything was read again: rows that \
                       are gone since then stay";

/// The last whole second before the one in which a run began. APIs leave out or round fractions of
/// seconds, and may compare them as text, in which they come before none.
fn before(state: &StreamState) -> DateTime<Utc> {
    let began = state.until.as_deref().and_then(moment_of).unwrap_or_else(Utc::now);
    began.trunc_subsecs(0) - TimeDelta::seconds(1)
}

/// A run under way.
struct Running {
    writer: Writer,
    control: watch::Receiver<Control>,
    failures: Vec<(Arc<Unit>, Error)>,
    is_stopped: bool,
}

impl Running {
    /// Hands what was gathered over to the writer. `false` if that has failed.
    ///
    /// # Errors
    /// If the rows make no batch.
    async fn hand_over(&self, gathered: &mut Gathered) -> Result<bool, Error> {
        match gathered.take().map_err(Error::Schema)? {
            Some(chunk) => Ok(self.writer.send(chunk).await),
            None => Ok(true),
        }
    }

    fn has_failed(&self, unit: &Unit) -> bool {
        self.failures.iter().any(|(failed, _)| failed.key == unit.key)
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

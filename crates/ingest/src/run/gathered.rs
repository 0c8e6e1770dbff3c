//! Decodes the pages of a stream, and gathers what came of them until it is worth a hand-over.

use std::{
    collections::HashSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use vantage_api_pool::paging::Page;

use super::{
    newest::{NewestFirst, Remark},
    unit::{Since, Unit},
    warnings::Warnings,
    writer::{Chunk, CommitAt, Progress, WriteRules},
};
use crate::{
    description::Delta,
    error::Error,
    row::{Bound, DecodedPage, RowDecoder},
    state::{Counts, StreamState},
};

/// The part of a commit that is gathered before it is handed over.
const PART: usize = 16;

/// A unit whose pages are read.
#[derive(Debug)]
pub(super) struct UnitRead {
    unit: Arc<Unit>,
    /// What its rows have in common.
    bound: Arc<Bound>,
    /// Whether no page after the last one is needed.
    has_enough: AtomicBool,
    /// The token that its pages had so far, with which the next run asks for what has changed.
    next_token: Mutex<Option<String>>,
    /// Whether everything is read, since the token of the last run has expired.
    reads_all: AtomicBool,
}

impl UnitRead {
    pub(super) fn new(unit: Unit) -> Self {
        let [has_enough, reads_all] = [(); 2].map(|()| AtomicBool::new(false));
        let (bound, unit) = (unit.bound(), Arc::new(unit));
        Self { unit, bound, has_enough, next_token: Mutex::default(), reads_all }
    }

    pub(super) fn unit(&self) -> &Unit {
        &self.unit
    }

    /// A page has this token.
    pub(super) fn learn_token(&self, token: String) {
        *self.token() = Some(token);
    }

    fn token(&self) -> MutexGuard<'_, Option<String>> {
        self.next_token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read_all(&self) {
        self.reads_all.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_enough(&self) -> bool {
        self.has_enough.load(Ordering::Relaxed)
    }
}

/// A page of a unit, or its end.
pub(super) enum Piece {
    Page(Arc<UnitRead>, Box<Page<Box<RawValue>>>),
    End(Arc<UnitRead>),
    Failed(Arc<UnitRead>, Error),
}

impl Piece {
    pub(super) fn unit(&self) -> &Unit {
        match self {
            Self::Page(of, ..) | Self::End(of) | Self::Failed(of, _) => &of.unit,
        }
    }
}

/// Why a piece is not gathered.
pub(super) enum Failure {
    Unit(Arc<Unit>, Error),
    Run(Error),
}

/// What was read and not handed over yet.
pub(super) struct Gathered {
    decoder: RowDecoder,
    since: Option<Since>,
    newest: Option<NewestFirst>,
    delta: Option<Arc<Delta>>,
    /// The units that had a page and no token yet.
    tokenless: HashSet<String>,
    warnings: Warnings,
    /// The mark is at most this moment.
    until: DateTime<Utc>,
    commit: CommitAt,
    progress: Vec<Progress>,
    /// The last page of each unit, with its place among them.
    last: Vec<(usize, Box<Page<Box<RawValue>>>)>,
}

impl Gathered {
    /// Nothing yet of a run from this state, whose mark is at most this moment.
    pub(super) fn new(
        decoder: RowDecoder,
        write: &WriteRules,
        state: &StreamState,
        until: DateTime<Utc>,
        warnings: Warnings,
    ) -> Self {
        let (since, commit) = (write.since.clone(), write.commit);
        let newest = NewestFirst::of(since.as_ref(), write.knows_rows, state);
        let (progress, last) = (Vec::new(), Vec::new());
        Self {
            decoder,
            since,
            until,
            newest,
            delta: None,
            tokenless: HashSet::new(),
            warnings,
            commit,
            progress,
            last,
        }
    }

    /// The same, of a stream that keeps a token for the next run.
    pub(super) fn with_delta(self, delta: Option<Arc<Delta>>) -> Self {
        Self { delta, ..self }
    }

    /// The fields that were left out.
    pub(super) fn discarded(&self) -> Vec<String> {
        self.decoder.discarded()
    }

    /// Whether it is worth a hand-over.
    pub(super) fn are_enough(&self) -> bool {
        let CommitAt { rows, bytes, .. } = self.commit;
        self.decoder.rows() >= rows / PART || self.decoder.bytes() >= bytes / PART
    }

    /// Adds the end of a unit.
    pub(super) fn end(&mut self, unit: &Unit, next_token: Option<String>) {
        let is_tokenless = self.tokenless.remove(&unit.key) && next_token.is_none();
        if let Some(delta) = self.delta.as_ref().filter(|_| is_tokenless) {
            self.warnings.add(&format!(
                "the last page had no token at `{}`, so the next run reads everything",
                delta.token
            ));
        }
        let ended = self.newest.as_mut().and_then(|newest| newest.end(&unit.key));
        let (is_cut, order) = ended.unzip();
        let is_cut = is_cut.unwrap_or_default();
        let of = Progress::of(unit);
        self.progress.push(Progress { is_last: true, is_cut, order, next_token, ..of });
    }

    /// Decodes a piece.
    ///
    /// # Errors
    /// That of the unit, or of a row that ends the run. What was gathered before stays.
    pub(super) fn add(&mut self, piece: Piece) -> Result<(), Failure> {
        match piece {
            Piece::Failed(of, error) => Err(Failure::Unit(Arc::clone(&of.unit), error)),
            Piece::End(of) => {
                let token = of.token().take();
                self.end(&of.unit, token);
                Ok(())
            }
            Piece::Page(of, page) => self.page(&of, page),
        }
    }

    fn page(&mut self, of: &UnitRead, page: Box<Page<Box<RawValue>>>) -> Result<(), Failure> {
        let UnitRead { unit, bound, .. } = of;
        let rows = page.texts().collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Failure::Unit(Arc::clone(unit), error.into()))?;
        let decoded = match &mut self.newest {
            None => self.decoder.read_page(&rows, bound),
            Some(newest) => {
                let unit = newest.unit(unit);
                let takes = &mut |value: Option<&str>, row: &str| unit.takes(value, row);
                let decoded = self.decoder.read_page_of(&rows, bound, takes);
                let greatest = unit.end_page(rows.len());
                of.has_enough.store(unit.is_at_end(), Ordering::Relaxed);
                decoded.map(|decoded| match newest.is_known(&decoded.mark) {
                    true => decoded,
                    false => DecodedPage { mark: greatest, ..decoded },
                })
            }
        };
        let mut decoded = decoded.map_err(|what| Failure::Run(Error::Schema(what)))?;
        if let Some(since) = &self.since {
            decoded.mark.0 = decoded.mark.0.map(|mark| since.until(mark, self.until));
        }
        self.remark(unit);
        let (read, rejected) = (rows.len() as u64, decoded.rejected as u64);
        let repeated = decoded.repeated as u64;
        let written = read - rejected - repeated;
        let declared = page.total();
        let next_token = of.token().clone();
        if self.delta.is_some() && next_token.is_none() {
            self.tokenless.insert(unit.key.clone());
        }
        self.progress.push(Progress {
            next_token,
            reads_all: of.reads_all.load(Ordering::Relaxed),
            counts: Counts { pages: 1, read, written, rejected, repeated, declared },
            page: Some(decoded),
            ..Progress::of(unit)
        });
        let is_other = |own: &Progress| own.unit != unit.key;
        self.last.retain(|(place, _)| self.progress.get(*place).is_none_or(is_other));
        self.last.push((self.progress.len() - 1, page));
        Ok(())
    }

    /// Says what there is to say of the order of a unit's rows.
    fn remark(&mut self, unit: &Unit) {
        let Some(newest) = &mut self.newest else { return };
        let remarks: Vec<_> = newest.unit(unit).remarks().collect();
        let field = newest.field();
        for remark in remarks {
            self.warnings.add_once(&match remark {
                Remark::ReadsAll => format!(
                    "the rows of the last run did not come newest first by `{field}`, so this one \
                     has read them all"
                ),
                Remark::OutOfOrder => format!(
                    "rows do not come newest first by `{field}`, so all were read, as the next run \
                     will do"
                ),
                Remark::NoValue => format!(
                    "there are rows without a `{field}` that can be read: a later run finds those \
                     that come before older rows alone"
                ),
            });
        }
    }

    /// Takes what was gathered, if there is anything.
    ///
    /// # Errors
    /// If the rows make no batch.
    pub(super) fn take(&mut self) -> Result<Option<Chunk>, String> {
        let (mut progress, last) = (mem::take(&mut self.progress), mem::take(&mut self.last));
        if progress.is_empty() {
            return Ok(None);
        }
        // What counts is where a unit goes on after all of its pages.
        for (place, page) in &last {
            if let Some(own) = progress.get_mut(*place) {
                own.token = Some(page.resume_token().to_text());
                own.order = self.newest.as_ref().and_then(|newest| newest.order(&own.unit));
            }
        }
        let has_page = !last.is_empty();
        let decoded = has_page.then(|| self.decoder.take()).transpose()?;
        Ok(Some(Chunk { progress, decoded }))
    }
}

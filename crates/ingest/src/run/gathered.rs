//! Decodes the pages of a stream, and gathers what came of them until it is worth a hand-over.

use std::{mem, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use vantage_api_pool::paging::Page;

use super::{
    unit::{Since, Unit},
    writer::{Chunk, CommitAt, Progress, WriteRules},
};
use crate::{
    error::Error,
    row::{Bound, RowDecoder},
    state::Counts,
};

/// The part of a commit that is gathered before it is handed over.
const PART: usize = 16;

/// A page of a unit, or its end.
pub(super) enum Piece {
    /// With what its rows have in common.
    Page(Arc<Unit>, Box<Page<Box<RawValue>>>, Arc<Bound>),
    End(Arc<Unit>),
    Failed(Arc<Unit>, Error),
}

impl Piece {
    pub(super) fn unit(&self) -> &Unit {
        match self {
            Self::Page(unit, ..) | Self::End(unit) | Self::Failed(unit, _) => unit,
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
    /// The mark is at most this moment.
    until: DateTime<Utc>,
    commit: CommitAt,
    progress: Vec<Progress>,
    /// The last page of each unit, with its place among them.
    last: Vec<(usize, Box<Page<Box<RawValue>>>)>,
}

impl Gathered {
    /// Nothing yet of a run whose mark is at most this moment.
    pub(super) fn new(decoder: RowDecoder, write: &WriteRules, until: DateTime<Utc>) -> Self {
        let (since, commit) = (write.since.clone(), write.commit);
        Self { decoder, since, until, commit, progress: Vec::new(), last: Vec::new() }
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
    pub(super) fn end(&mut self, unit: &Unit) {
        self.progress.push(Progress { is_last: true, ..Progress::of(unit) });
    }

    /// Decodes a piece.
    ///
    /// # Errors
    /// That of the unit, or of a row that ends the run. What was gathered before stays.
    pub(super) fn add(&mut self, piece: Piece) -> Result<(), Failure> {
        match piece {
            Piece::Failed(unit, error) => Err(Failure::Unit(unit, error)),
            Piece::End(unit) => {
                self.end(&unit);
                Ok(())
            }
            Piece::Page(unit, page, bound) => self.page(&unit, page, &bound),
        }
    }

    fn page(
        &mut self,
        unit: &Arc<Unit>,
        page: Box<Page<Box<RawValue>>>,
        bound: &Bound,
    ) -> Result<(), Failure> {
        let rows = page.texts().collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Failure::Unit(Arc::clone(unit), error.into()))?;
        let decoded = self.decoder.read_page(&rows, bound);
        let mut decoded = decoded.map_err(|what| Failure::Run(Error::Schema(what)))?;
        if let Some(since) = &self.since {
            decoded.mark.0 = decoded.mark.0.map(|mark| since.until(mark, self.until));
        }
        let (read, rejected) = (rows.len() as u64, decoded.rejected as u64);
        let repeated = decoded.repeated as u64;
        let written = read - rejected - repeated;
        let declared = page.total();
        self.progress.push(Progress {
            counts: Counts { pages: 1, read, written, rejected, repeated, declared },
            page: Some(decoded),
            ..Progress::of(unit)
        });
        let is_other = |own: &Progress| own.unit != unit.key;
        self.last.retain(|(place, _)| self.progress.get(*place).is_none_or(is_other));
        self.last.push((self.progress.len() - 1, page));
        Ok(())
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
            }
        }
        let has_page = !last.is_empty();
        let decoded = has_page.then(|| self.decoder.take()).transpose()?;
        Ok(Some(Chunk { progress, decoded }))
    }
}

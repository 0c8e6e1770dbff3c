//! The parts of a stream.

use vantage_api_pool::paging::ResumeToken;

use super::{Destination, Reads, Stream};
use crate::{
    description::{SinkDescription, WriteMode},
    error::Error,
    parts::{Claim, Part, PartState},
    run::{StreamPlan, Unit},
    sink::{self, PostgresPart, SinkError},
    state::StreamState,
};

/// How many ranges of pages a stream has at most: those of a total that is far from true are long.
const MOST_RANGES: u64 = 10_000;

impl Stream {
    /// Whether several processes can write it: what a run remembers is no more than the sum of what its
    /// parts do.
    pub(crate) fn may_divide(&self) -> bool {
        let write = self.write();
        matches!(self.reads, Reads::Table(_))
            && matches!(self.destination, Destination::Described(SinkDescription::Postgres(_)))
            && matches!(self.target.mode, WriteMode::Append | WriteMode::Merge)
            && !self.is_sample
            && !write.knows_rows
            && !write.has_children
            && write.rows.is_none()
            && self.delta().is_none()
            && self.since.as_ref().is_none_or(|since| since.order.is_none())
    }

    /// How its table is read.
    ///
    /// # Errors
    /// If it is a query.
    pub(crate) fn plan(&self) -> Result<&StreamPlan, Error> {
        match &self.reads {
            Reads::Table(plan) => Ok(plan),
            Reads::Query(_) => Err(self.not_divided()),
        }
    }

    /// The sink of a part of run `run`.
    ///
    /// # Errors
    /// If the stream has no parts.
    pub(crate) fn part(&self, run: u64, part: &Part, claim: Claim) -> Result<PostgresPart, Error> {
        match &self.destination {
            Destination::Described(SinkDescription::Postgres(url)) if self.may_divide() => {
                let (url, target) = (url.clone(), self.target.clone());
                Ok(PostgresPart::new(url, target, run, part.is_range(), claim))
            }
            _ => Err(self.not_divided()),
        }
    }

    /// Ends a run whose parts are done.
    pub(crate) async fn end_parts(
        &self,
        run: u64,
        states: Vec<PartState>,
        error: Option<String>,
    ) -> Result<StreamState, Error> {
        let Destination::Described(SinkDescription::Postgres(url)) = &self.destination else {
            return Err(self.not_divided());
        };
        let (url, target) = (url.clone(), self.target.clone());
        Ok(sink::on_thread(self.sink(), move |_| {
            sink::end_parts(&url, &target, run, &states, error)
        })
        .await?)
    }

    /// Ranges of the pages of a unit; none if its pages are not counted, or are not more than one range
    /// has.
    pub(crate) async fn ranges(
        &self,
        unit: &Unit,
        pages: u64,
        state: &StreamState,
    ) -> Result<Vec<Part>, Error> {
        let key: [u8; 32] = state.signing_key.as_bytes().try_into().map_err(|_| {
            SinkError::lasting("the state of the stream has no key that signs its tokens")
        })?;
        let Some((after, Some(total))) = self.plan()?.first_page(unit, &key).await? else {
            return Ok(Vec::new());
        };
        if after.ahead(0, &key).is_none() {
            return Ok(Vec::new());
        }
        let all = total.div_ceil(after.page_size());
        let pages = pages.max(all.div_ceil(MOST_RANGES));
        let mut parts = Vec::new();
        let mut first = 0;
        while first < all {
            // The last one has no end: rows that come meanwhile are read.
            let own = Some(pages).filter(|own| first.saturating_add(*own) < all);
            // The token is that of the place after the first page.
            let start = first.checked_sub(1).and_then(|ahead| after.ahead(ahead, &key));
            parts.push(Part::range(unit, first, own, start.as_ref().map(ResumeToken::to_text)));
            first = first.saturating_add(pages);
        }
        Ok(parts)
    }

    fn not_divided(&self) -> Error {
        Error::Settings(format!("stream `{}` is not read in parts", self.name))
    }
}

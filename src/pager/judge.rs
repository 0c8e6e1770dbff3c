//! Judges the pages of one read, each in its turn: turns the conclusions of the plan into errors,
//! warnings and counts. Reads and requests no page.

mod wording;

use std::sync::Arc;

use http::{StatusCode, header::CONTENT_RANGE};

use super::{
    endpoint::Endpoint,
    facts::{PageInfo, Remarks, complete_length},
    strategy::{Observation, PageAddress, Plan, Statement, Verdict},
};
use crate::{
    dispatch::Connected,
    error::{Error, ErrorKind},
    events::Event,
    response::Response,
};

/// The judge of one read.
pub(super) struct Judge {
    pub(super) connected: Arc<Connected>,
    endpoint: Arc<Endpoint>,
    pub(super) plan: Plan,
    /// The index of the page that is judged.
    index: u64,
    items: usize,
    said: PageInfo,
    /// What any page of the read had. Of that which is strange, only the first was reported.
    had: Remarks,
    /// The overruled signals that were already reported.
    told: Vec<Statement>,
}

impl Judge {
    pub(super) fn new(connected: Arc<Connected>, endpoint: Arc<Endpoint>, plan: Plan) -> Self {
        Self {
            connected,
            endpoint,
            plan,
            index: 0,
            items: 0,
            said: PageInfo::default(),
            had: Remarks::default(),
            told: Vec::new(),
        }
    }

    /// Judges a page in its turn.
    ///
    /// # Errors
    /// The problem that makes the set incomplete or endless, with keys from its `body`.
    pub(super) fn judge(
        &mut self,
        observation: &Observation<'_>,
        body: &str,
    ) -> Result<Verdict, Error> {
        let &Observation { index, items, info, .. } = observation;
        (self.index, self.items, self.said) = (index, items, *info);
        let dispatcher = &self.connected.caller.dispatcher;
        dispatcher.counters().page(items);
        let page = self.number();
        dispatcher.events().emit(|| Event::PageRead { page, rows: items as u64 });
        let verdict = self.plan.observe(observation);
        if let Some(error) = self.failure(verdict, body) {
            return Err(error);
        }
        self.tell();
        self.tell_what_was_overruled(verdict == Verdict::Last);
        if verdict == Verdict::Last {
            self.end();
        }
        Ok(verdict)
    }

    /// Records that page `index` does not exist when it is its turn. Without an error, that is
    /// the end of the set.
    pub(super) fn miss(&mut self, index: u64, error: Error) -> Result<(), Error> {
        let missing = match error.status() {
            Some(StatusCode::NOT_FOUND) => self.plan.miss(index, false),
            Some(StatusCode::RANGE_NOT_SATISFIABLE) => self.plan.miss(index, true),
            _ => None,
        };
        // A 416 may report the length of the set (RFC 9110 section 15.5.17).
        let length = error.response().and_then(|response| {
            let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
            complete_length(value).ok()?
        });
        let more = match missing {
            None => return Err(error),
            Some(Verdict::Stuck(more)) => more,
            Some(_) if length.is_some_and(|length| length > self.plan.rows) => {
                self.said.total = length;
                Statement::Rows
            }
            Some(_) => {
                self.tell_what_was_overruled(true);
                self.end();
                return Ok(());
            }
        };
        let what = self.missing(more);
        Err(Error::new(ErrorKind::Incomplete, what).with_source(error))
    }

    /// Records that a rule ignores the response that was to be the first page of the set.
    pub(super) fn ignore(&self, error: &Error) {
        self.warn(ignored(error));
    }

    /// Whether an error means that the place of a page, which an earlier one named, has expired.
    pub(super) fn has_expired(&self, address: &PageAddress, error: &Error) -> bool {
        let is_named = *address != PageAddress::Start;
        let body = || error.response().map(Response::body);
        is_named
            && self.endpoint.paging.is_chained()
            && error.status().is_some_and(|status| {
                self.endpoint.paging.expires_with(status, body().map_or(&[], |body| body))
            })
    }

    /// The read restarts, in this way.
    pub(super) fn begin_again(&mut self, plan: Plan, how: &str) {
        self.warn(format!(
            "the place of the next page had expired, and the read {how}: what it reads is not one \
             state of the set"
        ));
        self.plan = plan;
    }

    /// The error for a verdict.
    fn failure(&self, verdict: Verdict, body: &str) -> Option<Error> {
        let (kind, what) = match verdict {
            Verdict::More | Verdict::Moved | Verdict::Last => return None,
            Verdict::Loop => (ErrorKind::PageLoop, self.repeated()),
            Verdict::Unpaged => {
                let what =
                    "every page is the same; if the API does not page, use the paging `none`";
                (ErrorKind::PaginationMissing, what.into())
            }
            Verdict::Changed => {
                let what = "the page names another total than those before it";
                (ErrorKind::SetChanged, what.into())
            }
            Verdict::Stuck(more) => (ErrorKind::Incomplete, self.stuck(more, body)),
            Verdict::Empty(pages, more) => (ErrorKind::Incomplete, self.empty(pages, more)),
            // What is left is in another window.
            Verdict::Capped if self.plan.paging.windows.is_some() => return None,
            Verdict::Capped => (ErrorKind::Incomplete, self.capped()),
        };
        Some(Error::new(kind, what))
    }

    fn number(&self) -> u64 {
        self.plan.paging.number(self.index)
    }

    /// Reports what is strange about a page.
    fn tell(&mut self) {
        let remarks = self.said.remarks;
        let is_new = |remark| remarks.has(remark) && !self.had.has(remark);
        if is_new(Remarks::TWICE) {
            self.warn("a key of the page occurs twice with different values".into());
        }
        if is_new(Remarks::UNREADABLE) {
            let what = "something in the `pagination` object is neither a count nor a flag";
            self.warn(what.into());
        }
        self.had.add(remarks);
    }

    /// Reports a signal of a page that was overruled.
    fn tell_what_was_overruled(&mut self, is_last: bool) {
        let Some(statement) = self.plan.overruled.take() else { return };
        if !self.told.contains(&statement) {
            self.told.push(statement);
            let said = self.describe(statement);
            let decided = if is_last { "the read ends" } else { "more pages follow" };
            self.warn(format!("{said}, but {decided}"));
        }
    }

    /// Reports a warning about the page that was judged last.
    pub(super) fn warn(&self, message: String) {
        let dispatcher = &self.connected.caller.dispatcher;
        let page = self.number();
        dispatcher.counters().warn_of_paging();
        tracing::warn!(page, %message, "a page contradicts what was decided");
        if let Some(on_warning) = &self.endpoint.on_warning {
            on_warning(&message);
        }
        dispatcher.events().emit(|| Event::PagingWarning { page, message });
    }

    /// Checks a read that has ended with its first page, which may name a next one at a place that
    /// no setting names.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] if nothing else says that this is the last page. If the user says
    /// that there is one page, it is a warning.
    pub(super) fn check_overlooked(&self, path: Option<&str>) -> Result<(), Error> {
        let PageInfo { total, total_pages, has_next, next_page, remarks, .. } = self.said;
        let is_told = has_next.or(next_page).is_some() || total.or(total_pages).is_some();
        let Some(path) = path.filter(|_| !is_told && !remarks.has(Remarks::POINTER)) else {
            return Ok(());
        };
        let what = self.overlooked(path);
        if self.plan.paging.is_paged() {
            return Err(Error::new(ErrorKind::Incomplete, what));
        }
        self.warn(what);
        Ok(())
    }

    /// The set has ended: reports configured places that no page had.
    fn end(&self) {
        if !self.plan.has_begun {
            return;
        }
        let envelope = &self.endpoint.envelope;
        for (index, (_, place)) in envelope.named.iter().enumerate() {
            let is_looked_for = !envelope.is_lines || place.is_header();
            if is_looked_for && !self.had.has(Remarks::place(index)) {
                self.warn(never_there(&place.name()));
            }
        }
        if let Some(place) = self.endpoint.paging.pointer_place()
            && !self.had.has(Remarks::POINTER)
        {
            self.warn(never_there(&place));
        }
    }
}

/// That a rule ignores the response with this error.
pub(super) fn ignored(error: &Error) -> String {
    let status = error.status().map_or(0, |status| status.as_u16());
    let told = error.response().and_then(Response::ruling).and_then(|own| own.message.as_ref());
    let told = told.map(|told| format!(" ({told})")).unwrap_or_default();
    format!("a rule ignores a response with status {status}{told}: the set has no rows")
}

/// That no page of a read had a value at a place.
pub(super) fn never_there(place: &str) -> String {
    format!("no page has had anything at `{place}`, not even null: is it mistyped?")
}

//! Where a read turns to after a page: the next page, the next window of time, or, if the place of the
//! next page has expired, another place; and where it stands meanwhile. Each window is a set of its own
//! to the rest of the reader.

use std::{mem, sync::Arc};

use super::{Reader, extent::horizon};
use crate::{
    error::{Error, ErrorKind},
    pager::{
        endpoint::PageScan,
        feed::Feed,
        page::OpenPage,
        strategy::{PageAddress, PagingFault, Plan, Position, Verdict, Window},
    },
    response::Response,
};

impl<T: Send + 'static> Reader<T> {
    /// Where the stream stands: after the last item that it has returned.
    pub(in crate::pager) fn position(&self) -> Position {
        let page = self.page.as_ref().filter(|_| self.behind == 0);
        let taken = page.map_or(self.position.taken, OpenPage::taken);
        Position { taken, full: self.judge.plan.full, ..self.position.clone() }
    }

    /// Ends the read with `error` after the current page. Nothing more is requested.
    pub(super) fn fail(&mut self, error: Error) {
        (self.feed, self.failure) = (None, Some(error));
    }

    /// Leaves the current page after an error, and returns that error. Nothing is requested in the
    /// place of the page.
    pub(super) fn leave_page(&mut self, error: Error) -> Error {
        (self.feed, self.held) = (None, None);
        if let Some(page) = self.page.take() {
            self.leave(&page);
        }
        self.on_page(error)
    }

    /// Counts what was taken of a page that is left. Skipped rows were taken before.
    pub(super) fn leave(&mut self, page: &OpenPage<T>) {
        if self.behind == 0 {
            self.position.taken = page.taken();
        }
        self.rows += page.handed_out();
    }

    /// Moves the position to the page that has arrived.
    pub(super) fn arrive(&mut self, address: PageAddress) {
        if self.behind == 0 {
            self.position.go_to(self.index, Some(address), self.judge.plan.rows);
        }
    }

    /// Takes a page of the current window, without the rows that windows before had, and returns
    /// how many those are. `None` if it is left unread, since the window is cut.
    ///
    /// # Errors
    /// If its rows are not those of the window, or it cannot be cut.
    pub(super) fn take_part(
        &mut self,
        scan: Option<&mut PageScan>,
        response: &Response,
    ) -> Result<Option<usize>, Error> {
        let Some(scan) = scan else { return Ok(Some(0)) };
        if self.endpoint.paging.restart_field().is_some() {
            return self.take_last_row(scan, response).map(Some);
        }
        let Some(parts) = self.parts.as_mut() else { return Ok(Some(0)) };
        let cap = self.endpoint.paging.most_rows();
        let is_beyond = cap.zip(scan.info.total).is_some_and(|(cap, total)| total >= cap);
        // A read that goes on in this page has taken a part of it, which is in no half.
        if is_beyond && self.index == 0 && self.skip == 0 {
            let half = parts.windows.half(&parts.window);
            let half = half.map_err(|error| error.with_response(response.clone()))?;
            self.pages += 1;
            self.endpoint.bounds.check_pages(self.pages.saturating_add(1))?;
            self.enter(half);
            return Ok(None);
        }
        // Where the read goes on if it is resumed in this page.
        self.position.window = Some(Box::new(parts.window.clone()));
        let rows = scan.list.texts_of(response).collect::<Result<Vec<_>, _>>()?;
        let fault = |fault| failed(fault, response);
        let known = parts.windows.take(&mut parts.window, &rows).map_err(fault)?;
        let is_news = known.len() < rows.len();
        if self.index == 0 {
            parts.first = (Some(scan.content), parts.first.0);
            if is_news && parts.first.0 == parts.first.1 {
                let [from, to] = parts.windows.own_params();
                let what = format!(
                    "two windows begin with the same rows: the parameters `{from}` and `{to}` \
                     have no effect, or other names"
                );
                return Err(fault(PagingFault { kind: ErrorKind::PageLoop, what }));
            }
        }
        if !known.is_empty() {
            scan.list.leave_out(&known);
        }
        Ok(Some(known.len()))
    }

    /// Takes a page of a read that may go on after its last row, without the rows that came before,
    /// and returns how many those are.
    fn take_last_row(&mut self, scan: &mut PageScan, response: &Response) -> Result<usize, Error> {
        let before = self.last.clone();
        let rows = scan.list.texts_of(response).collect::<Result<Vec<_>, _>>()?;
        let known = self.endpoint.paging.take_last(&mut self.last, &rows);
        let known = known.map_err(|fault| failed(fault, response))?;
        // The position stays where it is while rows are skipped.
        if self.behind <= rows.len().saturating_sub(known.len()) as u64 {
            self.position.last = Some(before);
        }
        if !known.is_empty() {
            scan.list.leave_out(&known);
        }
        Ok(known.len())
    }

    /// Finds the window after the current one, which was read to its end or to the API's row cap.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] if the rest of it cannot be reached.
    pub(super) fn find_next_part(&mut self, verdict: Verdict) -> Result<(), Error> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        parts.next = match verdict {
            Verdict::Capped => Some(parts.windows.rest(&parts.window)?),
            _ => parts.windows.after(&parts.window),
        };
        if parts.next.is_some() {
            // This page was within the bound, and is handed out.
            let next = self.pages.saturating_add(1);
            self.failure = self.endpoint.bounds.check_pages(next).err();
        }
        Ok(())
    }

    /// Moves the position to the start of the next page, to that of the next window, or to the end.
    pub(super) fn go_to_the_next(&mut self) {
        if let Some(next) = self.parts.as_mut().and_then(|parts| parts.next.take()) {
            self.enter(next);
            return;
        }
        let following = self.following.take();
        // Skipped rows were read before.
        if self.behind == 0 {
            self.position.go_to(self.index, following, self.judge.plan.rows);
            let window = self.parts.as_ref().map(|parts| Box::new(parts.window.clone()));
            self.position.window = window;
            if self.position.last.is_some() {
                self.position.last = Some(self.last.clone());
            }
        }
    }

    /// Goes on at the start of a window.
    fn enter(&mut self, window: Window) {
        let Some(parts) = &mut self.parts else { return };
        parts.origin.learn_move(&self.endpoint);
        self.endpoint = Arc::new(parts.origin.within(&parts.windows, &window));
        parts.window = window.clone();
        let start = Position { window: Some(Box::new(window)), ..self.endpoint.start() };
        self.needed = self.needed.map(|rows| rows.saturating_sub(self.judge.plan.rows));
        self.position = start.clone();
        let plan = self.reopen(start);
        self.judge.plan = plan;
    }

    /// Restarts the read, whose next place has expired with `error`, if that is allowed, and skips
    /// the rows that were read before.
    pub(super) fn begin_again(&mut self, error: Error) -> Result<(), Error> {
        let Some(left) = self.restarts.checked_sub(1) else { return Err(expired(error)) };
        self.restarts = left;
        let rows = self.judge.plan.rows;
        let body = error.response().map(|response| response.body().clone()).unwrap_or_default();
        if let Some(next) = self.endpoint.paging.next_in_place_of_expired(&body) {
            let full = self.judge.plan.full;
            let start = Position { index: self.index, full, ..Position::at(next, rows) };
            let plan = self.reopen(start);
            self.judge.begin_again(plan, "goes on at the place that the answer names");
            return Ok(());
        }
        self.behind += mem::take(&mut self.skip);
        let paging = &self.endpoint.paging;
        if let Some((param, last)) = paging.after_the_last(&self.last) {
            let how = match paging.restart_field() {
                Some(field) => format!("goes on after the last row by its `{field}`"),
                None => String::new(),
            };
            self.endpoint = Arc::new(self.endpoint.after_row(param));
            *self.last = last;
            let decided = self.position.decided.take();
            let last = Some(self.last.clone());
            let taken = self.behind;
            self.position = Position { taken, last, decided, ..self.endpoint.start() };
            let plan = self.reopen(self.endpoint.start());
            self.judge.begin_again(plan, &how);
            return Ok(());
        }
        let plan = self.reopen(self.endpoint.start());
        self.behind += rows;
        let rows = self.behind;
        self.judge.begin_again(plan, &format!("begins again after {rows} rows"));
        Ok(())
    }

    /// Requests the pages from `start` on.
    fn reopen(&mut self, start: Position) -> Plan {
        let plan = Plan::new(self.endpoint.paging.clone(), &start);
        let horizon = horizon(&plan, self.needed, start.index, self.pages_left());
        self.index = start.index;
        let (connected, endpoint) = (Arc::clone(&self.judge.connected), Arc::clone(&self.endpoint));
        let opening = async move { Feed::open(&connected, &endpoint, &start, horizon).await };
        self.reopening = Some(Box::pin(opening));
        (self.feed, self.previous, self.following) = (None, None, None);
        plan
    }
}

fn failed(PagingFault { kind, what }: PagingFault, response: &Response) -> Error {
    Error::new(kind, what).with_response(response.clone())
}

/// The error of a page whose place has expired.
fn expired(error: Error) -> Error {
    let what = "the place of the next page has expired; a read that begins again may see another \
                state of the set, see the setting `restart_when_expired`";
    let response = error.response().cloned();
    let expired = Error::new(ErrorKind::CursorExpired, what).with_source(error);
    response.into_iter().fold(expired, Error::with_response)
}

//! The reader of one stream, on the consumer's side: takes pages from the pager's feed, builds
//! their items on demand, lets the plan judge each page in its turn, and tells the pager how far
//! the set reaches. A set in windows of time is one set after the other to it (`turns`).

mod decide;
mod extent;
mod parts;
mod reads;
mod resumed;
mod turns;

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use futures::future::BoxFuture;

use decide::decide;
use extent::horizon;
use parts::Parts;
use resumed::{begin, begun_again};

use super::{
    endpoint::{Endpoint, LONG, PageScan},
    facts::PageInfo,
    feed::Feed,
    format::{Decode, ItemList, same_items},
    judge::Judge,
    page::{Built, OpenPage},
    page_window::PagePermit,
    prefetcher::QueuedPage,
    strategy::{Continuation, LastRow, Observation, PageAddress, Plan, Position, Verdict},
};
use crate::{
    coop::CoopBudget,
    dispatch::PoolLink,
    error::{Error, ErrorKind},
    priority::Priority,
};

/// Reads one paged endpoint in order.
pub(super) struct Reader<T: Send + 'static> {
    endpoint: Arc<Endpoint>,
    decoder: Decode<T>,
    /// `None` once the last page was taken. Dropped before any page that keeps a permit.
    feed: Option<Feed>,
    judge: Judge,
    /// The index of the next page.
    index: u64,
    /// The current page.
    page: Option<OpenPage<T>>,
    /// Builds its next item elsewhere, while that is done.
    building: Option<BoxFuture<'static, Built<T>>>,
    /// Whether it was already judged. A page that certainly belongs to the set is judged once its
    /// items were built.
    is_judged: bool,
    /// The index of the latest page.
    pub(super) at_hand: u64,
    /// Where the stream stands, without the items taken from the current page.
    position: Position,
    /// The address of the page after the current one; `None` after the last.
    following: Option<PageAddress>,
    /// How many items of the first page were taken before the read was resumed.
    skip: u64,
    /// How many rows of the set the consumer needs, until it wants more.
    needed: Option<u64>,
    /// The windows of the set, if it is read in windows.
    parts: Option<Box<Parts>>,
    /// The last row, if the read may go on after it.
    last: Box<LastRow>,
    /// How many restarts are left.
    restarts: u32,
    /// How many rows were read before a restart and must still be skipped.
    behind: u64,
    /// The pages from the start on, after a restart.
    reopening: Option<BoxFuture<'static, Result<Feed, Error>>>,
    /// The current page's permit of the window, which is returned when the page is consumed.
    held: Option<PagePermit>,
    /// The items of the previous page, and their hash if that is known.
    previous: Option<(ItemList, Option<u64>)>,
    coop: CoopBudget,
    /// The error to return once the current page is consumed.
    failure: Option<Error>,
    /// How many items the previous page had.
    expected: usize,
    /// The total number of items in the set, as a page last reported it.
    pub(super) told: Option<u64>,
    /// How many pages were judged, and how many rows were returned from pages that were left.
    pages: u64,
    rows: u64,
}

impl<T: Send + 'static> Reader<T> {
    /// Starts the pool, if it has not started, and a pager, and continues at `position`.
    pub(super) async fn open(
        link: PoolLink,
        mut endpoint: Endpoint,
        decoder: Decode<T>,
        mut position: Position,
    ) -> Result<Self, Error> {
        endpoint.paging.check()?;
        endpoint.priority = endpoint.priority.or_else(Priority::of_scope);
        endpoint.bounds = endpoint.bounds.begun(Instant::now());
        let is_auto = endpoint.paging.is_auto();
        if !is_auto {
            position.check(&endpoint.paging)?;
        }
        let connected = link.connect().await?;
        let told = match is_auto {
            true => Box::pin(decide(&connected, &mut endpoint, &mut position)).await?,
            false => None,
        };
        endpoint.paging.check_origins(&connected.caller.dispatcher.config)?;
        let mut endpoint = Arc::new(endpoint);
        let parts = Parts::of(&mut endpoint, &mut position)?;
        let last = position.last.clone().unwrap_or_default();
        if let Some(param) = endpoint.paging.gone_on(&last) {
            endpoint = Arc::new(endpoint.after_row(param));
        }
        let (start, behind) = begin(&endpoint, &position)?;
        let plan = Plan::new(endpoint.paging.clone(), &start);
        let needed = endpoint.needed;
        let feed = match &start.address {
            Some(_) => {
                let horizon = horizon(&plan, needed, start.index, endpoint.bounds.max_pages);
                Some(Feed::open(&connected, &endpoint, &start, horizon).await?)
            }
            None => None,
        };
        let judge = Judge::new(connected, Arc::clone(&endpoint), plan);
        told.into_iter().for_each(|told| judge.warn(told));
        behind.iter().for_each(|rows| judge.warn(begun_again(*rows)));
        Ok(Self {
            judge,
            index: start.index,
            page: None,
            building: None,
            is_judged: false,
            at_hand: 0,
            skip: start.taken,
            needed,
            parts,
            last,
            restarts: endpoint.paging.restarts() - u32::from(behind.is_some()),
            behind: behind.unwrap_or_default(),
            reopening: None,
            position,
            following: None,
            held: None,
            previous: None,
            coop: CoopBudget::default(),
            failure: None,
            expected: 0,
            told: None,
            pages: 0,
            rows: 0,
            feed,
            endpoint,
            decoder,
        })
    }

    /// Moves to the next page, once all items of the current one were taken. The error is the
    /// stream's end: `None` after the last page.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Error>>> {
        self.held = None;
        let is_consumed = self.page.is_some();
        let concluded = match self.page.take() {
            None => Ok(()),
            Some(page) => {
                self.leave(&page);
                match self.is_judged {
                    true => Ok(()),
                    false => {
                        page.info().and_then(|info| self.conclude(page.built(), &info, false, None))
                    }
                }
            }
        };
        let concluded = self.failure.take().map_or(concluded, Err);
        if is_consumed && concluded.is_ok() {
            self.go_to_the_next();
        }
        let Some(queued) = (match concluded {
            Ok(()) => ready!(self.poll_queued(cx)).transpose().map_err(Some)?,
            Err(error) => return Poll::Ready(Err(Some(self.on_page(error)))),
        }) else {
            return Poll::Ready(Err(None));
        };
        Poll::Ready(self.take(queued).map_err(|error| Some(self.on_page(error))))
    }

    /// The next page in order. `None` after the last.
    fn poll_queued(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<QueuedPage, Error>>> {
        if let Some(reopening) = &mut self.reopening {
            let feed = ready!(reopening.as_mut().poll(cx));
            self.reopening = None;
            match feed {
                Ok(feed) => self.feed = Some(feed),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let is_more_than_needed =
            self.needed.is_some_and(|rows| self.judge.plan.pages_up_to(rows) == 0);
        if is_more_than_needed {
            self.needed = None;
            let horizon = horizon(&self.judge.plan, None, self.index, self.pages_left());
            self.feed.iter().for_each(|feed| feed.set_horizon(horizon));
        }
        match &mut self.feed {
            Some(feed) => {
                let page = feed.poll(cx);
                if page.is_pending() {
                    self.coop.renew();
                }
                page.map(Some)
            }
            None => Poll::Ready(None),
        }
    }

    /// Processes the next page. Its permit is returned once the page is judged, so that no page is
    /// requested in its place if it is the last one, and, if there are several permits, consumed.
    fn take(&mut self, QueuedPage { page, address, permit }: QueuedPage) -> Result<(), Error> {
        self.at_hand = self.index;
        self.endpoint.bounds.check_time(Instant::now)?;
        let mut fetched = match page {
            Ok(fetched) => fetched,
            Err(error) => return self.take_failure(address, error),
        };
        let mut permit = Some(permit);
        if self.endpoint.counts_the_page_at_hand() {
            self.held = permit.take();
        }
        let address = fetched.found.take().map_or(address, |found| *found);
        let mut scan = fetched.scan.take();
        let Some(known) = self.take_part(scan.as_deref_mut(), &fetched.response)? else {
            return Ok(());
        };
        self.endpoint.tell_text(&fetched.response);
        let number = self.judge.plan.paging.number(self.index);
        let items = scan.as_ref().map_or(0, |scan| scan.items);
        let list = scan.as_ref().map(|scan| scan.list.clone());
        let repeated = self.behind.min(items.saturating_sub(known) as u64);
        self.behind -= repeated;
        let skip = mem::take(&mut self.skip) + repeated;
        self.arrive(address);
        let mut page =
            OpenPage::open(&self.endpoint, &self.decoder, fetched, list, number, skip, self.rows)?;
        let content = scan.as_ref().map(|scan| scan.content);
        let previous = self.previous.replace((page.list.clone(), content));
        let repeats = previous
            .filter(|_| known == 0)
            .is_some_and(|previous| same((&previous.0, previous.1), (&page.list, content)));
        let is_promised = self.judge.plan.is_promised(self.index);
        // A page that may be the last one, or not belong to the set, is judged before its items
        // are returned, which costs a scan. A promised page belongs to the set whatever it says,
        // so it is judged from what was built of it.
        self.is_judged = repeats || !page.has_items() || !is_promised || scan.is_some();
        if self.is_judged {
            self.judge_unread(&mut page, scan, repeats)?;
            self.expected -= known.min(self.expected);
        }
        self.page = Some(page);
        Ok(())
    }

    /// Processes the failure of the next page.
    fn take_failure(&mut self, address: PageAddress, error: Error) -> Result<(), Error> {
        if self.judge.has_expired(&address, &error) {
            return self.begin_again(error);
        }
        // A read that is resumed in the middle of this page is there already.
        if self.skip == 0 {
            self.arrive(address);
        }
        match error.is_ignored() && self.is_untouched() {
            true => self.judge.ignore(&error),
            false => self.judge.miss(self.index, error)?,
        }
        self.skip = 0;
        self.feed = None;
        self.find_next_part(Verdict::Last)?;
        self.go_to_the_next();
        Ok(())
    }

    /// Whether no page of the set was read before, also not before a restart or in another window.
    fn is_untouched(&self) -> bool {
        self.judge.plan.begins_at(self.index)
            && self.parts.as_deref().is_none_or(Parts::are_untouched)
            && self.skip == 0
            && self.behind == 0
            && self.restarts == self.endpoint.paging.restarts()
            && self.endpoint.paging.gone_on(&self.last).is_none()
    }

    /// Judges a page before any of its items is read, by its scan or by a survey.
    fn judge_unread(
        &mut self,
        page: &mut OpenPage<T>,
        mut scan: Option<Box<PageScan>>,
        repeats: bool,
    ) -> Result<(), Error> {
        let (items, info, overlooked) = match &mut scan {
            Some(scan) => (scan.items, scan.info, scan.overlooked.take()),
            None => {
                let (taken, info) = page.survey()?;
                let (endpoint, response) = (&self.endpoint, &page.response);
                let overlooked = endpoint.overlooked(self.index, &page.list, taken, response);
                (taken.count, info, overlooked)
            }
        };
        self.endpoint.bounds.check_items(items as u64)?;
        let named = scan.filter(|_| self.endpoint.paging.is_chained());
        let concluded = self.conclude(items, &info, repeats, named);
        match concluded.and_then(|()| self.judge.check_overlooked(overlooked.as_deref())) {
            // Its own rows belong to the set all the same.
            Err(error) if error.kind() == ErrorKind::Incomplete => self.fail(error),
            concluded => concluded?,
        }
        Ok(())
    }

    /// Judges the current page. `named` is the result of the scan when it arrived, if pages name
    /// each other.
    fn conclude(
        &mut self,
        items: usize,
        info: &PageInfo,
        repeats: bool,
        named: Option<Box<PageScan>>,
    ) -> Result<(), Error> {
        self.expected = items;
        if self.parts.is_none() {
            self.told = info.total.or(self.told);
        }
        let continuation = match &named {
            Some(scan) => scan.continuation,
            None if self.endpoint.paging.is_paged() => Continuation::Computed,
            None => Continuation::Nowhere,
        };
        let body = self.previous.as_ref().map_or("", |(list, _)| &*list.text);
        // Long pages are not searched for keys.
        let body = if body.len() < LONG { body } else { "" };
        let (index, is_flag_named) = (self.index, self.endpoint.envelope.has_flag());
        let observation = Observation { index, items, info, repeats, continuation, is_flag_named };
        let verdict = self.judge.judge(&observation, body)?;
        self.pages += 1;
        if matches!(verdict, Verdict::Last | Verdict::Capped) {
            self.feed = None;
            self.find_next_part(verdict)?;
        } else if let Err(error) = self.endpoint.bounds.check_pages(self.pages.saturating_add(1)) {
            self.fail(error);
        } else {
            let (next, left) = (self.index + 1, self.pages_left());
            let horizon = horizon(&self.judge.plan, self.needed, next, left);
            let is_asked_for = named.as_ref().is_none_or(|scan| scan.goes_on);
            let named = named.and_then(|scan| scan.next);
            self.following = named.or_else(|| self.judge.plan.address(self.index + 1));
            if let Some(feed) = &mut self.feed {
                match (verdict, &self.following) {
                    (Verdict::Moved, _) => feed.begin_again(self.index + 1, horizon),
                    (_, Some(address)) if !is_asked_for => feed.go_on(address.clone(), horizon),
                    _ => feed.set_horizon(horizon),
                }
            }
        }
        self.index += 1;
        Ok(())
    }

    fn pages_left(&self) -> u64 {
        self.endpoint.bounds.max_pages.saturating_sub(self.pages)
    }

    fn on_page(&self, error: Error) -> Error {
        error.with_page(self.judge.plan.paging.number(self.at_hand))
    }
}

/// Whether two pages hold the same items. Long ones are compared by hash.
fn same((one, this): (&ItemList, Option<u64>), (other, that): (&ItemList, Option<u64>)) -> bool {
    match (this, that) {
        (Some(this), Some(that)) if one.text.len().min(other.text.len()) >= LONG => this == that,
        _ => same_items(one, other),
    }
}

//! The reader of one stream, on the consumer's side: takes pages from the pager's feed,
//! builds their items as they are wanted, lets the plan judge each page in its turn, and
//! tells the pager how far the set reaches.

mod items;
mod undecoded;

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use super::{
    ahead::{Delivery, Reach},
    content::same_items,
    facts::Meta,
    judge::Judge,
    list::List,
    page::UndecodedPage,
    restart::Restart,
    source::Source,
    strategy::{Address, Plan, Verdict, Way},
    target::{LONG, ReadAhead, Target},
    token::Position,
    window::PagePermit,
};
use crate::{
    coop::CoopBudget,
    dispatch::PoolLink,
    error::{Error, ErrorKind},
    priority::Priority,
};

/// Reads one paged endpoint in order.
pub(super) struct Reader<T: Send + 'static> {
    target: Arc<Target<T>>,
    /// `None` when the last page was taken. Dropped before any page that keeps a permit.
    source: Option<Source<T>>,
    judge: Judge<T>,
    /// The page whose turn it is.
    index: u64,
    /// The page at hand.
    page: Option<(UndecodedPage<T>, Judged)>,
    /// The index of the page that came last.
    at_hand: u64,
    /// Where the stream stands, but for the items taken of the page at hand.
    position: Position,
    /// Where the page after the one at hand is; `None` after the last.
    following: Option<Address>,
    /// How many items of the first page were taken before the read was resumed.
    skip: u64,
    /// Begins the read again where that is set.
    restart: Restart<T>,
    /// The permit of the window of the page at hand, which is free when it is consumed.
    held: Option<PagePermit>,
    /// The items of the last page, and what they are if that is known.
    previous: Option<(List, Option<u64>)>,
    coop: CoopBudget,
    /// Why the read cannot be whole, when the page at hand is consumed.
    failure: Option<Error>,
    /// How many items the last page had.
    expected: usize,
    /// How many items the set has, as a page told last.
    told: Option<u64>,
    /// How many pages were judged, and how many rows were handed out of those that were left.
    pages: u64,
    rows: u64,
}

/// What a page names as the next one.
struct Next {
    address: Option<Address>,
    way: Way,
    /// Whether the pager has asked for it already.
    is_asked_for: bool,
}

/// When a page whose items are being built is judged.
enum Judged {
    Already,
    /// It has its place in the set in any case.
    AtItsEnd,
}

impl<T: Send + 'static> Reader<T> {
    /// Starts the pool, if it has not started, and a pager, and goes on at `position`.
    pub(super) async fn open(
        link: PoolLink,
        mut target: Target<T>,
        position: Position,
    ) -> Result<Self, Error> {
        target.paging.check()?;
        target.priority = target.priority.or_else(Priority::of_scope);
        target.bounds = target.bounds.begun(Instant::now());
        let start = position.start(&target.paging)?;
        let connected = link.0.connect().await?;
        target.paging.check_origins(&connected.caller.dispatcher.config)?;
        let target = Arc::new(target);
        let plan = Plan::new(target.paging.clone(), start.as_ref().unwrap_or(&target.start()));
        let source = match &start {
            Some(start) => {
                let reach = reach(&plan, start.index, target.bounds.max_pages);
                Some(Source::open(&connected, &target, start, reach).await?)
            }
            None => None,
        };
        Ok(Self {
            judge: Judge::new(connected, Arc::clone(&target), plan),
            index: start.map_or(0, |start| start.index),
            page: None,
            at_hand: 0,
            skip: position.taken,
            restart: Restart::new(target.paging.restarts()),
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
            source,
            target,
        })
    }

    /// Where the stream stands: after the last item that it has handed out.
    pub(super) fn position(&self) -> Position {
        let taken = self.page.as_ref().map_or(self.position.taken, |(page, _)| page.taken());
        Position { taken, full: self.judge.plan.full(), ..self.position.clone() }
    }

    /// The index of the page that came last.
    pub(super) fn page_at_hand(&self) -> u64 {
        self.at_hand
    }

    /// How many items the set has, as a page told last.
    pub(super) fn told_total(&self) -> Option<u64> {
        self.told
    }

    /// Leaves the page at hand, of which no more can be read, and returns why.
    fn leave_page(&mut self, error: Error) -> Error {
        self.held = None;
        if let Some((page, _)) = self.page.take() {
            self.position.taken = page.taken();
            self.rows += page.handed_out();
        }
        self.on_page(error)
    }

    /// Turns to the next page, when all items at hand were taken. The error is the stream's
    /// end: `None` after the last page.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Error>>> {
        self.held = None;
        let is_consumed = self.page.is_some();
        let concluded = match self.page.take() {
            None => Ok(()),
            Some((page, judged)) => {
                self.position.taken = page.taken();
                self.rows += page.handed_out();
                match judged {
                    Judged::Already => Ok(()),
                    Judged::AtItsEnd => {
                        page.meta().and_then(|meta| self.conclude(page.built(), &meta, false, None))
                    }
                }
            }
        };
        let concluded = self.failure.take().map_or(concluded, Err);
        if is_consumed && concluded.is_ok() {
            self.go_to_the_next();
        }
        let Some(delivery) = (match concluded {
            Ok(()) => ready!(self.poll_delivery(cx)).transpose().map_err(Some)?,
            Err(error) => return Poll::Ready(Err(Some(self.on_page(error)))),
        }) else {
            return Poll::Ready(Err(None));
        };
        Poll::Ready(self.take(delivery).map_err(|error| Some(self.on_page(error))))
    }

    /// The stream stands before the next page, or at the end.
    fn go_to_the_next(&mut self) {
        let following = self.following.take();
        // What is passed over was read before.
        if !self.restart.is_behind() {
            self.position.go_to(self.index, following, self.judge.plan.rows());
        }
    }

    /// The page whose turn it is. `None` after the last.
    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery, Error>>> {
        match ready!(self.restart.poll(cx)) {
            Some(Ok(source)) => self.source = Some(source),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {}
        }
        match &mut self.source {
            Some(source) => {
                let page = source.poll(cx);
                if page.is_pending() {
                    self.coop.renew();
                }
                page.map(Some)
            }
            None => Poll::Ready(None),
        }
    }

    /// Takes in the page whose turn it is. Its permit is free again once the page is judged, so
    /// that none is asked for in its stead if it is the last, and, where there are several,
    /// consumed.
    fn take(&mut self, Delivery { page, address, mut permit }: Delivery) -> Result<(), Error> {
        self.at_hand = self.index;
        self.target.bounds.check_time(Instant::now)?;
        let mut arrival = match page {
            Err(error) if self.judge.has_expired(address.as_ref(), &error) => {
                return self.begin_again(error);
            }
            Err(error) => {
                self.arrive(address);
                self.judge.miss(self.index, error)?;
                self.source = None;
                self.position.go_to(self.index, None, self.judge.plan.rows());
                return Ok(());
            }
            Ok(arrival) => arrival,
        };
        if self.target.counts_the_page_at_hand() {
            self.held = permit.take();
        }
        let read = arrival.read.take();
        let number = self.judge.plan.paging().number(self.index);
        let items = read.as_ref().map_or(0, |read| read.items);
        let list = read.as_ref().map(|read| read.list.clone());
        let skip = mem::take(&mut self.skip) + self.restart.pass_over(items);
        self.arrive(address);
        let page = UndecodedPage::open(&self.target, arrival, list, number, skip, self.rows)?;
        let content = read.as_ref().map(|read| read.content);
        let previous = self.previous.replace((page.list().clone(), content));
        let repeats = previous
            .is_some_and(|previous| same((&previous.0, previous.1), (page.list(), content)));
        let is_promised = self.judge.plan.is_promised(self.index);
        if !repeats && page.has_items() && is_promised && read.is_none() {
            self.page = Some((page, Judged::AtItsEnd));
            return Ok(());
        }
        let (items, meta, next) = match read {
            Some(read) => {
                let ReadAhead { items, meta, next, way, goes_on, .. } = *read;
                let next = Next { address: next, way, is_asked_for: goes_on };
                (items, meta, Some(next).filter(|_| self.target.paging.is_chained()))
            }
            None => {
                let (items, meta) = page.survey()?;
                (items, meta, None)
            }
        };
        self.target.bounds.check_items(items as u64)?;
        match self.conclude(items, &meta, repeats, next) {
            // Its own rows are of the set all the same.
            Err(error) if error.kind() == ErrorKind::Incomplete => self.failure = Some(error),
            concluded => concluded?,
        }
        self.page = Some((page, Judged::Already));
        Ok(())
    }

    /// The stream stands at the page that has come.
    fn arrive(&mut self, address: Option<Address>) {
        if address.is_some() && !self.restart.is_behind() {
            self.position.go_to(self.index, address, self.judge.plan.rows());
        }
    }

    /// Begins again where the place of the next page has expired, if that is set.
    fn begin_again(&mut self, error: Error) -> Result<(), Error> {
        let plan = Plan::new(self.target.paging.clone(), &self.target.start());
        let rows = self.judge.plan.rows();
        let reach = reach(&plan, 0, self.pages_left());
        if !self.restart.begin(self.judge.connected(), &self.target, reach, rows) {
            return Err(expired(error));
        }
        self.judge.begin_again(plan, rows);
        (self.source, self.previous, self.following, self.index) = (None, None, None, 0);
        Ok(())
    }

    /// Judges the page whose turn it was. `next` is what it names as the next page, where
    /// pages do.
    fn conclude(
        &mut self,
        items: usize,
        meta: &Meta,
        repeats: bool,
        next: Option<Next>,
    ) -> Result<(), Error> {
        self.expected = items;
        self.told = meta.total.or(self.told);
        let way = match &next {
            Some(next) => next.way,
            None if self.target.paging.is_paged() => Way::Computed,
            None => Way::Nowhere,
        };
        let body = self.previous.as_ref().map_or("", |(list, _)| list.text());
        // In a long page no words are looked for.
        let body = if body.len() < LONG { body } else { "" };
        let verdict = self.judge.judge(self.index, items, meta, repeats, way, body)?;
        self.pages += 1;
        if verdict == Verdict::Last {
            self.source = None;
        } else if let Err(error) = self.target.bounds.check_pages(self.pages.saturating_add(1)) {
            (self.source, self.failure) = (None, Some(error));
        } else {
            let reach = reach(&self.judge.plan, self.index + 1, self.pages_left());
            let is_asked_for = next.as_ref().is_none_or(|next| next.is_asked_for);
            let named = next.and_then(|next| next.address);
            self.following = named.or_else(|| self.judge.plan.address(self.index + 1));
            if let Some(source) = &mut self.source {
                match (verdict, &self.following) {
                    (Verdict::Elsewhere, _) => source.begin_again(self.index + 1, reach),
                    (_, Some(address)) if !is_asked_for => source.go_on(address.clone(), reach),
                    _ => source.set_reach(reach),
                }
            }
        }
        self.index += 1;
        Ok(())
    }

    fn pages_left(&self) -> u64 {
        self.target.bounds.max_pages.saturating_sub(self.pages)
    }

    fn on_page(&self, error: Error) -> Error {
        error.with_page(self.judge.plan.paging().number(self.at_hand))
    }
}

/// The error of a page whose place is gone.
fn expired(error: Error) -> Error {
    let what = "the place of the next page has expired; a read that begins again may see another \
                state of the set, see Paging::restart_when_expired";
    let response = error.response().cloned();
    let expired = Error::new(ErrorKind::CursorExpired, what).with_source(error);
    response.into_iter().fold(expired, Error::with_response)
}

/// Whether two pages hold the same items. Long ones are compared by what they are.
fn same((one, this): (&List, Option<u64>), (other, that): (&List, Option<u64>)) -> bool {
    match (this, that) {
        (Some(this), Some(that)) if one.text().len().min(other.text().len()) >= LONG => {
            this == that
        }
        _ => same_items(one, other),
    }
}

/// What may be asked for by the plan, of so many pages at most from page `next` on.
fn reach(plan: &Plan, next: u64, left: u64) -> Reach {
    Reach { horizon: plan.horizon().min(next.saturating_add(left)), steps: plan.steps() }
}

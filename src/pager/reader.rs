//! The reader of one stream, on the consumer's side: takes pages from the pager's feed,
//! builds their items as they are wanted, lets the plan judge each page in its turn, and
//! tells the pager how far the set reaches.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
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
    target::{ReadAhead, Target},
    token::Position,
    window::Place,
};
use crate::{
    dispatch::PoolLink,
    error::{Error, ErrorKind},
    priority::Priority,
};

/// Reads one paged endpoint in order.
pub(super) struct Reader<T: Send + 'static> {
    target: Arc<Target<T>>,
    /// `None` when the last page was taken. Dropped before any page that keeps a place.
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
    /// The place in the window of the page at hand, which is free when it is consumed.
    held: Option<Place>,
    /// The items of the last page.
    previous: Option<List>,
    /// Why the read cannot be whole, when the page at hand is consumed.
    failure: Option<Error>,
    /// How many items the last page had.
    expected: usize,
    /// How many items the set has, as a page told last.
    told: Option<u64>,
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
        let start = position.start(&target.paging)?;
        let control = link.0.connect().await?;
        let target = Arc::new(target);
        let plan = Plan::new(target.paging.clone(), start.as_ref().unwrap_or(&target.start()));
        let source = match &start {
            Some(start) => Some(Source::open(&control, &target, start, reach(&plan)).await?),
            None => None,
        };
        Ok(Self {
            judge: Judge::new(control, Arc::clone(&target), plan),
            index: start.map_or(0, |start| start.index),
            page: None,
            at_hand: 0,
            skip: position.taken,
            restart: Restart::new(target.paging.restarts()),
            position,
            following: None,
            held: None,
            previous: None,
            failure: None,
            expected: 0,
            told: None,
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

    /// The next item. `None` after the last.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            let next = self.page.as_mut().and_then(|(page, _)| page.next_item());
            match next {
                Some(Ok(_)) => return Poll::Ready(next),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.leave_page(error)))),
                None => {}
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// At most `most` of the items that are left of a page, or else of those of the next page
    /// that has some. `None` after the last.
    pub(super) fn poll_items(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        loop {
            let expected = self.expected;
            let items = self.page.as_mut().map(|(page, _)| page.next_items(most, expected));
            match items {
                Some(Ok(items)) if !items.is_empty() => return Poll::Ready(Some(Ok(items))),
                Some(Err(error)) => return Poll::Ready(Some(Err(self.leave_page(error)))),
                _ => {}
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// What is left of a page that was begun, or else the next page that has items, as it is.
    /// `None` after the last.
    pub(super) fn poll_undecoded(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<UndecodedPage<T>, Error>>> {
        loop {
            if let Some((page, judged)) = self.page.take_if(|(page, _)| page.has_items()) {
                return Poll::Ready(Some(self.part_with(page, &judged)));
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// Judges a page now that it is not read here.
    fn part_with(
        &mut self,
        page: UndecodedPage<T>,
        judged: &Judged,
    ) -> Result<UndecodedPage<T>, Error> {
        self.held = None;
        if matches!(judged, Judged::AtItsEnd) {
            let survey = page.survey();
            let concluded =
                survey.and_then(|(items, meta)| self.conclude(items, &meta, false, None));
            match concluded {
                Err(error) if error.kind() == ErrorKind::Incomplete => self.failure = Some(error),
                concluded => concluded.map_err(|error| self.on_page(error))?,
            }
        }
        if self.failure.is_none() {
            self.go_to_the_next();
        }
        Ok(page)
    }

    /// Leaves the page at hand, of which no more can be read, and returns why.
    fn leave_page(&mut self, error: Error) -> Error {
        self.held = None;
        if let Some((page, _)) = self.page.take() {
            self.position.taken = page.taken();
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
            Some(source) => source.poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }

    /// Takes in the page whose turn it is. Its place is free again once the page is judged, so
    /// that none is asked for in its stead if it is the last, and, where there are several,
    /// consumed.
    fn take(&mut self, Delivery { page, address, mut place }: Delivery) -> Result<(), Error> {
        self.at_hand = self.index;
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
            self.held = place.take();
        }
        let read = arrival.read.take();
        let number = self.judge.plan.paging().number(self.index);
        let items = read.as_ref().map_or(0, |read| read.items);
        let list = read.as_ref().map(|read| read.list.clone());
        let skip = mem::take(&mut self.skip) + self.restart.pass_over(items);
        self.arrive(address);
        let page = UndecodedPage::open(&self.target, arrival, list, number, skip)?;
        let previous = self.previous.replace(page.list().clone());
        let repeats = previous.is_some_and(|previous| same_items(&previous, page.list()));
        if !repeats && page.has_items() && self.judge.plan.is_promised(self.index) {
            self.page = Some((page, Judged::AtItsEnd));
            return Ok(());
        }
        let (items, meta, next) = match read {
            Some(read) => {
                let ReadAhead { items, meta, next, way, goes_on, .. } = *read;
                (items, meta, Some(Next { address: next, way, is_asked_for: goes_on }))
            }
            None => {
                let (items, meta) = page.survey()?;
                (items, meta, None)
            }
        };
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
        if !self.restart.begin(self.judge.control(), &self.target, reach(&plan), rows) {
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
        let body = self.previous.as_ref().map_or("", List::text);
        let verdict = self.judge.judge(self.index, items, meta, repeats, way, body)?;
        if verdict == Verdict::Last {
            self.source = None;
        } else {
            let reach = reach(&self.judge.plan);
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

fn reach(plan: &Plan) -> Reach {
    Reach { horizon: plan.horizon(), steps: plan.steps() }
}

//! The reader of one stream, on the consumer's side: takes pages from the pager's feed,
//! builds their items as they are wanted, lets the plan judge each page in its turn, and
//! tells the pager how far the set reaches.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    ahead::{Delivery, Reach},
    decode::same_items,
    envelope::Meta,
    mode::ReadMode,
    source::Source,
    strategy::{Address, Plan, Sight, Verdict},
    target::{Arrival, ReadAhead, Sheet, Target},
    token::Position,
};
use crate::{
    dispatch::{Control, PoolLink},
    error::{Error, ErrorKind},
    events::Event,
    priority::Priority,
};

/// Reads one paged endpoint in order.
pub(super) struct Reader<T: Send + 'static> {
    /// Keeps the pool alive while the stream is read.
    control: Arc<dyn Control>,
    target: Arc<Target<T>>,
    plan: Plan,
    /// The page whose turn it is.
    index: u64,
    /// The items at hand.
    items: VecDeque<T>,
    /// The page that they are of.
    at_hand: u64,
    /// The page with further ones.
    sheet: Option<(Sheet, Judged)>,
    /// Where the stream stands, but for the items taken of the page at hand.
    position: Position,
    /// Where the page after the one at hand is; `None` after the last.
    following: Option<Address>,
    /// How many of the next items to be built were taken before the read was resumed.
    skip: u64,
    /// The place in the window of the page at hand, where no other may be asked for until it
    /// is consumed.
    held: Option<OwnedSemaphorePermit>,
    /// What ends the stream once the items at hand were taken.
    failure: Option<Error>,
    /// The body of the last page.
    previous: Option<Bytes>,
    /// How many items the last page had.
    expected: usize,
    /// `None` when the last page was taken.
    source: Option<Source<T>>,
}

/// When a page whose items are being built is judged.
enum Judged {
    Already,
    /// It has its place in the set in any case.
    AtItsEnd,
}

/// So many items are built at a time. What is built is soon taken and freed, and its memory
/// serves the next.
pub(super) const BUILT_AHEAD: usize = 4;

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
            control,
            target,
            index: start.map_or(0, |start| start.index),
            plan,
            items: VecDeque::new(),
            at_hand: 0,
            sheet: None,
            skip: position.taken,
            position,
            following: None,
            held: None,
            failure: None,
            previous: None,
            expected: 0,
            source,
        })
    }

    /// Where the stream stands: after the last item that it has handed out.
    pub(super) fn position(&self) -> Position {
        let taken = self.taken().unwrap_or(self.position.taken);
        Position { taken, full: self.plan.full(), ..self.position.clone() }
    }

    /// How many items of the page at hand were taken.
    fn taken(&self) -> Option<u64> {
        let (sheet, _) = self.sheet.as_ref()?;
        Some((sheet.built() - self.items.len()) as u64 + self.skip)
    }

    /// The next item. `None` after the last.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            self.build(BUILT_AHEAD);
            if self.items.is_empty()
                && let Err(end) = ready!(self.poll_turn(cx))
            {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// What is left of the items of a page, or else those of the next page that has some.
    /// `None` after the last.
    pub(super) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<T>, Error>>> {
        loop {
            self.build(usize::MAX);
            if !self.items.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.items).into())));
            }
            if let Err(end) = ready!(self.poll_turn(cx)) {
                return Poll::Ready(end.map(Err));
            }
        }
    }

    /// Builds at most `most` items of the page at hand. An error waits for its turn.
    fn build(&mut self, most: usize) {
        if let (Some((sheet, _)), None) = (&mut self.sheet, &self.failure) {
            self.items.reserve(most.min(self.expected));
            let built = self.target.build(sheet, most, &mut self.items);
            self.failure = built.err();
            if self.skip > 0 {
                self.pass_over(most);
            }
        }
    }

    /// Leaves out the items that were taken before the read was resumed.
    #[cold]
    fn pass_over(&mut self, most: usize) {
        while self.skip > 0 {
            let most_skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let skipped = self.items.drain(..most_skipped.min(self.items.len())).count();
            self.skip -= skipped as u64;
            if skipped == 0 {
                // The page has fewer items than were taken of it.
                self.skip = 0;
            } else if self.items.is_empty() && self.failure.is_none() {
                let Some((sheet, _)) = &mut self.sheet else { return };
                self.failure = self.target.build(sheet, most, &mut self.items).err();
            }
        }
    }

    /// Turns to the next page, when all items at hand were taken. The error is the stream's
    /// end: `None` after the last page.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Error>>> {
        self.held = None;
        self.position.taken = self.taken().unwrap_or(self.position.taken);
        let is_consumed = self.sheet.is_some();
        let failure = self.failure.take();
        let concluded = match (failure, self.sheet.take()) {
            (Some(error), _) => Err(error),
            (None, None | Some((_, Judged::Already))) => Ok(()),
            (None, Some((sheet, Judged::AtItsEnd))) => {
                let meta = self.target.meta(&sheet);
                meta.and_then(|meta| self.conclude(sheet.built(), &meta, false, None).map(drop))
            }
        };
        if is_consumed && concluded.is_ok() {
            self.position.go_to(self.index, self.following.take());
        }
        let Some(delivery) = (match concluded {
            Ok(()) => ready!(self.poll_delivery(cx)).transpose().map_err(Some)?,
            Err(error) => return Poll::Ready(Err(Some(self.on_page(error)))),
        }) else {
            return Poll::Ready(Err(None));
        };
        Poll::Ready(self.take(delivery).map_err(|error| Some(self.on_page(error))))
    }

    /// The page whose turn it is. `None` after the last.
    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery, Error>>> {
        match &mut self.source {
            Some(source) => source.poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }

    /// Takes in the page whose turn it is. Its place is free again once the page is judged,
    /// so that none is asked for in its stead if it is the last.
    fn take(&mut self, Delivery { page, address, mut place }: Delivery) -> Result<(), Error> {
        self.at_hand = self.index;
        if address.is_some() {
            self.position.address = address;
        }
        let mut arrival = match page {
            Err(error) if self.is_end(&error) => {
                self.source = None;
                self.position.go_to(self.index, None);
                return Ok(());
            }
            page => page?,
        };
        if self.target.mode == ReadMode::Sequential {
            self.held = place.take();
        }
        let read = arrival.read.take();
        let repeats = self.repeats(&arrival);
        let sheet = self.target.sheet(arrival)?;
        if !repeats && sheet.has_items() && self.plan.is_promised(self.index) {
            self.sheet = Some((sheet, Judged::AtItsEnd));
            return Ok(());
        }
        let (items, meta, next) = match read {
            Some(ReadAhead { items, meta, next }) => (items, meta, next),
            None => {
                let (items, meta) = self.target.survey(&sheet)?;
                (items, meta, None)
            }
        };
        if self.conclude(items, &meta, repeats, next)? {
            self.sheet = Some((sheet, Judged::Already));
        } else {
            self.position.go_to(self.index, None);
        }
        Ok(())
    }

    /// Whether a page has the items of the one before it.
    fn repeats(&mut self, arrival: &Arrival) -> bool {
        let body = arrival.response.body();
        let is_same = |previous: Bytes| same_items(&self.target.envelope, &previous, body);
        self.previous.replace(body.clone()).is_some_and(is_same)
    }

    /// Judges the page whose turn it was, and returns whether its items are of the set. `next`
    /// is the place of the next page, if this one names it.
    fn conclude(
        &mut self,
        items: usize,
        meta: &Meta,
        repeats: bool,
        next: Option<Address>,
    ) -> Result<bool, Error> {
        let dispatcher = self.control.dispatcher();
        dispatcher.tally().page(items);
        let page = self.plan.paging().number(self.index);
        dispatcher.events().emit(|| Event::PageRead { page, rows: items as u64 });
        self.expected = items;
        let is_followed = next.is_some();
        let sight = Sight { index: self.index, items, meta, repeats, is_followed };
        let verdict = self.plan.observe(&sight);
        match verdict {
            Verdict::Loop => {
                let what = "the server sends the same page again";
                return Err(Error::new(ErrorKind::PageLoop, what));
            }
            Verdict::Unpaged => {
                let what = "every page is the same; if the API does not page, use Paging::none()";
                return Err(Error::new(ErrorKind::PaginationMissing, what));
            }
            Verdict::Changed => {
                let what = "the page names another total than those before it";
                return Err(Error::new(ErrorKind::SetChanged, what));
            }
            Verdict::Last | Verdict::Past => self.source = None,
            Verdict::More | Verdict::Elsewhere => {
                let reach = reach(&self.plan);
                self.following = next.or_else(|| self.plan.address(self.index + 1));
                if let Some(source) = &mut self.source {
                    match verdict {
                        Verdict::Elsewhere => source.begin_again(self.index + 1, reach),
                        _ => source.set_reach(reach),
                    }
                }
            }
        }
        self.index += 1;
        Ok(verdict != Verdict::Past)
    }

    fn is_end(&self, error: &Error) -> bool {
        error.status() == Some(StatusCode::NOT_FOUND) && self.plan.ends_when_missing(self.index)
    }

    fn on_page(&self, error: Error) -> Error {
        error.with_page(self.plan.paging().number(self.at_hand))
    }
}

fn reach(plan: &Plan) -> Reach {
    Reach { horizon: plan.horizon(), steps: plan.steps() }
}

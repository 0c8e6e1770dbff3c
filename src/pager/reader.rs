//! The reader of one stream, on the consumer's side: takes pages from the pager's feed,
//! builds their items as they are wanted, lets the plan judge each page in its turn, and
//! tells the pager how far the set reaches. If the pager dies with its thread, the reader
//! starts another where it stands.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use futures::future::{BoxFuture, select};
use http::StatusCode;
use tokio::sync::oneshot;

use super::{
    actor,
    ahead::{Ahead, Delivery, Feed},
    decode::same_items,
    envelope::Meta,
    strategy::{Plan, Verdict},
    target::{Sheet, Target},
};
use crate::{
    dispatch::{Control, PoolLink},
    error::{Error, ErrorKind},
    priority::Priority,
};

/// So many pagers in a row may die without a page, which bounds those that die of themselves:
/// a call that kills its worker is bounded before.
const MAX_DEATHS: u32 = 100;

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
    /// What ends the stream once the items at hand were taken.
    failure: Option<Error>,
    /// The body of the last page.
    previous: Option<Bytes>,
    /// How many items the last page had.
    expected: usize,
    /// `None` when the last page was taken.
    source: Option<Source<T>>,
    /// How many pagers have died since the last page.
    deaths: u32,
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

/// Where pages come from.
struct Source<T: Send + 'static> {
    ahead: Arc<Mutex<Ahead<T>>>,
    feed: Feed,
    /// What has been taken from the feed.
    batch: vec::IntoIter<Delivery>,
    pager: Pager,
}

/// Who drives the fetching.
enum Pager {
    /// Another one starts in place of a dead one.
    Starting(BoxFuture<'static, Result<BoxFuture<'static, ()>, Error>>),
    /// Resolves when the pager is gone, or stuck on a thread that is given up.
    Running(BoxFuture<'static, ()>),
}

impl<T: Send + 'static> Reader<T> {
    /// Starts the pool, if it has not started, and a pager.
    pub(super) async fn open(link: PoolLink, mut target: Target<T>) -> Result<Self, Error> {
        target.priority = target.priority.or_else(Priority::of_scope);
        let control = link.0.connect().await?;
        let target = Arc::new(target);
        let plan = Plan::new(target.paging.clone());
        let dispatcher = Arc::clone(control.dispatcher());
        let (ahead, feed) = Ahead::new(dispatcher, Arc::clone(&target), plan.horizon());
        let ahead = Arc::new(Mutex::new(ahead));
        let pager = Pager::Running(start(Arc::clone(&control), Arc::clone(&ahead)).await?);
        let batch = Vec::new().into_iter();
        Ok(Self {
            control,
            target,
            plan,
            index: 0,
            items: VecDeque::new(),
            at_hand: 0,
            sheet: None,
            failure: None,
            previous: None,
            expected: 0,
            source: Some(Source { ahead, feed, batch, pager }),
            deaths: 0,
        })
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
        }
    }

    /// Turns to the next page, when all items at hand were taken. The error is the stream's
    /// end: `None` after the last page.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Error>>> {
        let failure = self.failure.take();
        let concluded = match (failure, self.sheet.take()) {
            (Some(error), _) => Err(error),
            (None, None | Some((_, Judged::Already))) => Ok(()),
            (None, Some((sheet, Judged::AtItsEnd))) => {
                let meta = self.target.meta(&sheet);
                meta.and_then(|meta| self.conclude(sheet.built(), &meta, false).map(drop))
            }
        };
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
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        loop {
            if let Some(delivery) = source.batch.next() {
                self.deaths = 0;
                return Poll::Ready(Some(Ok(delivery)));
            }
            if let Poll::Ready(Some(pages)) = source.feed.pages.poll_recv(cx) {
                source.batch = pages.into_iter();
                continue;
            }
            match &mut source.pager {
                Pager::Starting(starting) => match ready!(starting.as_mut().poll(cx)) {
                    Ok(running) => source.pager = Pager::Running(running),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Pager::Running(running) => {
                    ready!(running.as_mut().poll(cx));
                    self.deaths += 1;
                    if self.deaths > MAX_DEATHS {
                        return Poll::Ready(Some(Err(Error::gone())));
                    }
                    let starting = start(Arc::clone(&self.control), Arc::clone(&source.ahead));
                    source.pager = Pager::Starting(Box::pin(starting));
                }
            }
        }
    }

    /// Takes in the page whose turn it is. Its place is free again once the page is judged,
    /// so that none is asked for in its stead if it is the last.
    fn take(&mut self, Delivery { page, place: _place }: Delivery) -> Result<(), Error> {
        self.at_hand = self.index;
        let arrival = match page {
            Err(error) if self.is_end(&error) => {
                self.source = None;
                return Ok(());
            }
            page => page?,
        };
        let body = arrival.response.body().clone();
        let is_same = |previous: Bytes| same_items(&self.target.envelope, &previous, &body);
        let repeats = self.previous.replace(body.clone()).is_some_and(is_same);
        let sheet = self.target.sheet(arrival)?;
        if !repeats && sheet.has_items() && self.plan.is_promised(self.index) {
            self.sheet = Some((sheet, Judged::AtItsEnd));
            return Ok(());
        }
        let (items, meta) = self.target.survey(&sheet)?;
        if self.conclude(items, &meta, repeats)? {
            self.sheet = Some((sheet, Judged::Already));
        }
        Ok(())
    }

    /// Judges the page whose turn it was, and returns whether its items are of the set.
    fn conclude(&mut self, items: usize, meta: &Meta, repeats: bool) -> Result<bool, Error> {
        self.control.dispatcher().tally().page(items);
        self.expected = items;
        let verdict = self.plan.observe(self.index, items, meta, repeats);
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
            Verdict::More => {
                if let Some(source) = &self.source {
                    source.feed.set_horizon(self.plan.horizon());
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

/// Starts a pager, and returns what resolves when it is lost.
async fn start<T: Send + 'static>(
    control: Arc<dyn Control>,
    ahead: Arc<Mutex<Ahead<T>>>,
) -> Result<BoxFuture<'static, ()>, Error> {
    let (alive, gone) = oneshot::channel();
    let mut lifeline = control.start_pager(Box::new(move || actor::start(ahead, alive))).await?;
    Ok(Box::pin(async move {
        let given_up = async { while lifeline.changed().await.is_ok() {} };
        select(pin!(given_up), gone).await;
    }))
}

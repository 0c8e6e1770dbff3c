//! The pager actor of one stream: asks for pages as far ahead as the window reaches,
//! puts them in order and hands each over in one send. Which page comes next and
//! where the set ends is the plan's decision.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::prelude::*;
use actix_rt::task::JoinHandle;
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    decode::{Page, same_items},
    reorder::Reorder,
    strategy::{Plan, Verdict},
    target::Target,
};
use crate::{
    dispatch::Dispatcher,
    error::{Error, ErrorKind},
};

/// A page on its way to the consumer. The permit is its place in the window and
/// is free when the consumer takes the page.
pub(super) struct Delivery<T> {
    pub(super) page: Result<Vec<T>, Error>,
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// The pager's end of the channel to the consumer.
pub(super) struct Outlet<T> {
    pub(super) sender: mpsc::Sender<Delivery<T>>,
    /// Set when the last page was handed over, so that a pager that dies is not
    /// taken for the end of the set.
    pub(super) is_complete: Arc<AtomicBool>,
}

/// Reads one paged endpoint for one stream.
struct Pager<T: Send + 'static> {
    dispatcher: Arc<Dispatcher>,
    target: Target<T>,
    plan: Plan,
    /// One permit for each page that may be under way or wait for the consumer.
    window: Arc<Semaphore>,
    is_waiting: bool,
    tasks: HashMap<u64, Task>,
    arrived: Reorder<(Result<Page<T>, Error>, OwnedSemaphorePermit)>,
    /// How many permits a page takes: more than one for pages so large that the
    /// byte budget binds before the prefetch does.
    cost: u32,
    previous: Option<Bytes>,
    outlet: Outlet<T>,
}

// No field is ever pinned.
impl<T: Send + 'static> Unpin for Pager<T> {}

/// Starts a pager on the current thread. It ends by itself with the read.
pub(super) fn start<T: Send + 'static>(
    dispatcher: Arc<Dispatcher>,
    target: Target<T>,
    outlet: Outlet<T>,
) {
    Pager::new(dispatcher, target, outlet).start();
}

/// A task that ends with its pager.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct PageArrived<T: 'static> {
    index: u64,
    page: Result<Page<T>, Error>,
    place: OwnedSemaphorePermit,
}

impl<T: Send + 'static> Pager<T> {
    fn new(dispatcher: Arc<Dispatcher>, target: Target<T>, outlet: Outlet<T>) -> Self {
        Self {
            plan: Plan::new(target.paging.clone()),
            window: Arc::new(Semaphore::new(target.prefetch)),
            dispatcher,
            target,
            is_waiting: false,
            tasks: HashMap::new(),
            arrived: Reorder::new(),
            cost: 1,
            previous: None,
            outlet,
        }
    }

    /// Asks for as many pages as the plan and the window allow. A place in the
    /// window is taken before the request is made.
    fn ask(&mut self, ctx: &mut Context<Self>) {
        while !self.is_waiting {
            match self.window.clone().try_acquire_many_owned(self.cost) {
                Ok(place) => {
                    let Some(index) = self.plan.next() else { return };
                    self.fetch(index, place, ctx);
                }
                Err(_) => {
                    self.is_waiting = true;
                    let room = self.window.clone().acquire_many_owned(self.cost);
                    ctx.spawn(room.into_actor(self).map(|room, pager, ctx| {
                        drop(room);
                        pager.is_waiting = false;
                        pager.ask(ctx);
                    }));
                }
            }
        }
    }

    fn fetch(&mut self, index: u64, place: OwnedSemaphorePermit, ctx: &Context<Self>) {
        let page = self.target.fetch(&self.dispatcher, index, None);
        let pager = ctx.address();
        let task = actix_rt::spawn(async move {
            let page = page.await;
            pager.do_send(PageArrived { index, page, place });
        });
        self.tasks.insert(index, Task(task));
    }

    /// Hands over what is in order. Returns whether the read has ended.
    fn deliver(&mut self) -> bool {
        while let Some((index, (page, place))) = self.arrived.pop() {
            let number = self.plan.paging().number(index);
            let fail = |kind, what: &'static str| Err(Error::new(kind, what).with_page(number));
            let (page, ends) = match page {
                Err(error) if self.is_end(index, &error) => return self.complete(),
                Err(error) => (Err(error.with_page(number)), true),
                Ok(page) => match self.judge(index, &page) {
                    Verdict::More => (Ok(page.items), false),
                    Verdict::Last => (Ok(page.items), true),
                    Verdict::Past => return self.complete(),
                    Verdict::Loop => {
                        (fail(ErrorKind::PageLoop, "the server sends the same page again"), true)
                    }
                    Verdict::Unpaged => {
                        let what =
                            "every page is the same; if the API does not page, use Paging::none()";
                        (fail(ErrorKind::PaginationMissing, what), true)
                    }
                },
            };
            let is_complete = ends && page.is_ok();
            // There is room: every page holds a place in the window. An error here
            // is a consumer that has gone.
            let is_sent =
                self.outlet.sender.try_send(Delivery { page, _place: Some(place) }).is_ok();
            if is_complete {
                return self.complete();
            }
            if ends || !is_sent {
                return true;
            }
        }
        false
    }

    fn judge(&mut self, index: u64, page: &Page<T>) -> Verdict {
        self.dispatcher.tally().page(page.items.len());
        let previous = self.previous.replace(page.body.clone());
        let envelope = &self.target.envelope;
        let repeats = previous.is_some_and(|previous| same_items(envelope, &previous, &page.body));
        self.cost = self.target.cost(page.body.len());
        self.plan.observe(index, page.items.len(), &page.meta, repeats)
    }

    fn is_end(&self, index: u64, error: &Error) -> bool {
        error.status() == Some(StatusCode::NOT_FOUND) && self.plan.ends_when_missing(index)
    }

    fn complete(&self) -> bool {
        self.outlet.is_complete.store(true, Ordering::Release);
        true
    }
}

impl<T: Send + 'static> Actor for Pager<T> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let sender = self.outlet.sender.clone();
        let gone = async move { sender.closed().await };
        ctx.spawn(gone.into_actor(self).map(|(), _, ctx| ctx.stop()));
        self.ask(ctx);
    }
}

impl<T: Send + 'static> Handler<PageArrived<T>> for Pager<T> {
    type Result = ();

    fn handle(&mut self, arrival: PageArrived<T>, ctx: &mut Self::Context) {
        let PageArrived { index, page, place } = arrival;
        self.tasks.remove(&index);
        self.arrived.insert(index, (page, place));
        if self.deliver() {
            ctx.stop();
        } else {
            self.ask(ctx);
        }
    }
}

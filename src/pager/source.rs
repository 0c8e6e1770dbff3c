//! The reader's end of what is fetched ahead: pages in their order, and a pager that fetches
//! them. If the pager dies with its thread, another one starts where it stood.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    vec,
};

use futures::future::{BoxFuture, select};
use tokio::sync::oneshot;

use super::{
    actor,
    ahead::{Ahead, Delivery, Feed, Reach},
    mode::ReadMode,
    strategy::{Address, Start},
    target::Target,
};
use crate::{dispatch::Connected, error::Error};

/// So many pagers in a row may die without a page, which bounds those that die of themselves:
/// a call that kills its worker is bounded before.
const MAX_DEATHS: u32 = 100;

/// Where pages come from.
pub(super) struct Source<T: Send + 'static> {
    connected: Arc<Connected>,
    ahead: Arc<Mutex<Ahead<T>>>,
    feed: Feed,
    /// What has been taken from the feed.
    batch: vec::IntoIter<Delivery>,
    pager: Pager,
    /// Whether the pager has a thread of its own.
    is_alone: bool,
    /// How many pagers have died since the last page.
    deaths: u32,
}

/// Who drives the fetching.
enum Pager {
    /// Another one starts in place of a dead one.
    Starting(BoxFuture<'static, Result<BoxFuture<'static, ()>, Error>>),
    /// Resolves when the pager is gone, or stuck on a thread that is given up.
    Running(BoxFuture<'static, ()>),
}

impl<T: Send + 'static> Source<T> {
    /// The pages from `start` on, and a pager that fetches them.
    pub(super) async fn open(
        connected: &Arc<Connected>,
        target: &Arc<Target<T>>,
        start: &Start,
        reach: Reach,
    ) -> Result<Self, Error> {
        let caller = connected.caller.clone();
        let (ahead, feed) = Ahead::new(caller, Arc::clone(target), start, reach);
        let ahead = Arc::new(Mutex::new(ahead));
        let is_alone = target.mode == ReadMode::DedicatedThread;
        let running = run(Arc::clone(connected), Arc::clone(&ahead), is_alone).await?;
        Ok(Self {
            connected: Arc::clone(connected),
            ahead,
            feed,
            batch: Vec::new().into_iter(),
            pager: Pager::Running(running),
            is_alone,
            deaths: 0,
        })
    }

    /// The page whose turn it is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, Error>> {
        loop {
            if let Some(delivery) = self.batch.next() {
                self.deaths = 0;
                return Poll::Ready(Ok(delivery));
            }
            if let Poll::Ready(Some(pages)) = self.feed.pages.poll_recv(cx) {
                self.batch = pages.into_iter();
                continue;
            }
            match &mut self.pager {
                Pager::Starting(starting) => match ready!(starting.as_mut().poll(cx)) {
                    Ok(running) => self.pager = Pager::Running(running),
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Pager::Running(running) => {
                    ready!(running.as_mut().poll(cx));
                    self.deaths += 1;
                    if self.deaths > MAX_DEATHS {
                        return Poll::Ready(Err(Error::gone()));
                    }
                    let (connected, ahead) = (Arc::clone(&self.connected), Arc::clone(&self.ahead));
                    self.pager = Pager::Starting(Box::pin(run(connected, ahead, self.is_alone)));
                }
            }
        }
    }

    /// Tells the pager what may be asked for.
    pub(super) fn set_reach(&self, reach: Reach) {
        self.feed.set_reach(reach);
    }

    /// Goes on at `address`, though the page that came last speaks against it.
    pub(super) fn go_on(&mut self, address: Address, reach: Reach) {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).go_on(address);
        self.feed.begin_again(reach);
    }

    /// Forgets what was fetched from page `index` on, which is elsewhere than it was expected.
    pub(super) fn begin_again(&mut self, index: u64, reach: Reach) {
        // While the lock is held no page comes, and no older reach is taken for news.
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.begin_again(index, reach);
        while self.feed.pages.try_recv().is_ok() {}
        self.feed.begin_again(reach);
        self.batch = Vec::new().into_iter();
    }
}

/// Starts a pager, on a thread of its own or with others, and returns what resolves when it
/// is lost.
async fn run<T: Send + 'static>(
    connected: Arc<Connected>,
    ahead: Arc<Mutex<Ahead<T>>>,
    is_alone: bool,
) -> Result<BoxFuture<'static, ()>, Error> {
    let (alive, gone) = oneshot::channel();
    let pager = Box::new(move |guard| actor::start(ahead, alive, guard));
    let mut cancellation = connected.caller.start_pager(pager, is_alone).await?;
    Ok(Box::pin(async move {
        let given_up = async { while cancellation.changed().await.is_ok() {} };
        select(pin!(given_up), gone).await;
    }))
}

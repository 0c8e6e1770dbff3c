//! The reader's end of the prefetcher: pages in order, and a pager that fetches them. If the pager
//! dies with its thread, another one continues in its place.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    vec,
};

use futures::{
    FutureExt,
    future::{BoxFuture, select},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    actor,
    endpoint::Endpoint,
    mode::ReadMode,
    page_window::PageWindow,
    prefetcher::{Horizon, Prefetcher, QueuedPage},
    strategy::{PageAddress, Position},
};
use crate::{dispatch::Connected, error::Error, lock::lock};

/// How many pagers in a row may die without a page. This bounds pagers that die by themselves;
/// calls that kill their worker are bounded elsewhere.
const MAX_DEATHS: u32 = 100;

/// The source of pages.
pub(super) struct Feed {
    connected: Arc<Connected>,
    prefetcher: Arc<Mutex<Prefetcher>>,
    /// Pages in order, several at a time if several have arrived.
    pages: mpsc::UnboundedReceiver<Vec<QueuedPage>>,
    horizon: watch::Sender<Horizon>,
    window: Arc<PageWindow>,
    /// Pages that were received and not taken yet.
    batch: vec::IntoIter<QueuedPage>,
    /// Drives the fetching. Resolves when the pager has ended, or is stuck on a thread that is
    /// given up: then another one starts.
    driver: BoxFuture<'static, Result<(), Error>>,
    /// Whether the pager has a thread of its own.
    is_alone: bool,
    /// How many pagers have died since the last page.
    deaths: u32,
}

impl Feed {
    /// A feed of the pages from `start` on, with a pager that fetches them.
    pub(super) async fn open(
        connected: &Arc<Connected>,
        endpoint: &Arc<Endpoint>,
        start: &Position,
        horizon: Horizon,
    ) -> Result<Self, Error> {
        let caller = connected.caller.clone();
        let (prefetcher, pages, news) =
            Prefetcher::new(caller, Arc::clone(endpoint), start, horizon);
        let window = Arc::clone(&prefetcher.window);
        let prefetcher = Arc::new(Mutex::new(prefetcher));
        let is_alone = endpoint.mode == ReadMode::DedicatedThread;
        let running = run(Arc::clone(connected), Arc::clone(&prefetcher), is_alone).await?;
        Ok(Self {
            connected: Arc::clone(connected),
            prefetcher,
            pages,
            horizon: news,
            window,
            batch: Vec::new().into_iter(),
            driver: Box::pin(running.map(Ok)),
            is_alone,
            deaths: 0,
        })
    }

    /// The next page in order.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<QueuedPage, Error>> {
        loop {
            if let Some(queued) = self.batch.next() {
                self.deaths = 0;
                return Poll::Ready(Ok(queued));
            }
            if let Poll::Ready(Some(pages)) = self.pages.poll_recv(cx) {
                self.batch = pages.into_iter();
                continue;
            }
            if let Err(error) = ready!(self.driver.as_mut().poll(cx)) {
                return Poll::Ready(Err(error));
            }
            self.deaths += 1;
            if self.deaths > MAX_DEATHS {
                return Poll::Ready(Err(Error::gone()));
            }
            let (connected, prefetcher) =
                (Arc::clone(&self.connected), Arc::clone(&self.prefetcher));
            let another = run(connected, prefetcher, self.is_alone);
            self.driver = Box::pin(async move {
                another.await?.await;
                Ok(())
            });
        }
    }

    /// Tells the pager which pages may be requested.
    pub(super) fn set_horizon(&self, horizon: Horizon) {
        self.horizon.send_if_modified(|told| {
            let is_news = !told.covers(&horizon);
            *told = horizon;
            is_news
        });
    }

    /// Continues at `address`, although the latest page contradicts that.
    pub(super) fn go_on(&mut self, address: PageAddress, horizon: Horizon) {
        lock(&self.prefetcher).go_on(address);
        self.horizon.send_replace(horizon);
    }

    /// Drops what was fetched from page `index` on, which is not where it was expected.
    pub(super) fn begin_again(&mut self, index: u64, horizon: Horizon) {
        // While the lock is held no page arrives, and no older horizon is processed.
        let mut prefetcher = lock(&self.prefetcher);
        prefetcher.begin_again(index, horizon);
        while self.pages.try_recv().is_ok() {}
        self.horizon.send_replace(horizon);
        self.batch = Vec::new().into_iter();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // Pages left unread return their permits, for which no other page may be requested.
        self.window.close();
        // The thread of the pager may be blocked. If the pager is at work, it notices by itself.
        if let Ok(mut prefetcher) = self.prefetcher.try_lock() {
            prefetcher.cancel();
        }
    }
}

/// Starts a pager, on a thread of its own or a shared one, and returns a future that resolves when
/// it is lost.
async fn run(
    connected: Arc<Connected>,
    prefetcher: Arc<Mutex<Prefetcher>>,
    is_alone: bool,
) -> Result<BoxFuture<'static, ()>, Error> {
    let (alive, gone) = oneshot::channel();
    let pager = Box::new(move |guard| actor::start(prefetcher, alive, guard));
    let mut cancellation = connected.caller.start_pager(pager, is_alone).await?;
    Ok(Box::pin(async move {
        let given_up = async { while cancellation.changed().await.is_ok() {} };
        select(pin!(given_up), gone).await;
    }))
}

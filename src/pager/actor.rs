//! The pager actor of one stream: drives the prefetching, on the thread of a worker. It holds no
//! state that is lost with it; another one continues in its place.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::prefetcher::Prefetcher;
use crate::{dispatch::PagerGuard, lock::lock};

/// Drives the fetching of pages for one stream.
struct Pager {
    prefetcher: Arc<Mutex<Prefetcher>>,
    number: u64,
    /// Dropped with the pager, however it ends.
    _alive: oneshot::Sender<()>,
    /// Dropped with it too: ends the thread, if that is the pager's own.
    _guard: PagerGuard,
}

/// Starts a pager on the current thread. It ends with the read.
pub(super) fn start(
    prefetcher: Arc<Mutex<Prefetcher>>,
    alive: oneshot::Sender<()>,
    guard: PagerGuard,
) {
    let number = lock(&prefetcher).next_pager();
    Pager { prefetcher, number, _alive: alive, _guard: guard }.start();
}

impl Actor for Pager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (prefetcher, number) = (Arc::clone(&self.prefetcher), self.number);
        let fetching = async move {
            poll_fn(|cx| lock(&prefetcher).poll(number, cx)).await;
            let closing = lock(&prefetcher).close(number);
            if let Some(closing) = closing {
                closing.await;
            }
        };
        ctx.spawn(fetching.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

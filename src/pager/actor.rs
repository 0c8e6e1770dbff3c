//! The pager actor of one stream: drives what is fetched ahead, on the thread of a worker.
//! It holds nothing that is lost with it; another one goes on where it stood.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Waking, Poll},
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::prefetcher::Prefetcher;
use crate::dispatch::Keeper;

/// Drives the fetching of pages for one stream.
struct Pager<T: Send + 'static> {
    prefetcher: Arc<Mutex<Prefetcher<T>>>,
    number: u64,
    /// Dropped with the pager, however it ends.
    _alive: oneshot::Sender<()>,
    /// Dropped with it too: ends the thread, if that is the pager's own.
    _keeper: Keeper,
}

/// Starts a pager on the current thread. It ends by itself with the read.
pub(super) fn start<T: Send + 'static>(
    prefetcher: Arc<Mutex<Prefetcher<T>>>,
    alive: oneshot::Sender<()>,
    keeper: Keeper,
) {
    let number = prefetcher.lock().unwrap_or_else(PoisonError::into_inner).next_pager();
    Pager { prefetcher, number, _alive: alive, _keeper: keeper }.start();
}

impl<T: Send + 'static> Actor for Pager<T> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Fetching);
    }
}

/// The pager's one activity.
struct Fetching;

impl<T: Send + 'static> ActorFuture<Pager<T>> for Fetching {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        pager: &mut Pager<T>,
        ctx: &mut Context<Pager<T>>,
        task: &mut Waking<'_>,
    ) -> Poll<()> {
        let mut prefetcher = pager.prefetcher.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = prefetcher.poll(pager.number, task);
        if ended.is_ready() {
            ctx.stop();
        }
        ended
    }
}

//! The pager actor of one stream: drives what is fetched ahead, on the thread of a worker.
//! It holds nothing that is lost with it; another one goes on where it stood.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Waking, Poll},
};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::ahead::Ahead;
use crate::dispatch::PagerGuard;

/// Drives the fetching of pages for one stream.
struct Pager<T: Send + 'static> {
    ahead: Arc<Mutex<Ahead<T>>>,
    number: u64,
    /// Dropped with the pager, however it ends.
    _alive: oneshot::Sender<()>,
    /// Dropped with it too: ends the thread, if that is the pager's own.
    _guard: PagerGuard,
}

/// Starts a pager on the current thread. It ends by itself with the read.
pub(super) fn start<T: Send + 'static>(
    ahead: Arc<Mutex<Ahead<T>>>,
    alive: oneshot::Sender<()>,
    guard: PagerGuard,
) {
    let number = ahead.lock().unwrap_or_else(PoisonError::into_inner).next_pager();
    Pager { ahead, number, _alive: alive, _guard: guard }.start();
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
        let mut ahead = pager.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = ahead.poll(pager.number, task);
        if ended.is_ready() {
            ctx.stop();
        }
        ended
    }
}

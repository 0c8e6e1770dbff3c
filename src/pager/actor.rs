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

/// Drives the fetching of pages for one stream.
struct Pager<T: Send + 'static> {
    ahead: Arc<Mutex<Ahead<T>>>,
    /// Dropped with the pager, however it ends.
    _alive: oneshot::Sender<()>,
}

/// Starts a pager on the current thread. It ends by itself with the read.
pub(super) fn start<T: Send + 'static>(ahead: Arc<Mutex<Ahead<T>>>, alive: oneshot::Sender<()>) {
    Pager { ahead, _alive: alive }.start();
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
        let ended = pager.ahead.lock().unwrap_or_else(PoisonError::into_inner).poll(task);
        if ended.is_ready() {
            ctx.stop();
        }
        ended
    }
}

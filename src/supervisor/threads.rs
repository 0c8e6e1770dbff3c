//! The threads that are ending: of actors that died, left or were abandoned.

use std::thread;

use actix::prelude::*;
use futures::future::join_all;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// So many threads that a callback blocks are abandoned for one place before what is in
/// it is waited for: a callback that never returns costs a bounded number of threads.
const MOST_ABANDONED: usize = 4;
/// The same of the token manager, whose thread the callbacks of all handles share. Each of
/// them is bounded by itself.
const MOST_ABANDONED_MANAGERS: usize = 64;

/// Whose thread was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Slot(usize),
    /// A worker that was to leave after a resize.
    Leaving,
    TokenManager,
}

/// Threads that were told to end and may not have done so yet, with the place at which each was
/// abandoned; the others end soon.
#[derive(Default)]
pub(super) struct Threads(Vec<(Option<Place>, oneshot::Receiver<()>)>);

impl Threads {
    /// Ends threads that nothing keeps from it.
    pub(super) fn end(&mut self, arbiters: Vec<Arbiter>) {
        self.stop(arbiters, None);
    }

    /// Ends a thread as soon as the callback that blocks it returns.
    pub(super) fn abandon(&mut self, arbiter: Arbiter, place: Place) {
        self.stop(vec![arbiter], Some(place));
    }

    /// Whether one more thread may be abandoned at `place`.
    pub(super) fn may_abandon(&mut self, place: Place) -> bool {
        self.forget_ended();
        let most =
            if place == Place::TokenManager { MOST_ABANDONED_MANAGERS } else { MOST_ABANDONED };
        self.0.iter().filter(|(abandoned, _)| *abandoned == Some(place)).count() < most
    }

    /// Resolves when all threads have ended.
    pub(super) fn ended(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let all = join_all(std::mem::take(&mut self.0).into_iter().map(|(_, ended)| ended));
        async move {
            all.await;
        }
    }

    fn stop(&mut self, arbiters: Vec<Arbiter>, abandoned: Option<Place>) {
        self.forget_ended();
        for arbiter in &arbiters {
            arbiter.stop();
        }
        self.0.push((abandoned, join(arbiters)));
    }

    fn forget_ended(&mut self) {
        self.0.retain_mut(|(_, ended)| ended.try_recv() == Err(TryRecvError::Empty));
    }
}

/// Joins the threads of stopped Arbiters, on a thread of its own: one that a callback
/// blocks must not hold up the end of this thread's runtime, which waits for its
/// blocking tasks. Resolves when they have ended.
fn join(arbiters: Vec<Arbiter>) -> oneshot::Receiver<()> {
    let (end, ended) = oneshot::channel();
    let join = move || {
        arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
        drop(end);
    };
    if let Err(error) = thread::Builder::new().name("vantage-api-pool".into()).spawn(join) {
        tracing::warn!(%error, "no thread to wait for a worker's end");
    }
    ended
}

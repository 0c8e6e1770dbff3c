//! Threads that are ending: of actors that died, left or were abandoned.

use std::thread;

use actix::prelude::*;
use futures::future::join_all;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::error::Error;

/// How many threads blocked by callbacks are abandoned for one slot before the next one is waited
/// for: a callback that never returns costs a bounded number of threads.
const MOST_ABANDONED: usize = 4;
/// The same for the token manager, whose thread all handles' callbacks share. Each of
/// them has a limit of its own.
const MOST_ABANDONED_MANAGERS: usize = 64;

/// The error where the system has no thread for the pool.
pub(super) fn no_thread(source: std::io::Error) -> Error {
    Error::config("the system has no thread for the pool").with_source(source)
}

/// Whose thread was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadOwner {
    WorkerSlot(usize),
    /// A worker that was leaving after a resize.
    Leaving,
    TokenManager,
}

/// Threads that were stopped but may not have ended yet, with the owner of each that was
/// abandoned; the others end soon.
#[derive(Default)]
pub(super) struct Threads(Vec<(Option<ThreadOwner>, oneshot::Receiver<()>)>);

impl Threads {
    /// Stops threads that nothing blocks.
    pub(super) fn end(&mut self, arbiters: Vec<Arbiter>) {
        self.stop(arbiters, None);
    }

    /// Stops a thread as soon as the callback that blocks it returns.
    pub(super) fn abandon(&mut self, arbiter: Arbiter, owner: ThreadOwner) {
        self.stop(vec![arbiter], Some(owner));
    }

    /// Whether one more thread may be abandoned for `owner`.
    pub(super) fn may_abandon(&mut self, owner: ThreadOwner) -> bool {
        self.forget_ended();
        let most = if owner == ThreadOwner::TokenManager {
            MOST_ABANDONED_MANAGERS
        } else {
            MOST_ABANDONED
        };
        self.0.iter().filter(|(abandoned, _)| *abandoned == Some(owner)).count() < most
    }

    /// Resolves when all threads have ended.
    pub(super) fn ended(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let all = join_all(std::mem::take(&mut self.0).into_iter().map(|(_, ended)| ended));
        async move {
            all.await;
        }
    }

    fn stop(&mut self, arbiters: Vec<Arbiter>, abandoned: Option<ThreadOwner>) {
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

/// Joins the threads of stopped Arbiters, on a separate thread: a thread that a callback blocks
/// must not delay the end of this thread's runtime, which waits for its blocking tasks. Resolves
/// when they have ended.
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

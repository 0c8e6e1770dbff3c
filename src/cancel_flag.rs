//! A flag that is set once and wakes the task that waits for it. Knows nothing of what is cancelled.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use futures::task::AtomicWaker;

#[derive(Default)]
pub(crate) struct CancelFlag {
    is_set: AtomicBool,
    waker: AtomicWaker,
}

impl CancelFlag {
    /// Sets it, in one order with all other sequentially consistent operations.
    pub(crate) fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    /// Resolves when it is set. One task at a time may wait.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_set() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

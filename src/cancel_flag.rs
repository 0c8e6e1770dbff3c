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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use futures::executor::block_on;

    use super::*;

    // talex-touch/tuff#840: a cancellation between the check and the registration was lost.
    #[test]
    fn whoever_waits_is_woken_whenever_it_is_set() {
        for _ in 0..1_000 {
            let flag = Arc::new(CancelFlag::default());
            let setter = thread::spawn({
                let flag = Arc::clone(&flag);
                move || flag.set()
            });
            block_on(flag.wait());
            assert!(flag.is_set());
            setter.join().unwrap();
        }
    }

    #[test]
    fn one_that_is_set_before_the_wait_needs_no_wake() {
        let flag = CancelFlag::default();
        flag.set();
        flag.set();
        block_on(flag.wait());
    }
}

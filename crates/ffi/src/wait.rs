//! How a thread of a caller waits: for a time that it gives, and until it is cancelled.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::error::Failure;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread for at most so long; with zero, only as far as it comes without a
/// wait. `None` if it has not ended by then, which drops it.
pub(crate) fn wait<T>(future: impl Future<Output = T>, timeout_ms: u32) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let end = Instant::now() + Duration::from_millis(timeout_ms.into());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// A future that ends early when one of two tokens is cancelled: that of the call, and that of the
/// object which it works on.
pub(crate) async fn until<T>(
    future: impl Future<Output = Result<T, Failure>>,
    cancelled: Option<&CancellationToken>,
    closed: Option<&CancellationToken>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = end_of(cancelled) => Err(Failure::cancelled()),
        () = end_of(closed) => Err(Failure::closed()),
        value = future => value,
    }
}

async fn end_of(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => pending().await,
    }
}

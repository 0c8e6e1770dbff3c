//! What a pool keeps, and what makes it.

use std::{error::Error, fmt::Display, future::Future};

/// The error of a resource or its factory.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A resource of a pool.
///
/// Its methods are called without any lock held. One that panics costs the resource and nothing
/// else; one that takes too long is given up, with the resource.
pub trait Poolable: Send + 'static {
    /// Whether its methods need a tokio runtime, for timers or sockets: they are then polled within
    /// that of the pool, wherever the caller is. True by default; entering the runtime costs about
    /// as much as all the rest of a checkout.
    const NEEDS_RUNTIME: bool = true;

    /// Whether it can be used: asked before each use, and now and then while it is idle. By default
    /// it can.
    fn is_healthy(&mut self) -> impl Future<Output = bool> + Send {
        async { true }
    }

    /// Makes it ready for the next user. By default there is nothing to do.
    ///
    /// It is polled once where a [`Checkout`](super::Checkout) is dropped, and goes on on the thread
    /// of the pool if it has to wait. So it must not block.
    ///
    /// # Errors
    /// If it cannot be used again. It is discarded.
    fn reset(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// How many bytes of memory it takes now. Asked when it was made, and when it is returned. By
    /// default 0, which counts nothing.
    fn memory(&self) -> usize {
        0
    }
}

/// Makes the resources of a pool. A closure that returns a future is one; of its error, the text is
/// told.
pub trait Factory: Send + Sync + 'static {
    /// What it makes.
    type Item: Poolable;

    /// Makes one, on the thread of the pool, in a tokio runtime.
    ///
    /// # Errors
    /// Why it could not. The pool tries again, with back-off, and whoever waits learns of it.
    fn create(&self) -> impl Future<Output = Result<Self::Item, BoxError>> + Send;
}

impl<F, T, E, R> Factory for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<T, E>> + Send,
    T: Poolable,
    // With `Into<BoxError>`, no call could be spawned: the compiler cannot show it for a `BoxError`.
    E: Display,
{
    type Item = T;

    async fn create(&self) -> Result<T, BoxError> {
        self().await.map_err(|error| error.to_string().into())
    }
}

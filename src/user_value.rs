//! What users' code must not do to the pool: a callback that panics ends nothing but itself, and
//! users' values are dropped outside the pool's own threads, since a `Drop` is a user's code too,
//! and one that blocks must not hold the pool up. Knows nothing of what it runs or keeps.

use std::{
    cell::Cell,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

thread_local! {
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread, which is one of a pool's own, never drops a user's value.
pub(crate) fn mark_own_thread() {
    IS_OWN.set(true);
}

/// Runs code that may be a user's; `None` if it panics.
pub(crate) fn catch_panic<R>(run: impl FnOnce() -> R) -> Option<R> {
    // Dropping the payload would run a user's code too, which may panic again.
    catch_unwind(AssertUnwindSafe(run)).map_err(mem::forget).ok()
}

/// Owns a user's value until it is dropped. If that happens on one of the pool's own threads,
/// the value is handed to another thread.
///
/// It keeps a share of a value that others use: whoever has one must drop this last.
pub(crate) struct UserValue(Option<Box<dyn Send + Sync>>);

impl UserValue {
    pub(crate) fn keep(value: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(value)))
    }
}

impl Drop for UserValue {
    fn drop(&mut self) {
        let Some(value) = self.0.take().filter(|_| IS_OWN.get()) else { return };
        let ended = thread::Builder::new().name("vantage-api-pool".into());
        if let Err(error) = ended.spawn(move || drop(value)) {
            tracing::warn!(%error, "no thread for the end of a user's value");
        }
    }
}

impl fmt::Debug for UserValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserValue")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread::ThreadId,
    };

    use super::*;

    /// Reports the thread on which it is dropped.
    struct Tells(mpsc::Sender<ThreadId>);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    /// The thread that drops a value which goes out of scope on a thread where `first` ran.
    fn ends_elsewhere(first: fn()) -> bool {
        let (sender, ended) = mpsc::channel();
        let value = Arc::new(Tells(sender));
        let kept = UserValue::keep(Arc::clone(&value));
        let dropping = move || {
            first();
            drop(value);
            drop(kept);
            thread::current().id()
        };
        let dropped_on = thread::spawn(dropping).join().unwrap();
        ended.recv().unwrap() != dropped_on
    }

    #[test]
    fn a_users_value_ends_elsewhere_if_the_thread_is_the_pools_and_else_where_it_is_dropped() {
        assert!(ends_elsewhere(mark_own_thread));
        assert!(!ends_elsewhere(|| {}));
    }
}

//! What belongs to users and ends away from the pool's own threads: a `Drop` is a user's code
//! too, and one that blocks must hold nothing up. Knows nothing of what it keeps.

use std::{cell::Cell, fmt, thread};

thread_local! {
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// From here on no value of a user ends on this thread, which is one of a pool's own.
pub(crate) fn mark_own_thread() {
    IS_OWN.set(true);
}

/// Keeps a value of a user up to its own end. On a thread that is the pool's own the value is
/// handed to another one then.
///
/// It keeps a share of what others use: whoever has one drops this last.
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

    /// Tells on which thread it ends.
    struct Tells(mpsc::Sender<ThreadId>);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    /// The thread on which a value ends that is dropped on one where `first` ran.
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

//! Whether this process is the child of one that has used the library: its threads are not there,
//! and its locks may be held by nobody.

use std::sync::{
    Once,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::error::Failure;

static IS_CHILD: AtomicBool = AtomicBool::new(false);
static WATCH: Once = Once::new();

/// Sees to it that a child is told. Called before the first handle is given.
pub(crate) fn watch() {
    WATCH.call_once(|| {
        #[cfg(unix)]
        {
            extern "C" fn in_child() {
                IS_CHILD.store(true, Relaxed);
            }
            // SAFETY: the function may run in the child of a fork: it stores to an atomic alone.
            // Without memory for it nothing is registered, and children are not told.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        }
    });
}

/// Fails in a child.
pub(crate) fn check() -> Result<(), Failure> {
    if IS_CHILD.load(Relaxed) { Err(Failure::forked()) } else { Ok(()) }
}

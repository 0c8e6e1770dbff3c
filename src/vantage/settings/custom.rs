//! A way of the user's own among those that settings name.

use std::{fmt, sync::Arc};

pub(super) struct Custom<F: ?Sized>(pub(super) Arc<F>);

impl<F: ?Sized> Clone for Custom<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> fmt::Debug for Custom<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom")
    }
}

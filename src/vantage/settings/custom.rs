//! A user's closure among the forms of a setting.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer, ser::Error};

pub(super) struct CustomForm<F: ?Sized>(pub(super) Arc<F>);

impl<F: ?Sized> Clone for CustomForm<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A closure cannot be serialized.
impl<F: ?Sized> Serialize for CustomForm<F> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("a form that is code cannot be written as data"))
    }
}

impl<F: ?Sized> fmt::Debug for CustomForm<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom")
    }
}

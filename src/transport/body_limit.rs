//! The most that is read of a body, and a buffer that never exceeds it.

use std::io::{self, Write};

use crate::error::{Delivery, Error, ErrorKind};

/// The most that is read of a body, and whether a longer one is truncated instead of refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit {
    pub(super) bytes: usize,
    pub(super) cuts: bool,
}

impl BodyLimit {
    /// A body that is too long is not an error if it may be truncated.
    pub(super) fn cut(self, error: Error) -> Result<(), Error> {
        if self.cuts && error.kind() == ErrorKind::BodyTooLarge { Ok(()) } else { Err(error) }
    }
}

/// Bytes that never grow beyond a limit, and never take much more memory than that.
pub(super) struct LimitedBuffer {
    pub(super) bytes: Vec<u8>,
    pub(super) limit: BodyLimit,
    /// The expected length, as far as it is known: once the first bytes have arrived,
    /// memory for all of them is reserved in one piece, since pieces that double leave
    /// holes as large as themselves.
    pub(super) expected: usize,
}

impl LimitedBuffer {
    pub(super) fn new(limit: BodyLimit) -> Self {
        Self { bytes: Vec::new(), limit, expected: 0 }
    }

    pub(super) fn make_room(&mut self, room: usize) {
        self.bytes.reserve_exact(room.min(self.limit.bytes).saturating_sub(self.bytes.len()));
    }

    /// Adds bytes; if the body may be truncated, as many as there is room for.
    pub(super) fn add(&mut self, mut more: &[u8]) -> Result<(), Error> {
        let left = self.limit.bytes - self.bytes.len();
        let is_too_large = more.len() > left;
        if is_too_large {
            more = if self.limit.cuts { &more[..left] } else { &[] };
        }
        let len = self.bytes.len() + more.len();
        if len > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2);
            self.make_room(len.max(doubled).max(self.expected));
        }
        self.bytes.extend_from_slice(more);
        if is_too_large { Err(too_large()) } else { Ok(()) }
    }
}

impl Write for LimitedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn too_large() -> Error {
    answered(ErrorKind::BodyTooLarge, "the body is larger than the body limit")
}

pub(super) fn answered(kind: ErrorKind, what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, what).with_delivery(Delivery::Answered)
}

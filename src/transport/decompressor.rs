//! What decompresses a body, whatever its coding.

use std::io;

use super::body_limit::LimitedBuffer;

/// Data that is decompressed into a buffer.
pub(super) trait Decompressor {
    /// What was decoded.
    fn decoded(&mut self) -> &mut LimitedBuffer;

    /// Decodes a piece of these bytes, of which it leaves those that it has not taken, and says whether
    /// it goes on with them, or with what it has taken. An error of the buffer comes back as it is.
    fn write(&mut self, bytes: &mut &[u8]) -> io::Result<bool>;

    /// An error if the data is not whole.
    fn finish(&mut self) -> io::Result<()>;
}

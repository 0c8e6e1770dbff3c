//! What decompresses a body, whatever its coding.

use std::io;

use super::body_limit::LimitedBuffer;

/// Data that is decompressed into a buffer.
pub(super) trait Decompressor {
    /// What was decoded.
    fn decoded(&mut self) -> &mut LimitedBuffer;

    /// Decodes the next bytes. An error of the buffer comes back as it is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// An error if the data is not whole.
    fn finish(&mut self) -> io::Result<()>;
}

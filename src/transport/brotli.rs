//! Decodes brotli data (RFC 7932). Its window is at most 16 MiB.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;

use super::{
    body_limit::{BodyLimit, LimitedBuffer},
    decompressor::Decompressor,
};

/// How much is handed on at a time, in bytes.
const PIECE: usize = 4096;

pub(super) struct Brotli(DecompressorWriter<LimitedBuffer>);

impl Brotli {
    pub(super) fn new(limit: BodyLimit) -> Self {
        Self(DecompressorWriter::new(LimitedBuffer::new(limit), PIECE))
    }
}

impl Decompressor for Brotli {
    fn decoded(&mut self) -> &mut LimitedBuffer {
        self.0.get_mut()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.close()
    }
}

//! Decodes zstd data (RFC 8878): frames one after another, with windows of at most 8 MiB
//! (RFC 9659).

use std::io;

use zstd::{
    stream::raw::{Decoder, InBuffer, Operation, OutBuffer},
    zstd_safe::DParameter,
};

use super::{
    body_limit::{BodyLimit, LimitedBuffer},
    decompressor::Decompressor,
};

/// The largest window, as a power of two (RFC 9659 section 3).
const WINDOW_LOG: u32 = 23;

/// How much is decoded at a time, in bytes.
const PIECE: usize = 16 * 1024;

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    decoded: LimitedBuffer,
    /// Whether the last frame has not ended.
    is_open: bool,
}

impl Zstd {
    pub(super) fn new(limit: BodyLimit) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { decoder, decoded: LimitedBuffer::new(limit), is_open: true })
    }
}

impl Decompressor for Zstd {
    fn decoded(&mut self) -> &mut LimitedBuffer {
        &mut self.decoded
    }

    fn write(&mut self, bytes: &mut &[u8]) -> io::Result<bool> {
        let mut piece = [0; PIECE];
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(&mut piece[..]);
        // After the end of a frame it begins another one by itself.
        let missing = self.decoder.run(&mut input, &mut output)?;
        let (taken, made) = (input.pos, output.pos());
        self.decoded.add(output.as_slice()).map_err(io::Error::other)?;
        if taken == 0 && made == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        *bytes = bytes.get(taken..).unwrap_or_default();
        self.is_open = missing != 0;
        Ok(!bytes.is_empty() || made == PIECE && self.is_open)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_open { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

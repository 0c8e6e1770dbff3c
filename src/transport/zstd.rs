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
const PIECE: usize = 8 * 1024;

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

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        let mut piece = [0; PIECE];
        loop {
            let before = input.pos;
            let mut output = OutBuffer::around(&mut piece[..]);
            // After the end of a frame it begins another one by itself.
            let missing = self.decoder.run(&mut input, &mut output)?;
            self.decoded.add(output.as_slice()).map_err(io::Error::other)?;
            self.is_open = missing != 0;
            let is_drained = output.pos() < PIECE || missing == 0;
            if input.pos == bytes.len() && is_drained {
                return Ok(());
            }
            if input.pos == before && output.pos() == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_open { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

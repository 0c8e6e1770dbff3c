//! Decodes brotli data (RFC 7932). Its window is at most 16 MiB.

use std::io;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{
    body_limit::{BodyLimit, LimitedBuffer},
    decompressor::Decompressor,
};

/// How much is decoded at a time, in bytes.
const PIECE: usize = 16 * 1024;

pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    decoded: LimitedBuffer,
    is_whole: bool,
}

impl Brotli {
    pub(super) fn new(limit: BodyLimit) -> Self {
        let alloc = StandardAlloc::default;
        // Strictly those of the RFC, without windows of up to 1 GiB.
        let state = BrotliState::new_strict(alloc(), alloc(), alloc());
        Self { state, decoded: LimitedBuffer::new(limit), is_whole: false }
    }
}

impl Decompressor for Brotli {
    fn decoded(&mut self) -> &mut LimitedBuffer {
        &mut self.decoded
    }

    fn write(&mut self, bytes: &mut &[u8]) -> io::Result<bool> {
        if self.is_whole {
            let is_end = bytes.is_empty();
            return is_end.then_some(false).ok_or(io::ErrorKind::InvalidData.into());
        }
        let mut piece = [0; PIECE];
        let (mut left, mut at) = (bytes.len(), 0);
        let (mut room, mut made, mut total) = (PIECE, 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            bytes,
            &mut room,
            &mut made,
            &mut piece,
            &mut total,
            &mut self.state,
        );
        *bytes = bytes.get(at..).unwrap_or_default();
        self.decoded.add(piece.get(..made).unwrap_or_default()).map_err(io::Error::other)?;
        match result {
            BrotliResult::ResultSuccess => {
                self.is_whole = true;
                Ok(!bytes.is_empty())
            }
            BrotliResult::NeedsMoreOutput => Ok(true),
            BrotliResult::NeedsMoreInput => Ok(false),
            BrotliResult::ResultFailure => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

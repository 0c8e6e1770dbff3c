//! Decodes gzip data (RFC 1952).

use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::{
    body_limit::{BodyLimit, LimitedBuffer, answered},
    decompressor::Decompressor,
};
use crate::error::ErrorKind;

/// The most members of gzip data. Each costs a new decompressor, however little it holds.
const MOST_MEMBERS: u32 = 1_000;

/// The first of the two bytes that begin each member of gzip data (RFC 1952 section 2.3.1).
const FIRST_OF_A_MEMBER: u8 = 0x1f;

/// Gzip data: members one after another (RFC 1952 section 2.2), and perhaps padding after the
/// last, which is not data: zeros, which gzip itself ignores, or a line end.
pub(super) struct Gzip {
    /// For the member that is being decoded, or the last one.
    decoder: GzDecoder<LimitedBuffer>,
    /// How many there were.
    count: u32,
    is_padding: bool,
}

impl Gzip {
    pub(super) fn new(limit: BodyLimit) -> Self {
        Self { decoder: GzDecoder::new(LimitedBuffer::new(limit)), count: 1, is_padding: false }
    }

    /// Ends a member that is followed by `next`.
    fn end_member(&mut self, next: u8) -> io::Result<()> {
        self.decoder.try_finish()?;
        self.count += 1;
        match next {
            FIRST_OF_A_MEMBER if self.count > MOST_MEMBERS => {
                let what = "the body has more than 1,000 gzip members";
                return Err(io::Error::other(answered(ErrorKind::BodyTooLarge, what)));
            }
            FIRST_OF_A_MEMBER => {
                let limit = self.decoder.get_ref().limit;
                let body = std::mem::replace(self.decoder.get_mut(), LimitedBuffer::new(limit));
                self.decoder = GzDecoder::new(body);
            }
            next if is_padding(next) => self.is_padding = true,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(())
    }
}

impl Decompressor for Gzip {
    fn decoded(&mut self) -> &mut LimitedBuffer {
        self.decoder.get_mut()
    }

    fn write(&mut self, bytes: &mut &[u8]) -> io::Result<bool> {
        while let Some(next) = bytes.first() {
            if self.is_padding {
                let is_all_padding = bytes.iter().copied().all(is_padding);
                *bytes = &[];
                return is_all_padding.then_some(false).ok_or(io::ErrorKind::InvalidData.into());
            }
            match self.decoder.write(bytes)? {
                0 => self.end_member(*next)?,
                taken => *bytes = &bytes[taken..],
            }
        }
        Ok(false)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_padding { Ok(()) } else { self.decoder.try_finish() }
    }
}

fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

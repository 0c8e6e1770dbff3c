//! [pure] Counts what is left of a response body, so that its end is known to the byte: a length,
//! chunks (RFC 9112 section 7.1), or until the close.

/// The largest chunk-size line, the largest trailer section, and the most of chunk extensions in
/// one body, in bytes.
const MAX_LINE: u32 = 16 * 1024;

// The error for an invalid chunked body.
const NO_CHUNK: &str = "the response is malformed: not a valid chunk";
const EXTENDED: &str = "the response is malformed: its chunks have more than 16 KiB of extensions";
const NO_TRAILER: &str =
    "the response is malformed: what follows its last chunk is not a field line";

/// What is left of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remaining {
    Length(u64),
    Chunks {
        state: ChunkState,
        /// How many bytes of chunk extensions were received.
        extensions: u32,
    },
    UntilClose,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkState {
    /// In the size line; `digits` is false before the first digit, `line` counts its bytes.
    Size {
        size: u64,
        digits: bool,
        line: u32,
    },
    /// After the size, before the end of its line.
    Extension {
        size: u64,
        line: u32,
    },
    /// At the line feed that ends the size line.
    SizeEnd {
        size: u64,
    },
    /// In the data.
    Data {
        left: u64,
    },
    /// At the carriage return, then the line feed, after the data.
    DataEnd {
        carriage: bool,
    },
    /// In the trailer section, of which `total` bytes were received.
    Trailer {
        place: TrailerPlace,
        total: u32,
    },
    Done,
}

/// Where in a line of the trailer section the next byte is. Each line is a field line (RFC 9112
/// section 7.1.2), so data after a chunk of size 0 is not read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrailerPlace {
    /// At the start of a line, which may continue the field of the line before.
    Start {
        may_fold: bool,
    },
    Name,
    Value,
    /// At the line feed that ends a line, or with `is_last` the section.
    End {
        is_last: bool,
    },
}

impl Remaining {
    pub(super) fn chunked() -> Self {
        let state = ChunkState::Size { size: 0, digits: false, line: 0 };
        Self::Chunks { state, extensions: 0 }
    }

    /// Whether nothing is left. A body that lasts until the close is never done.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks { state: ChunkState::Done, .. })
    }

    /// Processes received bytes and returns how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunks { state, extensions } => {
                let mut at = 0;
                while at < bytes.len() && *state != ChunkState::Done {
                    *extensions += u32::from(matches!(state, ChunkState::Extension { .. }));
                    if *extensions > MAX_LINE {
                        return Err(EXTENDED);
                    }
                    at += state.step(&bytes[at..])?;
                }
                Ok(at)
            }
        }
    }
}

impl ChunkState {
    /// Processes at least one byte of `bytes`, which is not empty.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let byte = bytes[0];
        *self = match *self {
            Self::Data { left } => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - taken as u64;
                *self =
                    if left == 0 { Self::DataEnd { carriage: false } } else { Self::Data { left } };
                return Ok(taken);
            }
            Self::Size { line, .. } | Self::Extension { line, .. } if line >= MAX_LINE => {
                return Err(NO_CHUNK);
            }
            Self::Size { size, digits, line } => match (char::from(byte).to_digit(16), byte) {
                (Some(digit), _) => Self::Size {
                    size: size
                        .checked_mul(16)
                        .and_then(|size| size.checked_add(u64::from(digit)))
                        .ok_or(NO_CHUNK)?,
                    digits: true,
                    line: line + 1,
                },
                (None, b'\r') if digits => Self::SizeEnd { size },
                (None, b';' | b' ' | b'\t') if digits => Self::Extension { size, line: line + 1 },
                _ => return Err(NO_CHUNK),
            },
            Self::Extension { size, line } => match byte {
                b'\r' => Self::SizeEnd { size },
                b'\t' | 0x20..=0x7e | 0x80.. => Self::Extension { size, line: line + 1 },
                _ => return Err(NO_CHUNK),
            },
            Self::SizeEnd { size } => match (byte, size) {
                (b'\n', 0) => {
                    Self::Trailer { place: TrailerPlace::Start { may_fold: false }, total: 0 }
                }
                (b'\n', left) => Self::Data { left },
                _ => return Err(NO_CHUNK),
            },
            Self::DataEnd { carriage } => match (byte, carriage) {
                (b'\r', false) => Self::DataEnd { carriage: true },
                (b'\n', true) => Self::Size { size: 0, digits: false, line: 0 },
                _ => return Err(NO_CHUNK),
            },
            Self::Trailer { total, .. } if total >= MAX_LINE => return Err(NO_TRAILER),
            Self::Trailer { place: TrailerPlace::End { is_last: true }, .. } if byte == b'\n' => {
                Self::Done
            }
            Self::Trailer { place, total } => {
                Self::Trailer { place: place.step(byte)?, total: total + 1 }
            }
            Self::Done => return Ok(0),
        };
        Ok(1)
    }
}

impl TrailerPlace {
    fn step(self, byte: u8) -> Result<Self, &'static str> {
        Ok(match (self, byte) {
            (Self::Start { .. }, b'\r') => Self::End { is_last: true },
            (Self::Start { may_fold: true }, b' ' | b'\t') => Self::Value,
            (Self::Start { .. } | Self::Name, byte) if is_token(byte) => Self::Name,
            (Self::Name, b':') => Self::Value,
            (Self::Value, b'\r') => Self::End { is_last: false },
            (Self::Value, b'\t' | 0x20..=0x7e | 0x80..) => Self::Value,
            (Self::End { is_last: false }, b'\n') => Self::Start { may_fold: true },
            _ => return Err(NO_TRAILER),
        })
    }
}

/// Whether a byte is allowed in a field name (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

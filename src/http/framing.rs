//! [pure] Counts what is left of an answer's body, so that its end is known to
//! the byte: a length, chunks (RFC 9112 section 7.1), or until the close.

/// The largest chunk-size line, and the largest trailer section, in bytes.
const MAX_LINE: u32 = 16 * 1024;

/// A chunk that breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadChunk;

/// What is left of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remaining {
    Length(u64),
    Chunks(ChunkState),
    UntilClose,
}

/// Where in a chunked body the next byte stands.
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
    /// In the trailer section; `empty` says that the line holds nothing yet.
    Trailer {
        empty: bool,
        carriage: bool,
        total: u32,
    },
    Done,
}

impl Remaining {
    pub(super) fn chunked() -> Self {
        Self::Chunks(ChunkState::Size { size: 0, digits: false, line: 0 })
    }

    /// Whether nothing is left. A body that lasts until the close is never done.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks(ChunkState::Done))
    }

    /// Takes the bytes that came and returns how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunks(state) => {
                let mut at = 0;
                while at < bytes.len() && *state != ChunkState::Done {
                    at += state.step(&bytes[at..])?;
                }
                Ok(at)
            }
        }
    }
}

impl ChunkState {
    /// Takes at least one byte of `bytes`, which is not empty.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
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
                return Err(BadChunk);
            }
            Self::Size { size, digits, line } => match (char::from(byte).to_digit(16), byte) {
                (Some(digit), _) => Self::Size {
                    size: size
                        .checked_mul(16)
                        .and_then(|size| size.checked_add(u64::from(digit)))
                        .ok_or(BadChunk)?,
                    digits: true,
                    line: line + 1,
                },
                (None, b'\r') if digits => Self::SizeEnd { size },
                (None, b';' | b' ' | b'\t') if digits => Self::Extension { size, line: line + 1 },
                _ => return Err(BadChunk),
            },
            Self::Extension { size, line } => match byte {
                b'\r' => Self::SizeEnd { size },
                b'\t' | 0x20..=0x7e | 0x80.. => Self::Extension { size, line: line + 1 },
                _ => return Err(BadChunk),
            },
            Self::SizeEnd { size } => match (byte, size) {
                (b'\n', 0) => Self::Trailer { empty: true, carriage: false, total: 0 },
                (b'\n', left) => Self::Data { left },
                _ => return Err(BadChunk),
            },
            Self::DataEnd { carriage } => match (byte, carriage) {
                (b'\r', false) => Self::DataEnd { carriage: true },
                (b'\n', true) => Self::Size { size: 0, digits: false, line: 0 },
                _ => return Err(BadChunk),
            },
            Self::Trailer { total, .. } if total >= MAX_LINE => return Err(BadChunk),
            Self::Trailer { empty, carriage, total } => match (byte, carriage) {
                (b'\n', true) if empty => Self::Done,
                (b'\n', true) => Self::Trailer { empty: true, carriage: false, total: total + 1 },
                (_, true) => return Err(BadChunk),
                (b'\r', false) => Self::Trailer { empty, carriage: true, total: total + 1 },
                _ => Self::Trailer { empty: false, carriage: false, total: total + 1 },
            },
            Self::Done => return Ok(0),
        };
        Ok(1)
    }
}

//! [pure] What a key may be.

use std::{borrow::Borrow, fmt, str::FromStr};

/// The name of a value: 1 to 1,024 bytes of UTF-8 without control characters, compared byte by
/// byte. A `/` is a character like any other, but none of the parts between them is `.` or `..`:
/// clients and proxies would take those out of a path.
///
/// ```
/// use vantage_api_gateway::kv::Key;
///
/// let key: Key = "sessions/42".parse()?;
/// assert_eq!(key.as_str(), "sessions/42");
/// assert!("".parse::<Key>().is_err());
/// assert!("a/../b".parse::<Key>().is_err());
/// # Ok::<(), vantage_api_gateway::kv::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The longest key in bytes.
    pub const MAX_BYTES: usize = 1_024;

    /// Checks a name and makes it a key.
    ///
    /// # Errors
    ///
    /// Which rule the name breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        if name.is_empty() {
            return Err(KeyError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(KeyError::TooLong { bytes: name.len() });
        }
        if let Some((at, _)) = name.char_indices().find(|(_, character)| character.is_control()) {
            return Err(KeyError::ControlCharacter { at });
        }
        if name.split('/').any(|part| part == "." || part == "..") {
            return Err(KeyError::DotSegment);
        }
        Ok(Self(name))
    }

    /// A key that was checked when it was written.
    pub(super) fn stored(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(name: String) -> Result<Self, KeyError> {
        Self::new(name)
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which rule a key breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has no characters.
    #[error("a key has at least one character")]
    Empty,
    /// It is too long.
    #[error("a key has at most 1024 bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It has a control character.
    #[error("a key has no control characters, this one has one at byte {at}")]
    ControlCharacter {
        /// Where it begins.
        at: usize,
    },
    /// A part of it is `.` or `..`.
    #[error("no part of a key between slashes is `.` or `..`")]
    DotSegment,
    /// It is not text.
    #[error("a key is UTF-8, percent-encoded once in a path")]
    NotText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bounded_text_without_control_characters_or_dot_segments() {
        for good in ["a", "a/b", "/a", "a//b", "…", "a.b", "..a", "a b", &"x".repeat(1_024)] {
            assert_eq!(good.parse::<Key>().unwrap().as_str(), good);
        }
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert_eq!(Key::new("é".repeat(513)), Err(KeyError::TooLong { bytes: 1_026 }));
        for control in ["a\0", "a\n", "a\u{7f}", "a\u{85}"] {
            assert_eq!(Key::new(control), Err(KeyError::ControlCharacter { at: 1 }));
        }
        for dots in [".", "..", "a/..", "./a", "a/./b"] {
            assert_eq!(Key::new(dots), Err(KeyError::DotSegment));
        }
    }
}

//! [pure] What is wrong with a file, and where.

use std::fmt;

use super::words;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The byte in the file.
    pub(crate) offset: usize,
}

/// A step of the way from the root of a file to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Name(String),
    Index(usize),
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way from the root of a file to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(pub(crate) Vec<Key>);

impl KeyPath {
    /// The way that goes one step on.
    pub(crate) fn to(&self, key: impl Into<Key>) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.into());
        Self(keys)
    }

    /// Whether the way passes a key of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|key| matches!(key, Key::Name(key) if key == name))
    }
}

/// As it is written in errors: `jobs.world.streams[0].write`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
        };
        for (index, key) in self.0.iter().enumerate() {
            match key {
                Key::Index(number) => write!(f, "[{number}]")?,
                Key::Name(name) if !is_word(name) => write!(f, "[{name:?}]")?,
                Key::Name(name) if index == 0 => f.write_str(name)?,
                Key::Name(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) keys: KeyPath,
    pub(crate) at: Option<Position>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), keys: KeyPath::default(), at: None }
    }

    /// The same at this place, unless it has one.
    pub(crate) fn at(mut self, place: Position) -> Self {
        self.at.get_or_insert(place);
        self
    }

    /// The same below this key.
    pub(crate) fn within(mut self, key: impl Into<Key>) -> Self {
        self.keys.0.insert(0, key.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(words::plain(&message.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_written_as_one_would_name_it() {
        let stream = KeyPath::default().to("jobs").to("world").to("streams").to(0);
        assert_eq!(stream.to("write").to_string(), "jobs.world.streams[0].write");
        assert_eq!(stream.to("a.b").to_string(), "jobs.world.streams[0][\"a.b\"]");
        assert_eq!(KeyPath::default().to_string(), "");
    }
}

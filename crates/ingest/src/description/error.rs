//! What is wrong with a description.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::file::{Failure, KeyPath, Position};

/// What is wrong with a description, and where.
///
/// It shows in one line, `FILE:LINE:COLUMN: KEY: what is wrong`, without the parts that are not
/// known:
///
/// ```
/// use vantage_api_ingest::description::Description;
///
/// let error = Description::from_yaml("api: { base_url: https://example.com }\njbos: {}\n");
/// let error = error.unwrap_err();
/// assert_eq!(error.line(), Some(2));
/// assert_eq!(
///     error.to_string(),
///     "2:1: jbos: unknown key `jbos`, expected one of `vars`, `api`, `tables`, `jobs`, `gateway`",
/// );
/// ```
///
/// It shows no value of a variable.
pub struct DescriptionError(Box<Inner>);

struct Inner {
    file: Option<PathBuf>,
    at: Option<Position>,
    key: String,
    message: String,
    /// The line of the file, unless it may hold a secret.
    line: Option<String>,
    source: Option<io::Error>,
}

impl DescriptionError {
    /// A failure with a file's `text`.
    pub(super) fn new(failure: Failure, text: &str, file: Option<&Path>) -> Self {
        let Failure { message, keys, at } = failure;
        let line = at.and_then(|at| text.lines().nth(at.line.checked_sub(1)?));
        let is_secret = |line: &&str| match (keys.to_string().is_empty(), at) {
            (true, Some(at)) => !is_harmless(line, text, at),
            _ => may_hold_secrets(&keys),
        };
        let line = line.filter(|line| !is_secret(line)).map(str::to_owned);
        let file = file.map(Path::to_owned);
        Self(Box::new(Inner { file, at, key: keys.to_string(), message, line, source: None }))
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(file: &Path, source: io::Error) -> Self {
        let message = format!("the file cannot be read: {source}");
        let file = Some(file.to_owned());
        let (key, source) = (String::new(), Some(source));
        Self(Box::new(Inner { file, at: None, key, message, line: None, source }))
    }

    /// The file, if the description came from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.at.map(|at| at.line)
    }

    /// The column, counted from 1 in characters.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.0.at.map(|at| at.column)
    }

    /// The way to the value that is wrong, such as `jobs.world.streams[0].write`; empty if it is
    /// the file as a whole.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line of the file, and below it a mark at the column. `None` for lines that may hold
    /// secrets: those of `vars`, `api`, `auth` and a sink.
    ///
    /// ```text
    ///   12 |         write: merg
    ///      |                ^
    /// ```
    #[must_use]
    pub fn snippet(&self) -> Option<String> {
        let (line, at) = (self.0.line.as_ref()?, self.0.at?);
        let number = format!("{:>4}", at.line);
        let margin = " ".repeat(number.len());
        let before = line.chars().take(at.column.saturating_sub(1));
        let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
        Some(format!("{number} | {line}\n{margin} | {indent}^"))
    }
}

fn may_hold_secrets(keys: &KeyPath) -> bool {
    ["vars", "api", "auth", "sink"].iter().any(|key| keys.has(key))
}

/// Whether a line of a file that is not YAML is one of a table or a stream.
fn is_harmless(line: &str, text: &str, at: Position) -> bool {
    let above = text.lines().take(at.line);
    let outer = above.filter(|line| line.starts_with(char::is_alphabetic)).last();
    let is_inside = outer.is_some_and(|key| key.starts_with("tables") || key.starts_with("jobs"));
    is_inside && !["sink", "postgres"].iter().any(|word| line.contains(word))
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { file, at, key, message, .. } = &*self.0;
        if let Some(file) = file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(at) = at {
            write!(f, "{}:{}:", at.line, at.column)?;
        }
        if file.is_some() || at.is_some() {
            f.write_str(" ")?;
        }
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(message)
    }
}

impl fmt::Debug for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescriptionError")
            .field("file", &self.0.file)
            .field("line", &self.line())
            .field("column", &self.column())
            .field("key", &self.0.key)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for DescriptionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

//! Where the files of a table lie: what a folder and an object store have in common.

use std::{collections::BTreeMap, io::Write};

use super::error::WriteError;
use crate::sink::SinkError;

/// Writes what is in a file.
pub(super) type Content<'a> = &'a dyn Fn(&mut (dyn Write + Send)) -> Result<(), WriteError>;

/// The files of one table. Paths are below its folder, with `/` between their names. In the folder of
/// a child table a [label](super::label) takes the place of the manifest.
pub(super) trait Store: Send {
    /// The files of the table that has this folder beside this one.
    fn beside(&self, folder: &str) -> Result<Box<dyn Store>, SinkError>;

    /// Makes the folder if it is not there.
    fn prepare(&mut self) -> Result<(), SinkError>;

    /// The manifest as it is now, if there is one. The next [`replace`](Self::replace) replaces this
    /// one and no other.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>, SinkError>;

    /// Replaces the manifest at once and for good. `false`: somebody else has replaced it since it
    /// was read, and it stays. After an error it may be either of both.
    fn replace(&mut self, manifest: Vec<u8>) -> Result<bool, SinkError>;

    /// Writes a file, which appears at once and complete, and returns its length.
    fn write(&mut self, path: &str, content: Content<'_>) -> Result<u64, SinkError>;

    /// What is in a complete file.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, SinkError>;

    /// Makes a copy of a complete file under another name, unless there is one.
    fn copy(&mut self, from: &str, to: &str) -> Result<(), SinkError>;

    /// Waits until everything that was written outlasts a loss of power.
    fn sync(&mut self) -> Result<(), SinkError>;

    /// Removes a file if it is there.
    fn remove(&mut self, path: &str) -> Result<(), SinkError>;

    /// The files by their paths, with their lengths.
    fn list(&mut self) -> Result<BTreeMap<String, u64>, SinkError>;

    /// Where a file is, in words for people.
    fn place(&self, path: &str) -> String;
}

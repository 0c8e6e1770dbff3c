//! Files with queries, which streams copy the rows of.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Description, check,
    file::{Failure, Node, unexpanded},
};

/// A file with a query in SQL.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
#[non_exhaustive]
pub struct QueryFile {
    /// Where it is: relative to the folder of the description, or to the working directory of the
    /// program if the description is in no file.
    pub path: PathBuf,
    /// What it says, once it was read. Variables of the description are not replaced in it.
    pub text: String,
}

impl QueryFile {
    /// A query with this text, which is told as the one of a file.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The name of the file without its ending, which the stream has if it has no other.
    pub(super) fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl From<PathBuf> for QueryFile {
    fn from(path: PathBuf) -> Self {
        Self { path, text: String::new() }
    }
}

/// Without the text, which may be long.
impl fmt::Debug for QueryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Reads the queries of all streams, relative to a folder.
///
/// # Errors
/// For the first that cannot be read.
pub(super) fn read(
    description: &mut Description,
    folder: &Path,
    root: &Node,
) -> Result<(), Failure> {
    for (name, job) in &mut description.jobs {
        for (index, stream) in job.streams.iter_mut().enumerate() {
            let Some(QueryFile { path, text }) = &mut stream.sql else { continue };
            *path = folder.join(&*path);
            *text = fs::read_to_string(&*path).map_err(|error| {
                let keys = check::stream_keys(name, index).to("sql");
                let message = unexpanded(format!("{}: {error}", path.display()), root);
                Failure { message, at: Some(root.nearest(&keys).at), keys }
            })?;
        }
    }
    Ok(())
}

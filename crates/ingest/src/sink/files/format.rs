//! [pure] The formats of files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The format of the files that rows are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileFormat {
    /// Apache Parquet: columns with their types, compressed.
    Parquet,
    /// A JSON object on each line.
    Ndjson,
    /// Comma-separated values by RFC 4180, with the names of the columns in the first line.
    Csv,
}

impl FileFormat {
    /// How the names of such files end.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

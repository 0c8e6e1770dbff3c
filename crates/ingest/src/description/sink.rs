//! [pure] Where a job writes, as data.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::forms;

/// Where a job writes: a map with one of these keys. Each stream is a table there, with the
/// stream's name.
///
/// | key | value |
/// |---|---|
/// | `sqlite` | the path of a database, which is made if it is not there |
/// | `postgres` | the URL of a database, `postgres://USER:PASSWORD@HOST/DATABASE`, which is a secret |
/// | `parquet` | a folder, or a URL of an object store such as `s3://BUCKET/FOLDER` |
/// | `ndjson` | a folder for files with a JSON object in each line |
/// | `csv` | a folder for files of comma-separated values |
///
/// Paths are relative to the working directory of the program. Programs can write into a
/// [table of Vantage](crate::sink::VantageTable) as well.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "a map with one key, such as { sqlite: PATH }")]
#[non_exhaustive]
pub enum SinkDescription {
    /// A SQLite database in a file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its URL.
    Postgres(#[serde(deserialize_with = "forms::secret")] SecretString),
    /// Parquet files in a folder or an object store.
    Parquet(String),
    /// Files of newline-delimited JSON in a folder.
    Ndjson(PathBuf),
    /// CSV files in a folder.
    Csv(PathBuf),
}

impl SinkDescription {
    /// The key that names it: `sqlite`, `postgres` and so on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Parquet(_) => "parquet",
            Self::Ndjson(_) => "ndjson",
            Self::Csv(_) => "csv",
        }
    }

    /// Whether rows that are there can be found by their key, as `merge` and `sync` do.
    #[must_use]
    pub fn can_merge(&self) -> bool {
        matches!(self, Self::Sqlite(_) | Self::Postgres(_))
    }
}

/// Without the place, which may hold a password.
impl fmt::Debug for SinkDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinkDescription({})", self.kind())
    }
}

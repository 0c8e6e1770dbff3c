//! Where a tool copies to: new for each run, and gone after it.

use std::{fs, path::PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::postgres::{Database, Postgres};

/// What is copied into, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    Sqlite,
    Postgres,
    /// Into a table that has all the rows already.
    Merge,
    Parquet,
}

impl Sink {
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::Merge, Self::Parquet];

    pub fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite, append",
            Self::Postgres => "PostgreSQL, append",
            Self::Merge => "PostgreSQL, merge",
            Self::Parquet => "Parquet",
        }
    }

    /// What it is called in descriptions and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Merge => "merge",
            Self::Parquet => "parquet",
        }
    }

    /// Where it is: `sqlite`, `postgres` or `parquet`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Merge => Self::Postgres.name(),
            other => other.name(),
        }
    }
}

/// A folder for a run and what it leaves behind, and a database if it needs one.
pub struct Place<'a> {
    pub sink: Sink,
    pub folder: PathBuf,
    target: String,
    _database: Option<Database<'a>>,
    _removes: TempDir,
}

impl<'a> Place<'a> {
    pub fn new(sink: Sink, postgres: &'a Postgres) -> anyhow::Result<Self> {
        let work = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/work");
        fs::create_dir_all(&work)?;
        let removes = tempfile::tempdir_in(work)?;
        let folder = removes.path().to_owned();
        let database = match sink {
            Sink::Postgres | Sink::Merge => Some(postgres.database()?),
            Sink::Sqlite | Sink::Parquet => None,
        };
        let target = match (&database, sink) {
            (Some(database), _) => database.url(),
            (None, Sink::Parquet) => path_text(folder.join("parquet"))?,
            (None, _) => path_text(folder.join("items.db"))?,
        };
        Ok(Self { sink, folder, target, _database: database, _removes: removes })
    }

    /// The path or the URL of what is written.
    pub fn target(&self) -> &str {
        &self.target
    }
}

fn path_text(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string().into_string().ok().context("the path of this folder is not text")
}

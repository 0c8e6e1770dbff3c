//! The file: what a URL names, how it is opened, and why it cannot be.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::tables::{self, TablesError};
use crate::Error;

/// How long another program may have the file locked.
const LOCKED: Duration = Duration::from_secs(30);

/// The wait before a file is opened again that is locked. To make it one with a write-ahead log waits for
/// nobody.
const AGAIN: Duration = Duration::from_millis(100);

/// The codes of SQLite, of which the lowest byte is the kind of error.
mod code {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const READONLY: u32 = 8;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

/// The file that a URL names, `sqlite:FILE` or `sqlite://FILE`; `None` if it is one of another kind.
///
/// # Errors
/// [`Error::Url`], if it names none that several processes could share, or has parameters.
pub(crate) fn file(url: &SecretString) -> Result<Option<PathBuf>, Error> {
    let Some(path) = url.expose_secret().strip_prefix("sqlite:") else { return Ok(None) };
    let path = path.strip_prefix("//").unwrap_or(path);
    match path.is_empty() || path.starts_with(':') || path.contains('?') {
        true => Err(Error::Url),
        false => Ok(Some(path.into())),
    }
}

/// How a file is opened that is there.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(LOCKED)
}

/// Opens a file with its tables: the connection that waits for the disk, and those that do not.
pub(super) async fn open(path: &Path, slots: usize) -> Result<(SqlitePool, SqlitePool), Error> {
    let options = options(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal);
    // What waits for a connection waits for what is written over it, which may wait for others.
    let pool = |most| SqlitePoolOptions::new().max_connections(most).acquire_timeout(LOCKED * 2);
    let writer = pool(1).connect_lazy_with(options.clone().synchronous(SqliteSynchronous::Full));
    let begun = Instant::now();
    loop {
        match make_tables(&writer).await {
            Err(TablesError::Database(error)) if is_locked(&error) && begun.elapsed() < LOCKED => {
                sleep(AGAIN).await;
            }
            Err(error) => return Err(named(path, &error)),
            Ok(()) => break,
        }
    }
    let most = u32::try_from(slots.min(4)).unwrap_or(1) + 2;
    let quick = pool(most).connect_lazy_with(options.synchronous(SqliteSynchronous::Normal));
    Ok((writer, quick))
}

async fn make_tables(writer: &SqlitePool) -> Result<(), TablesError> {
    tables::make(&mut *writer.acquire().await?).await
}

/// What is wrong with a file, in words.
pub(super) fn named(path: &Path, error: &TablesError) -> Error {
    let what = match error {
        TablesError::Database(error) => match code_of(error) {
            Some(code::CANTOPEN | code::PERM) => format!("cannot be opened: {}", reason(path)),
            Some(code::NOTADB) => "is no SQLite database".to_owned(),
            Some(code::CORRUPT) => "is a damaged SQLite database".to_owned(),
            Some(code::READONLY) => "can only be read".to_owned(),
            Some(code::FULL) => "cannot grow: the disk is full".to_owned(),
            Some(code::BUSY | code::LOCKED) => {
                format!("is locked by another program, for {LOCKED:?} by now")
            }
            _ => format!("cannot be used: {error}"),
        },
        error => error.to_string(),
    };
    Error::File { path: path.to_owned(), what }
}

/// Why a file cannot be opened. It is not opened here: to close it again would let go of the locks that
/// this process has on it.
fn reason(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => "it is a folder".to_owned(),
        Ok(_) => "permission denied".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.map(fs::metadata) {
            Some(Err(error)) => format!("its folder: {error}"),
            Some(Ok(metadata)) if !metadata.is_dir() => "its folder is a file".to_owned(),
            _ => "no such file, or it cannot be made in its folder".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    matches!(code_of(error), Some(code::BUSY | code::LOCKED))
}

fn code_of(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_is_refused() {
        let named = |url: &str| file(&url.to_owned().into());
        for (url, path) in [
            ("sqlite:jobs.db", "jobs.db"),
            ("sqlite://jobs.db", "jobs.db"),
            ("sqlite:///var/lib/jobs.db", "/var/lib/jobs.db"),
            ("sqlite:/var/lib/jobs.db", "/var/lib/jobs.db"),
            ("sqlite:a%20b.db", "a%20b.db"),
        ] {
            assert_eq!(named(url).unwrap(), Some(path.into()), "{url}");
        }
        for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:jobs.db?mode=rwc"] {
            assert!(matches!(named(url), Err(Error::Url)), "{url}");
        }
        assert_eq!(named("postgres://h/d").unwrap(), None);
        assert_eq!(named("SQLITE:jobs.db").unwrap(), None);
    }
}

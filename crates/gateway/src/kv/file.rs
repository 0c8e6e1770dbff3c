//! The file of a store: opened, checked, and made if it is new.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTableMetadata, TableHandle,
    WriteTransaction, backends::FileBackend,
};

use super::{
    Error,
    error::Failure,
    tables::{ABOUT, About, CHUNKS, ENTRIES, EXPIRY, FORMAT},
};

/// Opens the file, or makes it. No other process may have it open.
pub(super) fn open_or_create(path: &Path, cache: usize) -> Result<(Database, About), Error> {
    let refuse = |reason: String, source| Error::Open { path: path.to_owned(), reason, source };
    let from_failure =
        |failure: Failure| refuse(reason_of(&failure).to_owned(), Some(failure.into_cause()));
    let from_io = |error: io::Error| refuse(error.to_string(), Some(Arc::new(error)));
    let file = open_file(path).map_err(from_io)?;
    let database = create(file, cache).map_err(from_failure)?;
    let about = match read_about(&database).map_err(from_failure)? {
        Contents::Store(about) => about,
        Contents::Nothing => {
            let about = initialize(&database).map_err(from_failure)?;
            sync_folder(path).map_err(from_io)?;
            about
        }
        Contents::Other => {
            return Err(refuse("a database, but not one of a key-value store".to_owned(), None));
        }
    };
    if about.format != FORMAT {
        let reason = format!("has format {}, and this program knows {FORMAT}", about.format);
        return Err(refuse(reason, None));
    }
    Ok((database, about))
}

/// Opens the file again after a failure. It must still be the same store.
pub(super) fn reopen(path: &Path, cache: usize, store: u64) -> Result<(Database, About), Failure> {
    let database = Builder::new().set_cache_size(cache).open(path)?;
    match read_about(&database)? {
        Contents::Store(about) if about.store == store && about.format == FORMAT => {
            Ok((database, about))
        }
        _ => Err(Failure::Damaged("another file has taken its place")),
    }
}

/// A transaction that is on the disk once it is committed, and after which the file is opened at
/// once, whatever happens.
pub(super) fn begin_write(database: &Database) -> Result<WriteTransaction, Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// How many values there are, and how many of them expire.
pub(super) fn lengths(database: &Database) -> Result<(u64, u64), Failure> {
    let transaction = database.begin_read()?;
    Ok((transaction.open_table(ENTRIES)?.len()?, transaction.open_table(EXPIRY)?.len()?))
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // Values may be secrets.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn create(file: File, cache: usize) -> Result<Database, Failure> {
    let backend = FileBackend::new(file)?;
    Ok(Builder::new().set_cache_size(cache).create_with_backend(backend)?)
}

enum Contents {
    Nothing,
    Store(About),
    Other,
}

fn read_about(database: &Database) -> Result<Contents, Failure> {
    let transaction = database.begin_read()?;
    let mut tables = transaction.list_tables()?.peekable();
    if tables.peek().is_none() {
        return Ok(Contents::Nothing);
    }
    if !tables.any(|table| table.name() == ABOUT.name()) {
        return Ok(Contents::Other);
    }
    Ok(match transaction.open_table(ABOUT) {
        Ok(table) => About::read(&table)?.map_or(Contents::Other, Contents::Store),
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => Contents::Other,
    })
}

fn initialize(database: &Database) -> Result<About, Failure> {
    let store = fastrand::u64(1..);
    let about = About { format: FORMAT, store, version: 0, commit: 0, value_bytes: 0 };
    let transaction = begin_write(database)?;
    {
        transaction.open_table(ENTRIES)?;
        transaction.open_table(CHUNKS)?;
        transaction.open_table(EXPIRY)?;
        let mut table = transaction.open_table(ABOUT)?;
        for (name, number) in about.rows() {
            table.insert(name, number)?;
        }
    }
    transaction.commit()?;
    Ok(about)
}

/// A new file is there after a power failure only if its folder knows of it.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Ok(()),
    };
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

fn reason_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Database(redb::Error::DatabaseAlreadyOpen) => {
            "another process, or this one, has the store open"
        }
        Failure::Database(redb::Error::UpgradeRequired(_)) => "written by an older redb",
        Failure::Database(redb::Error::Corrupted(_)) | Failure::Damaged(_) => "the file is damaged",
        Failure::Database(redb::Error::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
            "not a database"
        }
        Failure::Database(redb::Error::Io(_)) => "cannot be read or written",
        _ => "cannot be opened",
    }
}

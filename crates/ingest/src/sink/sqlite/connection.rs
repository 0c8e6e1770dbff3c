//! Opens SQLite files.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Result, Transaction, TransactionBehavior, config::DbConfig,
    functions::FunctionFlags,
};

use super::error::failed;
use crate::sink::{SinkError, sql::text};

/// How long a lock of someone else is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const BUSY_WAIT: Duration = Duration::from_millis(2);

/// The function of SQL that writes a float with the fewest digits that tell it from all others.
/// SQLite's own conversion would round it.
pub(super) const FLOAT_TEXT: &str = "_apipool_float_text";

/// Foreign keys are off since a table that is replaced is dropped, which would delete what refers to
/// its rows; the old way to rename since the new one fails for views of a table that is replaced. The
/// cache bounds the memory of a large commit.
const SETTINGS: &str = "
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA legacy_alter_table = ON;
PRAGMA cache_size = -8192;
";

/// Opens the file to write it, and makes it if it is not there.
///
/// # Errors
/// If it is not an SQLite file, or cannot be one that readers read meanwhile.
pub(super) fn open(path: &Path) -> Result<Connection, SinkError> {
    let what = || format!("SQLite file {}", path.display());
    let open = || {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        let mode = begin_log(&connection)?;
        connection.execute_batch(SETTINGS)?;
        add_functions(&connection)?;
        Ok((connection, mode))
    };
    let (connection, mode): (_, String) = open().map_err(failed(what()))?;
    if mode != "wal" {
        return Err(SinkError::lasting(format!("{} cannot have a write-ahead log", what())));
    }
    Ok(connection)
}

/// Asks for a write-ahead log, and returns what there is. SQLite does not wait if several begin one.
fn begin_log(connection: &Connection) -> Result<String> {
    let start = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        let is_busy = matches!(&mode, Err(error)
            if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !is_busy || start.elapsed() > BUSY_TIMEOUT {
            return mode;
        }
        thread::sleep(BUSY_WAIT);
    }
}

/// Opens the file, if it is there.
///
/// # Errors
/// If it is not an SQLite file.
pub(super) fn open_existing(path: &Path) -> Result<Option<Connection>, SinkError> {
    // Whatever else is wrong with it is told when it is opened.
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(None);
    }
    let open = || {
        let connection = connect(path, OpenFlags::empty())?;
        connection.execute_batch(SETTINGS)?;
        Ok(connection)
    };
    open().map(Some).map_err(failed(format!("SQLite file {}", path.display())))
}

/// Begins a transaction that may write. Else what was read could have changed when it writes.
pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn connect(path: &Path, more: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A quoted name that no column has is an error, not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(connection)
}

fn add_functions(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(FLOAT_TEXT, 1, flags, |context| {
        let value: Option<f64> = context.get(0)?;
        Ok(value.map(|value| {
            let mut out = String::new();
            text::push_float(&mut out, value);
            out
        }))
    })
}

//! [pure] Which errors of SQLite may pass.

use rusqlite::{Error, ErrorCode};

use crate::sink::SinkError;

/// Makes the sink's error of one of SQLite; `what` says what failed.
pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> SinkError {
    |error| {
        let sink_error = match may_pass(&error) {
            true => SinkError::passing(what),
            false => SinkError::lasting(what),
        };
        sink_error.because(error)
    }
}

/// Whether the same may work later: someone else holds the file, or a resource has run out.
fn may_pass(error: &Error) -> bool {
    use ErrorCode::{
        DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OperationInterrupted,
        OutOfMemory, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | OperationInterrupted
                | OutOfMemory
                | SystemIoFailure
        )
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn error(code: i32) -> SinkError {
        failed("table `a`")(Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn what_others_hold_or_use_up_may_pass() {
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_NOMEM] {
            assert!(!error(code).is_lasting(), "{code}");
        }
        for code in
            [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_READONLY, ffi::SQLITE_ERROR]
        {
            assert!(error(code).is_lasting(), "{code}");
        }
        assert_eq!(error(ffi::SQLITE_BUSY).to_string(), "table `a`");
    }
}

//! [pure] Which errors may pass, and which stay.

use std::io::{self, ErrorKind};

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;

use crate::sink::SinkError;

/// Why a file was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Where it goes does not take it.
    Io(io::Error),
    /// What is in it has no form in this format.
    Data(SinkError),
}

impl WriteError {
    /// The error of the file at `place`.
    pub(super) fn at(self, place: &str) -> SinkError {
        match self {
            Self::Io(error) => of_io(format!("cannot write `{place}`"), error),
            Self::Data(error) => error,
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SinkError> for WriteError {
    fn from(error: SinkError) -> Self {
        Self::Data(error)
    }
}

impl From<ArrowError> for WriteError {
    fn from(error: ArrowError) -> Self {
        Self::Data(SinkError::lasting("the rows do not fit their schema").because(error))
    }
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> Self {
        let other = match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => return Self::Io(*error),
                Err(source) => ParquetError::External(source),
            },
            other => other,
        };
        Self::Data(SinkError::lasting("the rows cannot be written as Parquet").because(other))
    }
}

/// The error of a file or a folder. What a full disk, a signal or a network refuse may be granted
/// later; rights, names and kinds of files do not change by themselves.
pub(super) fn of_io(what: impl Into<String>, error: io::Error) -> SinkError {
    let stays = matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::FileTooLarge
            | ErrorKind::Unsupported
    );
    sorted(stays, what).because(error)
}

/// The error of an object store. What is left after its own retries, such as a 503 or a timeout, may
/// pass.
pub(super) fn of_store(what: impl Into<String>, error: object_store::Error) -> SinkError {
    use object_store::Error;
    let stays = matches!(
        error,
        Error::NotFound { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::UnknownConfigurationKey { .. }
    );
    sorted(stays, what).because(error)
}

fn sorted(stays: bool, what: impl Into<String>) -> SinkError {
    if stays { SinkError::lasting(what) } else { SinkError::passing(what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_may_pass_and_missing_rights_stay() {
        for (kind, stays) in [
            (ErrorKind::StorageFull, false),
            (ErrorKind::QuotaExceeded, false),
            (ErrorKind::Interrupted, false),
            (ErrorKind::TimedOut, false),
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::NotADirectory, true),
            (ErrorKind::ReadOnlyFilesystem, true),
        ] {
            assert_eq!(of_io("x", kind.into()).is_lasting(), stays, "{kind:?}");
        }
    }

    #[test]
    fn what_an_object_store_cannot_do_now_may_pass() {
        let unavailable = object_store::Error::Generic { store: "S3", source: "503".into() };
        assert!(!of_store("x", unavailable).is_lasting());
        let path = "a".to_owned();
        let denied = object_store::Error::PermissionDenied { path, source: "403".into() };
        assert!(of_store("x", denied).is_lasting());
    }

    #[test]
    fn an_error_of_the_disk_is_found_in_one_of_parquet() {
        let error = ParquetError::from(io::Error::from(ErrorKind::StorageFull));
        assert!(matches!(WriteError::from(error), WriteError::Io(_)));
        let error = WriteError::from(ParquetError::General("x".into()));
        assert!(matches!(error, WriteError::Data(_)));
    }
}

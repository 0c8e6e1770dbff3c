//! Why a call of the store fails. No text here quotes a value.

use std::{
    error, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{ETag, Key, KeyError};

/// What the system or the database said. Calls of one commit share it.
pub(super) type Cause = Arc<dyn error::Error + Send + Sync>;

/// Why a call of the store fails.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key that is invalid.
    #[error("key: {0}")]
    Key(#[from] KeyError),
    /// A media type that is invalid.
    #[error("content type: not `type/subtype` in at most 255 visible ASCII characters")]
    ContentType,
    /// A time to live out of bounds.
    #[error("ttl: must be 1 ms to 100 years")]
    Ttl,
    /// A value is larger than the store accepts.
    #[error("the value of {key} has {bytes} bytes, at most {most} are accepted")]
    ValueTooLarge {
        /// Whose value.
        key: Key,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
    /// A list without room for a key, or with room for too many.
    #[error("limit: must be 1 to {most}")]
    ListLimit {
        /// How many keys a page has at most.
        most: usize,
    },
    /// A batch without operations, or with too many.
    #[error("a batch has 1 to {most} operations, this one has {count}")]
    BatchLength {
        /// How many it has.
        count: usize,
        /// How many it may have.
        most: usize,
    },
    /// A batch that names a key twice, so that it could be read in two ways.
    #[error("operation {index}: the batch has named {key} before")]
    DuplicateKey {
        /// The position of the second operation, from 0.
        index: usize,
        /// Its key.
        key: Key,
    },
    /// The values of a batch are too large together.
    #[error("the values of the batch have {bytes} bytes together, at most {most} are accepted")]
    BatchTooLarge {
        /// How large they are, those to be read included.
        bytes: u64,
        /// How large they may be.
        most: usize,
    },
    /// The values would be larger together than the quota of the store. Nothing of the call, and of
    /// its batch, was written.
    #[error("the store is full: its values would count for {bytes} bytes, at most {most} may")]
    Full {
        /// What they would count for.
        bytes: u64,
        /// What they may count for.
        most: u64,
    },
    /// A precondition does not hold. Nothing of the call, and of its batch, was written.
    #[error("operation {index}: the {condition} of {key} does not hold")]
    PreconditionFailed {
        /// The position of the operation in its batch, from 0.
        index: usize,
        /// Its key.
        key: Key,
        /// `if_match` or `if_none_match`.
        condition: &'static str,
        /// The version that is there, if there is a value.
        current: Option<ETag>,
    },
    /// The call did not get its turn in time, because too much waits for the disk or for memory,
    /// or because the store is being compacted. Nothing was written.
    #[error("the store is busy: no turn within {0:?}")]
    Busy(Duration),
    /// The file cannot be used; it is opened again as soon as that works. Nothing was written.
    #[error("the store cannot be used")]
    Unavailable(#[source] Option<Cause>),
    /// A commit failed, and nothing of it was written. Later ones may work, such as when a full
    /// disk has room again.
    #[error("the store could not write")]
    NotWritten(#[source] Cause),
    /// Whether the call was carried out is not known: its commit failed and the file could not be
    /// opened again, or there was no answer in time.
    #[error("it is not known whether the store has written")]
    Unknown(#[source] Option<Cause>),
    /// A row of the file cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
    /// The file cannot be opened.
    #[error("{path}: {reason}", path = path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why, in words.
        reason: String,
        /// What the system or the database said.
        #[source]
        source: Option<Cause>,
    },
    /// A setting that makes no sense; the text begins with its name.
    #[error("{0}")]
    Setting(String),
}

impl Error {
    /// The stable name of what went wrong, in lower case with underscores.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Key(_) => "invalid_key",
            Self::ContentType => "invalid_content_type",
            Self::Ttl => "invalid_ttl",
            Self::ValueTooLarge { .. } => "value_too_large",
            Self::ListLimit { .. } => "invalid_limit",
            Self::BatchLength { .. } => "batch_length",
            Self::DuplicateKey { .. } => "key_twice",
            Self::BatchTooLarge { .. } => "batch_too_large",
            Self::Full { .. } => "store_full",
            Self::PreconditionFailed { .. } => "precondition_failed",
            Self::Busy(_) => "store_busy",
            Self::Unavailable(_) => "store_unavailable",
            Self::NotWritten(_) => "not_written",
            Self::Unknown(_) => "outcome_unknown",
            Self::Damaged(_) => "store_damaged",
            Self::Open { .. } => "open_failed",
            Self::Setting(_) => "invalid_setting",
        }
    }

    /// Whether the same call may work later, without having been carried out this time.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_) | Self::NotWritten(_))
    }
}

/// What can go wrong below: the database's own errors, and rows that are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Database(#[from] redb::Error),
    #[error("{0}")]
    Damaged(&'static str),
    /// The database panicked.
    #[error("the database panicked")]
    Panic,
}

impl Failure {
    /// Whether the database has to be opened again before it works.
    pub(super) fn needs_reopening(&self) -> bool {
        match self {
            Self::Database(error) => matches!(
                error,
                redb::Error::Io(_)
                    | redb::Error::Backend(_)
                    | redb::Error::PreviousIo
                    | redb::Error::LockPoisoned(_)
                    | redb::Error::DatabaseClosed
            ),
            Self::Damaged(_) => false,
            Self::Panic => true,
        }
    }

    /// As the source of an error of many calls.
    pub(super) fn into_cause(self) -> Cause {
        match self {
            Self::Database(error) => Arc::new(error),
            other => Arc::new(other),
        }
    }

    /// As the error of a call that only reads.
    pub(super) fn into_read_error(self) -> Error {
        match self {
            Self::Damaged(what) => Error::Damaged(what),
            other => Error::Unavailable(Some(other.into_cause())),
        }
    }
}

/// Takes a panic of the database for a failure.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panic))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Database(redb::Error::Io(error))
    }
}

macro_rules! failures {
    ($($name:ident),*) => {$(
        impl From<redb::$name> for Failure {
            fn from(error: redb::$name) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}

failures!(
    StorageError,
    TableError,
    TransactionError,
    CommitError,
    DatabaseError,
    CompactionError,
    SetDurabilityError
);

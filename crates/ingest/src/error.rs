//! What can go wrong in a job.

use vantage_api_pool::ErrorKind;
use vantage_core::VantageError;

use crate::{description::DescriptionError, query::QueryError, sink::SinkError};

/// Why a job, or a stream of it, cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description is not one.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// There is no job of this name.
    #[error("there is no job `{0}`")]
    NoJob(String),
    /// There is a job of this name.
    #[error("there is a job `{0}` already")]
    SecondJob(String),
    /// The description has no table of this name.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// The settings of a job are not those of one.
    #[error("{0}")]
    Settings(String),
    /// The parts in which a stream is read cannot be told.
    #[error("{0}")]
    Units(String),
    /// The API does not give what is asked for.
    #[error(transparent)]
    Api(#[from] vantage_api_pool::Error),
    /// The run that was interrupted has read other pages than those which are asked for now, or its
    /// place has expired, and it has appended rows, which would come twice if it began anew.
    #[error(
        "the description asks for other pages than before run {0} was interrupted, or the place at \
         which it was has expired at the API, and the rows which that has appended would come twice if \
         it began anew: `apipool reset FILE JOB --drop` deletes them"
    )]
    OtherRead(u64),
    /// The table cannot be read like this.
    #[error("{0}")]
    Table(VantageError),
    /// A query gives no rows, or no more.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A job has not written a table yet.
    #[error("job `{job}` has not written the table `{table}` yet")]
    NotWritten {
        /// The job.
        job: String,
        /// The table.
        table: String,
    },
    /// The rows do not fit the table, which is not to change, or not what must hold for them.
    #[error("{0}")]
    Schema(String),
    /// The sink cannot write.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A run of the job has died.
    #[error("{0}")]
    Died(String),
    /// The job was stopped before it ran.
    #[error("job `{0}` was stopped before it ran")]
    Stopped(String),
    /// The jobs are shut down.
    #[error("the jobs are shut down")]
    ShutDown,
    /// The system has no thread for the jobs.
    #[error("the system has no thread for the jobs")]
    NoThread(#[source] std::io::Error),
}

impl Error {
    /// Whether a resume token is not one of the pages that are asked for, or its place has expired.
    pub(crate) fn is_of_other_read(&self) -> bool {
        let Self::Api(error) = self else { return false };
        error.kind() == ErrorKind::CursorExpired
            || error.kind() == ErrorKind::Config && error.to_string().contains("resume_from: ")
    }

    /// Whether the same may work later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Api(error) => error.is_retryable(),
            Self::Query(error) => error.may_pass(),
            Self::Sink(error) => !error.is_lasting(),
            _ => false,
        }
    }
}

impl From<VantageError> for Error {
    fn from(error: VantageError) -> Self {
        Self::Table(error)
    }
}

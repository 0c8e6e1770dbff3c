//! What can go wrong in a job.

use vantage_core::VantageError;

use crate::{description::DescriptionError, sink::SinkError};

/// Why a job, or a stream of it, cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description is not one.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The description has no job of this name.
    #[error("there is no job `{0}`")]
    NoJob(String),
    /// The description has no table of this name.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// The parts in which a stream is read cannot be told.
    #[error("{0}")]
    Units(String),
    /// The API does not give what is asked for.
    #[error(transparent)]
    Api(#[from] vantage_api_pool::Error),
    /// The table cannot be read like this.
    #[error("{0}")]
    Table(VantageError),
    /// The rows do not fit the table, which is not to change.
    #[error("{0}")]
    Schema(String),
    /// The sink cannot write.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Error {
    /// Whether the same may work later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Api(error) => error.is_retryable(),
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

//! Why a command fails, and its exit code.

use std::{fmt, process::ExitCode};

use vantage_api_ingest::{Error, description::DescriptionError};

/// Why a command fails.
pub(crate) enum Failure {
    /// A stream failed or does not add up; this was told already. Exit code 1.
    Incomplete,
    /// The API or the sink failed. Exit code 1.
    Run(String),
    /// The description, or what is asked for, is not right. Exit code 2.
    Usage(String),
}

impl Failure {
    pub(crate) fn run(error: impl fmt::Display) -> Self {
        Self::Run(error.to_string())
    }

    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    pub(crate) fn tell(&self) {
        match self {
            Self::Incomplete => {}
            Self::Run(what) | Self::Usage(what) => crate::output::error(what),
        }
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Incomplete | Self::Run(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl From<DescriptionError> for Failure {
    fn from(error: DescriptionError) -> Self {
        match error.snippet() {
            Some(snippet) => Self::Usage(format!("{error}\n{snippet}")),
            None => Self::usage(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Description(error) => error.into(),
            Error::NoJob(_) | Error::NoTable(_) => Self::usage(error),
            error => Self::run(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::run(error)
    }
}

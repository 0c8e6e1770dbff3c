//! A session of SQL over a description.

use vantage_api_ingest::description::Description;
use vantage_api_pool::AwwPool;
use vantage_api_sql::ApiSession;
#[cfg(feature = "distributed")]
use vantage_api_sql::{datafusion::prelude::SessionConfig, distributed::Workers};

use super::error::said;
use crate::failure::Failure;

/// The schema whose tables need no schema before their names.
const DEFAULT: &str = "public";
#[cfg(feature = "distributed")]
const TOKEN: &str = "APIPOOL_SQL_TOKEN";

/// A session with the tables of the API, and what the jobs have written.
///
/// # Errors
/// If two of them would have one name, or a setting of the API is not valid.
pub(crate) fn session(description: &Description) -> Result<ApiSession, Failure> {
    let session = ApiSession::new().map_err(|error| Failure::usage(said(&error)))?;
    session.add(DEFAULT, description).map_err(|error| Failure::usage(said(&error)))?;
    Ok(session)
}

/// The same, whose requests go through `pool`, so that they share its limits with others.
///
/// # Errors
/// As for [`session`].
pub(crate) fn session_over(
    description: &Description,
    pool: &AwwPool,
) -> Result<ApiSession, Failure> {
    let session = ApiSession::new().map_err(|error| Failure::usage(said(&error)))?;
    let added = session.add_over(DEFAULT, description, pool);
    added.map_err(|error| Failure::usage(said(&error)))?;
    Ok(session)
}

/// The same over workers.
///
/// # Errors
/// As for [`session`], and if one of the addresses is invalid.
#[cfg(feature = "distributed")]
pub(crate) fn session_over_workers(
    description: &Description,
    workers: &[String],
) -> Result<ApiSession, Failure> {
    let mut workers = Workers::new(workers).map_err(Failure::usage)?;
    if let Some(token) = token()? {
        workers = workers.token(token.into());
    }
    let session = ApiSession::over_workers(SessionConfig::new(), workers);
    let session = session.map_err(|error| Failure::usage(said(&error)))?;
    session.add(DEFAULT, description).map_err(|error| Failure::usage(said(&error)))?;
    Ok(session)
}

/// What workers and those who ask them both know, if that is set.
///
/// # Errors
/// If it is empty, or no text.
#[cfg(feature = "distributed")]
pub(crate) fn token() -> Result<Option<String>, Failure> {
    match std::env::var(TOKEN) {
        Ok(token) if !token.is_empty() => Ok(Some(token)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        _ => Err(Failure::usage(format_args!("{TOKEN} is set, and is not a token"))),
    }
}

//! A session of SQL over a description.

use vantage_api_ingest::description::Description;
use vantage_api_pool::AwwPool;
use vantage_api_sql::ApiSession;

use super::error::said;
use crate::failure::Failure;

/// The schema whose tables need no schema before their names.
const DEFAULT: &str = "public";

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

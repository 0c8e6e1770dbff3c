//! How long the database of a cluster may take.

use std::{io, time::Duration};

use crate::Error;

/// How long a connection to the database is waited for, and a word that a process is alive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long the database may take for anything else: a connection, and a statement as long as it may be.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// What comes of something that the database is asked, unless it takes longer: over a connection that was
/// cut off there is no answer, and no word of that.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let answered = tokio::time::timeout(limit, asked).await;
    answered.unwrap_or_else(|_| {
        let error = io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {limit:?}"));
        Err(sqlx::Error::Io(error).into())
    })
}

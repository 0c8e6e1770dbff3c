//! Looks at a cluster, and changes nothing there.

use std::fmt;

use secrecy::SecretString;

use crate::{
    Error, Overview,
    engine::observed,
    store::{Look, PATIENCE, within},
};

/// Looks at a cluster over one connection, in transactions that can only read: a role that may `SELECT` from
/// the tables is enough, as is a hot standby; an SQLite file has to be there. Nothing is made there, unlike by
/// [`Cluster::connect`](crate::Cluster::connect).
///
/// ```no_run
/// # async fn demo() -> Result<(), vantage_api_cluster::Error> {
/// let observer = vantage_api_cluster::Observer::new("postgres://db.example.com/apipool")?;
/// for worker in observer.overview().await?.workers {
///     println!("{}: {} of {}", worker.name, worker.units.len(), worker.slots);
/// }
/// # Ok(()) }
/// ```
pub struct Observer {
    observed: Box<dyn Look>,
}

impl Observer {
    /// For the database of a cluster, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `sqlite:FILE`. It is
    /// reached when it is first asked, and again after an error.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn new(url: impl Into<SecretString>) -> Result<Self, Error> {
        Ok(Self { observed: observed(&url.into())? })
    }

    /// What is going on, as of one moment. Nothing if no worker has ever been there.
    ///
    /// # Errors
    /// That of the database, or that it has not answered for 10 s.
    pub async fn overview(&self) -> Result<Overview, Error> {
        within(PATIENCE, self.observed.overview()).await
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_not_shown() {
        let observer = Observer::new("postgres://u:s3cret@h/d").unwrap();
        assert!(!format!("{observer:?}").contains("s3cret"));
        let error = Observer::new("mysql://u:s3cret@h/d").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}

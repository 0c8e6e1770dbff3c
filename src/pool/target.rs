//! Where the requests of a pool go.

use crate::{error::Error, http::BaseUrl, pool::AwwPool};

impl AwwPool {
    /// What every target is below.
    ///
    /// # Errors
    /// Those of a base URL that cannot work.
    pub(crate) fn base_url(&self) -> Result<BaseUrl, Error> {
        BaseUrl::parse(&self.inner.config.base_url)
    }
}

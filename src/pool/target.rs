//! Where a request of the pool would go.

use http::Uri;

use crate::{
    error::Error,
    http::{BaseUrl, Request},
    pool::AwwPool,
};

impl AwwPool {
    /// The URL that `request` would be sent to.
    ///
    /// # Errors
    /// Those of the base URL and of the target, as when it is sent.
    pub(crate) fn url_of(&self, request: &Request) -> Result<Uri, Error> {
        BaseUrl::parse(&self.inner.config.base_url)?.join(request.target())
    }
}

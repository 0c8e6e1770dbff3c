//! Which requests may go out in the clear.

use super::PoolConfig;
use crate::{base_url::BaseUrl, error::Error};

impl PoolConfig {
    /// Checks what concerns requests that go out in the clear.
    pub(super) fn check_schemes(&self, base: &BaseUrl) -> Result<(), Error> {
        if self.https_only && !base.is_https() {
            return Err(Error::config("https_only: the base URL is not https"));
        }
        if self.https_only && self.allow_http_origins {
            return Err(Error::config("allow_http_origins: contradicts https_only"));
        }
        Ok(())
    }

    /// Checks whether pages of the API at `base` may be at `other`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    pub(crate) fn check_origin(&self, base: &BaseUrl, other: &BaseUrl) -> Result<(), Error> {
        if other.is_https() || !base.is_https() || self.allow_http_origins {
            return Ok(());
        }
        let what = match self.https_only {
            true => "https_only allows no origin without https",
            false => "an API with https needs the setting `allow_http_origins` for that",
        };
        Err(Error::config(format!("allow_origin: {} is not https; {what}", other.origin())))
    }
}

//! Where the requests of a pool go.

use super::{AwwPool, PoolBuilder};
use crate::{base_url::BaseUrl, error::Error};

impl AwwPool {
    /// What every target is below.
    ///
    /// # Errors
    /// Those of a base URL that cannot work.
    pub(crate) fn base_url(&self) -> Result<BaseUrl, Error> {
        BaseUrl::parse(&self.inner.config.base_url)
    }
    /// Checks whether pages may be at `origin`, a base URL that must be below one of `allowed`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the origin.
    pub(crate) fn check_origin(&self, origin: &str, allowed: &[String]) -> Result<(), Error> {
        let not_a_base =
            |source| Error::config("allow_origin: is not a base URL").with_source(source);
        let other = BaseUrl::parse(origin).map_err(not_a_base)?;
        let allowed = allowed.iter().map(|base| BaseUrl::parse(base));
        let allowed = allowed.collect::<Result<Vec<_>, _>>().map_err(not_a_base)?;
        if !allowed.iter().any(|base| base.join(origin).is_ok()) {
            return Err(Error::config(format!(
                "allow_origins: the program does not allow {}",
                other.as_uri()?
            )));
        }
        self.inner.config.check_origin(&self.base_url()?, &other)
    }
}

impl PoolBuilder {
    /// Whether no call may go out without TLS: `false` by default. With `true` the base URL must
    /// be `https://`, else [`build`](Self::build) fails with
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), and so does a read whose
    /// [`Paging::allow_origin`](crate::Paging::allow_origin) names an `http://` URL. Redirects
    /// never lead to another scheme than that of what was asked for.
    ///
    /// It says nothing of how a [proxy](Self::proxy) is spoken to, through which TLS goes
    /// untouched, nor of where tokens come from.
    pub fn https_only(mut self, https_only: bool) -> Self {
        self.config.https_only = https_only;
        self
    }

    /// Whether pages of an API with `https://` may be at origins with `http://`: `false` by
    /// default. Without it a [`Paging::allow_origin`](crate::Paging::allow_origin) that names
    /// one fails the read with [`ErrorKind::Config`](crate::ErrorKind::Config), and YAML that
    /// does is refused. What comes from there can be read and changed on the way. It has no
    /// meaning for an API with `http://`.
    pub fn allow_http_origins(mut self, allow_http_origins: bool) -> Self {
        self.config.allow_http_origins = allow_http_origins;
        self
    }
}

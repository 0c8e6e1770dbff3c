//! Ways to send a token as a signature: the token is a secret key that stays here, and each request
//! is signed with it.

#[cfg(feature = "sigv4")]
mod aws;
mod hmac;
mod template;

#[cfg(feature = "sigv4")]
pub use aws::AwsSignature;
pub use hmac::{HmacSignature, TimestampFormat};

use http::Uri;

use crate::{base_url::BaseUrl, error::Error, request::Request};

/// The URL that `request` is sent to: after a redirect it is absolute, and may be beside the base
/// URL.
fn url_of(request: &Request, base: &BaseUrl) -> Result<Uri, Error> {
    match request.target().parse::<Uri>() {
        Ok(url) if url.authority().is_some() => Ok(url),
        _ => base.join(request.target()),
    }
}

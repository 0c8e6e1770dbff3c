//! The usual way to send a token (RFC 6750 section 2.1).

use http::{HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::{
    error::{Error, ErrorKind},
    request::Request,
};

/// Puts a token into a request as `Authorization: Bearer …`; it never appears in `Debug` output.
///
/// For use as the `apply` argument of [`token_source`](crate::PoolBuilder::token_source) and of
/// [`with_auth_callback`](crate::PoolBuilder::with_auth_callback).
///
/// # Errors
/// [`ErrorKind::Token`] if the token has characters that are not legal in a header; it is not
/// echoed.
pub fn bearer(request: Request, token: &str) -> Result<Request, Error> {
    put(request, &AUTHORIZATION, &format!("Bearer {token}"))
}

/// Puts what holds a token into a header, kept out of every `Debug` output.
pub(super) fn put(mut request: Request, name: &HeaderName, text: &str) -> Result<Request, Error> {
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Error::new(ErrorKind::Token, "the token has characters that are not legal in a header")
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(request)
}

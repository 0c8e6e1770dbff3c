//! Credentials as header fields: `Authorization: Bearer` (RFC 6750) and `X-API-Key`.

use std::fmt;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};

use crate::Problem;

static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest secret that is looked at, in bytes.
const MAX_BYTES: usize = 4096;

/// How the credentials were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `X-API-Key: …`.
    ApiKey,
}

/// The credentials of a request. `Debug` does not show the secret.
#[derive(Clone)]
pub struct Credentials {
    scheme: Scheme,
    secret: SecretString,
}

impl Credentials {
    /// Credentials as a request would have them.
    #[must_use]
    pub fn new(scheme: Scheme, secret: impl Into<String>) -> Self {
        Self { scheme, secret: SecretString::from(secret.into()) }
    }

    /// How they were sent.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The token or key.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// The credentials in these header fields, or `None` if there are none.
///
/// # Errors
/// 400 if there is more than one, if the scheme is another one, or if the value cannot be a secret.
pub(crate) fn read_credentials(headers: &HeaderMap) -> Result<Option<Credentials>, Problem> {
    let bearer = headers.get_all(AUTHORIZATION).map(|value| (Scheme::Bearer, value));
    let keys = headers.get_all(&API_KEY).map(|value| (Scheme::ApiKey, value));
    let mut all = bearer.chain(keys);
    let Some((scheme, value)) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(refused("send one of Authorization and X-API-Key, once"));
    }
    let text = value.to_str().map_err(|_| refused("the credentials are not visible ASCII"))?;
    let secret = match scheme {
        Scheme::ApiKey => text.trim(),
        Scheme::Bearer => {
            let (name, secret) = text.trim().split_once(' ').unwrap_or((text, ""));
            if !name.eq_ignore_ascii_case("bearer") {
                return Err(refused("the scheme of Authorization must be Bearer"));
            }
            secret.trim()
        }
    };
    if secret.is_empty() || secret.len() > MAX_BYTES {
        return Err(refused("the credentials are empty or too long"));
    }
    Ok(Some(Credentials::new(scheme, secret)))
}

fn refused(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_credentials", "the credentials cannot be read")
        .with_detail(detail)
}

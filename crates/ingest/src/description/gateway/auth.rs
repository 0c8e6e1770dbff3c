//! [pure] Who may make requests, as data.

use std::fmt;

use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::description::forms;

/// Who may make requests: `none`, which is everybody who reaches an address of the loopback, or
/// `{ tokens: [...] }` with [`TokenDescription`]s.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "none, or a map such as { tokens: [...] }")]
pub enum AuthDescription {
    /// Everybody who reaches the address, which must be of the loopback.
    None,
    /// Those who have one of these tokens.
    Tokens(Vec<TokenDescription>),
}

impl fmt::Debug for AuthDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Tokens(tokens) => write!(f, "Tokens({} tokens)", tokens.len()),
        }
    }
}

/// A token, and whose it is: `{ id: ada, roles: [editor], token: "${ADA_TOKEN}" }`.
///
/// | key | value |
/// |---|---|
/// | `id` | names the principal, who is counted and limited by it |
/// | `roles` | what it may do; by default none |
/// | `token` | the token, of at least 16 characters: best a [variable](crate::description#variables) |
/// | `sha256` | instead of the token its SHA-256 digest in hexadecimal, as `printf %s TOKEN \| sha256sum` prints it |
///
/// Tokens must be random, with 128 bits or more.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenDescription {
    /// Names the principal.
    pub id: String,
    /// What the principal may do.
    #[serde(default, deserialize_with = "forms::one_or_many")]
    pub roles: Vec<String>,
    /// The token itself.
    #[serde(default, deserialize_with = "forms::optional_secret")]
    pub token: Option<SecretString>,
    /// The digest of the token.
    #[serde(default)]
    pub sha256: Option<String>,
}

impl TokenDescription {
    /// The SHA-256 digest of the token, in hexadecimal of lower case.
    #[must_use]
    pub fn digest(&self) -> String {
        match (&self.token, &self.sha256) {
            (Some(token), _) => {
                let digest = digest(&SHA256, token.expose_secret().as_bytes());
                digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
            }
            (None, digest) => digest.as_deref().unwrap_or_default().to_ascii_lowercase(),
        }
    }
}

impl fmt::Debug for TokenDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenDescription").finish_non_exhaustive()
    }
}

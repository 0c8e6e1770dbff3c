//! Known tokens, kept as SHA-256 digests and compared in constant time.

use std::{env, fmt, fs, path::Path};

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{AuthError, Authenticator, Credentials, Principal};
use crate::error::Error;

/// Tokens and keys by their SHA-256 digests, so that who reads the settings learns none of them.
///
/// Each request is compared with all digests, in a time that depends on their number alone: about
/// 20 ns for each. Tokens must be random, with 128 bits or more; a digest does not protect a word
/// that can be guessed.
///
/// ```
/// use vantage_api_gateway::auth::{Principal, Tokens};
///
/// let digest = Tokens::digest_of("a-long-random-token");
/// let tokens = Tokens::digests([(digest, Principal::new("ada").with_role("editor"))])?;
/// # drop(tokens);
/// # Ok::<(), vantage_api_gateway::Error>(())
/// ```
#[derive(Clone)]
pub struct Tokens(Vec<([u8; 32], Principal)>);

impl Tokens {
    /// Accepts the tokens of these SHA-256 digests, in hexadecimal.
    ///
    /// # Errors
    /// If a digest is not one, or two are the same, or there is none.
    pub fn digests<D: AsRef<str>>(
        tokens: impl IntoIterator<Item = (D, Principal)>,
    ) -> Result<Self, Error> {
        let mut all: Vec<([u8; 32], Principal)> = Vec::new();
        for (nth, (text, principal)) in tokens.into_iter().enumerate() {
            let bytes = parse_hex(text.as_ref().trim()).ok_or_else(|| {
                Error::Tokens(format!("token {}: not 64 hexadecimal digits of SHA-256", nth + 1))
            })?;
            if principal.id.is_empty() || principal.id.chars().any(char::is_control) {
                return Err(Error::Tokens(format!("token {}: no principal is named", nth + 1)));
            }
            if all.iter().any(|(other, _)| *other == bytes) {
                return Err(Error::Tokens(format!("token {}: its digest occurs twice", nth + 1)));
            }
            all.push((bytes, principal));
        }
        if all.is_empty() {
            return Err(Error::Tokens("there is no token".to_owned()));
        }
        Ok(Self(all))
    }

    /// Reads a file of lines `digest principal role,role`; roles may be missing. Empty lines and
    /// lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// If the file cannot be read or a line is not one; the message names the line.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| Error::Tokens(format!("{}: {error}", path.display())))?;
        Self::parse(text.lines())
    }

    /// Reads an environment variable of entries as the lines of [`file`](Self::file), separated by
    /// semicolons.
    ///
    /// # Errors
    /// If the variable is not set or an entry is not one.
    pub fn env(variable: &str) -> Result<Self, Error> {
        let text = env::var(variable)
            .map_err(|_| Error::Tokens(format!("the variable {variable} is not set")))?;
        Self::parse(text.split(';'))
    }

    fn parse<'a>(entries: impl Iterator<Item = &'a str>) -> Result<Self, Error> {
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            let mut words = entry.split_whitespace();
            let (digest, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let roles = words.next().unwrap_or_default().split(',').filter(|role| !role.is_empty());
            let principal = roles.fold(Principal::new(id), Principal::with_role);
            if words.next().is_some() {
                let nth = all.len() + 1;
                return Err(Error::Tokens(format!("token {nth}: more than digest, id and roles")));
            }
            all.push((digest, principal));
        }
        Self::digests(all)
    }

    /// The digest of a token, in hexadecimal, as the settings hold it.
    #[must_use]
    pub fn digest_of(secret: &str) -> String {
        digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The principal of a secret. Looks at every digest, whatever it finds.
    fn find(&self, secret: &str) -> Option<&Principal> {
        let given = digest(&SHA256, secret.as_bytes());
        let mut found = u32::MAX;
        for (nth, (known, _)) in (0_u32..).zip(&self.0) {
            let is_it: Choice = known.as_slice().ct_eq(given.as_ref());
            found.conditional_assign(&nth, is_it);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(_, principal)| principal)
    }
}

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<Principal>, AuthError> {
        Ok(self.find(credentials.secret()).cloned())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokens").field(&format_args!("{} tokens", self.0.len())).finish()
    }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit))
        .map(|byte| u8::try_from(byte).unwrap_or_default())
        .collect();
    (text.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

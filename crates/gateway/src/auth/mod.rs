//! Who makes a request. Knows header fields and digests, and nothing of tables.
//!
//! Credentials are read from header fields alone, never from the query, since queries end in logs.

mod credentials;
mod tokens;

use std::error::Error as StdError;

use async_trait::async_trait;

pub(crate) use credentials::read_credentials;
pub use credentials::{Credentials, Scheme};
pub use tokens::Tokens;

/// Who made a request, as the [`Authenticator`] knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Principal {
    /// Identifies the principal: it is counted and limited by this, and logged under it.
    pub id: String,
    /// What it may do: tables are opened to roles.
    pub roles: Vec<String>,
}

impl Principal {
    /// A principal without roles.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), roles: Vec::new() }
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Who makes requests to a gateway without authentication.
    pub(crate) fn anonymous() -> Self {
        Self::new("anonymous")
    }

    /// Whether it has one of these roles, or none is asked for.
    pub(crate) fn has_any(&self, roles: &[String]) -> bool {
        roles.is_empty() || roles.iter().any(|role| self.roles.contains(role))
    }
}

/// Decides whose credentials these are.
///
/// ```
/// use async_trait::async_trait;
/// use vantage_api_gateway::auth::{AuthError, Authenticator, Credentials, Principal};
///
/// struct Sessions;
///
/// #[async_trait]
/// impl Authenticator for Sessions {
///     async fn authenticate(&self, given: &Credentials) -> Result<Option<Principal>, AuthError> {
///         Ok((given.secret().len() == 40).then(|| Principal::new("someone")))
///     }
/// }
/// ```
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The principal of these credentials, or `None` if they are invalid (401).
    ///
    /// It is called for every request, so it should be fast or keep what it learned. To compare
    /// secrets it must take the same time whatever they are, as [`Tokens`] does.
    ///
    /// # Errors
    /// If it cannot be known now: the client gets a 503, and the text of the error goes nowhere.
    async fn authenticate(&self, credentials: &Credentials)
    -> Result<Option<Principal>, AuthError>;
}

/// Why an [`Authenticator`] cannot decide now. Its text is not shown to clients.
pub type AuthError = Box<dyn StdError + Send + Sync>;

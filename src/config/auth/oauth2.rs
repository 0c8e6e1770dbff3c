//! [pure] A client of OAuth 2.0, as data.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::data::optional_duration;

/// A client of OAuth 2.0: by the client credentials grant, with a refresh token, or with assertions.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "oauth2"), expect(dead_code, reason = "read, and then refused"))]
pub(crate) struct OAuth2 {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    #[serde(default)]
    pub(crate) client_secret: String,
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
    /// The file of a refresh token that is replaced with each use.
    #[serde(default)]
    pub(crate) keep_in: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) credentials_in_body: bool,
    #[serde(default)]
    pub(crate) jwt: Option<Box<JwtData>>,
}

/// Assertions, which a private key signs.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "oauth2"), expect(dead_code, reason = "read, and then refused"))]
pub(crate) struct JwtData {
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) key_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) key_id: Option<String>,
    #[serde(default)]
    pub(crate) algorithm: Option<String>,
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    #[serde(default, with = "optional_duration")]
    pub(crate) lifetime: Option<Duration>,
}

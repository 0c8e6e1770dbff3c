//! [pure] Where secrets come from, as data: from the data itself, the environment, files, and token
//! endpoints.

use std::{path::PathBuf, time::Duration};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::oauth2::OAuth2;
use crate::data::{OneOrMany, optional_duration};

/// Where secrets are.
#[derive(Clone)]
pub(crate) enum Secrets {
    Fixed(OneOrMany<String>),
    /// In environment variables.
    Env(OneOrMany<String>),
    /// In files.
    File {
        file: OneOrMany<PathBuf>,
        reread_every: Option<Duration>,
    },
    /// In the response to a request.
    TokenRequest(Box<TokenRequestData>),
    OAuth2(Box<OAuth2>),
}

/// A request for a token, and where its response has it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequestData {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) headers: IndexMap<String, String>,
    #[serde(default)]
    pub(crate) basic: Option<UserData>,
    #[serde(default)]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) form: Option<IndexMap<String, String>>,
    #[serde(default)]
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) token_header: Option<String>,
    #[serde(default)]
    pub(crate) token_cookie: Option<String>,
    #[serde(default)]
    pub(crate) expires: Option<String>,
    #[serde(default, with = "optional_duration")]
    pub(crate) lifetime: Option<Duration>,
}

/// A user of a token endpoint.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserData {
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) password: String,
}

/// The keys of a map.
const KEYS: [&str; 5] = ["env", "file", "reread_every", "token_request", "oauth2"];

/// Their values.
#[derive(Deserialize)]
struct Keys {
    env: Option<OneOrMany<String>>,
    file: Option<OneOrMany<PathBuf>>,
    #[serde(default, with = "optional_duration")]
    reread_every: Option<Duration>,
    token_request: Option<Box<TokenRequestData>>,
    oauth2: Option<Box<OAuth2>>,
}

const FORM: &str = "missing secret: it is a text, a list of texts, or a map with one of the keys \
                    env, file, token_request and oauth2";

/// An error says that a key is unknown or missing, or nothing of what is there.
impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if !value.is_object() {
            return OneOrMany::deserialize(value).map(Self::Fixed).map_err(D::Error::custom);
        }
        // A key that is not known may be a secret in braces.
        let is_known = |key: &String| KEYS.contains(&key.as_str());
        if !value.as_object().is_some_and(|map| map.keys().all(is_known)) {
            return Err(D::Error::custom(FORM));
        }
        let keys = Keys::deserialize(value).map_err(D::Error::custom)?;
        match keys {
            Keys {
                env: Some(env),
                file: None,
                reread_every: None,
                token_request: None,
                oauth2: None,
            } => Ok(Self::Env(env)),
            Keys {
                file: Some(file),
                reread_every,
                env: None,
                token_request: None,
                oauth2: None,
            } => Ok(Self::File { file, reread_every }),
            Keys {
                token_request: Some(request),
                env: None,
                file: None,
                reread_every: None,
                oauth2: None,
            } => Ok(Self::TokenRequest(request)),
            Keys {
                oauth2: Some(client),
                env: None,
                file: None,
                reread_every: None,
                token_request: None,
            } => Ok(Self::OAuth2(client)),
            _ => Err(D::Error::custom(FORM)),
        }
    }
}

//! [pure] How a pool signs in, as data. Knows nothing of the tokens that come of it.

mod secrets;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

pub(crate) use secrets::{Secrets, TokenRequestData};

use super::forms;

/// How a pool signs in.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Auth {
    Bearer(Secrets),
    Basic {
        user: String,
        password: Secrets,
    },
    Header {
        name: String,
        value: Secrets,
        /// Stands before the value.
        #[serde(default)]
        prefix: String,
    },
    Query {
        name: String,
        value: Secrets,
    },
    Cookie {
        name: String,
        value: Secrets,
    },
    /// A bearer token of OAuth 2.0.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
}

/// A client of OAuth 2.0: by the client credentials grant, or with a refresh token.
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
}

/// Reads how a pool signs in. An error names keys alone, since what else is there may be a secret.
pub(super) fn auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Auth>, D::Error> {
    forms::map(deserializer, FORM)?.map(in_map).transpose()
}

const FORM: &str =
    "must be a map with one of the keys bearer, basic, header, query, cookie and oauth2";

fn in_map<E: Error>(map: Map<String, Value>) -> Result<Auth, E> {
    let mut schemes = map.keys().cloned();
    let (Some(scheme), None) = (schemes.next(), schemes.next()) else {
        return Err(E::custom(FORM));
    };
    serde_json::from_value(Value::Object(map)).map_err(|error| {
        let what = error.to_string();
        let is_about_keys = ["unknown", "missing"].iter().any(|start| what.starts_with(start));
        match is_about_keys {
            true => E::custom(format!("{scheme}: {what}")),
            false => E::custom(format!("{scheme}: has a value of another form")),
        }
    })
}

//! [pure] How a pool signs in, as data. Knows nothing of the tokens that come of it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use super::forms;
use crate::data::{OneOrMany, optional_duration};

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
    },
    Query {
        name: String,
        value: Secrets,
    },
    /// By the client credentials grant.
    #[serde(rename = "oauth2")]
    #[cfg_attr(not(feature = "oauth2"), expect(dead_code, reason = "read, and then refused"))]
    OAuth2 {
        token_url: String,
        client_id: String,
        client_secret: String,
        #[serde(default)]
        scopes: Vec<String>,
        #[serde(default)]
        params: BTreeMap<String, String>,
        #[serde(default)]
        credentials_in_body: bool,
    },
}

/// Where secrets are.
#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Secrets {
    Fixed(OneOrMany<String>),
    /// In environment variables.
    Env {
        env: OneOrMany<String>,
    },
    /// In files.
    File {
        file: OneOrMany<PathBuf>,
        #[serde(default, with = "optional_duration")]
        reread_every: Option<Duration>,
    },
}

/// Reads how a pool signs in. An error names keys alone, since what else is there may be a secret.
pub(super) fn auth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Auth>, D::Error> {
    forms::map(deserializer, FORM)?.map(in_map).transpose()
}

const FORM: &str = "must be a map with one of the keys bearer, basic, header, query and oauth2";

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

//! [pure] How requests are authenticated: each scheme that the drafted operations name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Document;
use crate::{auth::Auth, draft::Draft};

/// The most ways to authenticate that are looked at.
const MOST_WAYS: usize = 20;

/// The schemes that an operation needs; those of the whole API unless it has its own.
pub(super) fn needed(document: &Document, operation: &Value) -> Vec<String> {
    let own = operation.get("security").or_else(|| document.get("security"));
    let ways = own.and_then(Value::as_array).into_iter().flatten();
    ways.take(MOST_WAYS).filter_map(|way| way.as_object()?.keys().next().cloned()).collect()
}

/// Adds the schemes that are used, the most frequent first.
pub(super) fn add(document: &Document, used: &[String], draft: &mut Draft) {
    let schemes = document
        .object(&["components", "securitySchemes"])
        .or_else(|| document.object(&["securityDefinitions"]));
    let Some(schemes) = schemes else {
        if draft.auth.is_empty() {
            draft.about_api.push("the specification does not say how to authenticate".to_owned());
        }
        return;
    };
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    used.iter().for_each(|name| *counts.entry(name).or_default() += 1);
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut names: Vec<&String> = names.into_iter().map(|(name, _)| name).collect();
    if names.is_empty() {
        // Declared, though no operation says that it needs one.
        names = schemes.keys().take(3).collect();
    }
    for name in names {
        let Some(scheme) = schemes.get(name).and_then(|scheme| document.resolve(scheme)) else {
            draft.about_api.push(format!("the scheme `{name}` is not in the specification"));
            continue;
        };
        match auth(scheme) {
            Ok(auth) => draft.auth.push((auth, format!("the scheme `{name}`"))),
            Err(what) => {
                draft.about_api.push(format!("the scheme `{name}` is {what}: fill in `auth`"));
            }
        }
    }
}

fn auth(scheme: &Value) -> Result<Auth, String> {
    let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
    let http = text("scheme").to_ascii_lowercase();
    match (text("type"), http.as_str()) {
        ("basic", _) | ("http", "basic") => {
            Ok(Auth::Basic("API_USER".to_owned(), "API_PASSWORD".to_owned()))
        }
        ("http", "bearer") => Ok(Auth::Bearer("API_TOKEN".to_owned())),
        ("http", other) => Err(format!("HTTP authentication by `{other}`")),
        ("apiKey", _) => {
            let (name, variable) = (text("name").to_owned(), "API_KEY".to_owned());
            match text("in") {
                "query" => Ok(Auth::Query { name, variable }),
                "cookie" => Ok(Auth::Cookie { name, variable }),
                _ => Ok(Auth::Header { name, prefix: String::new(), variable }),
            }
        }
        ("oauth2", _) => oauth2(scheme),
        ("openIdConnect", _) => Err("OpenID Connect".to_owned()),
        ("mutualTLS", _) => Err("a client certificate (`client_certificate`)".to_owned()),
        (other, _) => Err(format!("of the type `{other}`")),
    }
}

fn oauth2(scheme: &Value) -> Result<Auth, String> {
    let by_client = scheme.pointer("/flows/clientCredentials");
    let by_client = by_client.or_else(|| {
        let is_it = scheme.get("flow").and_then(Value::as_str) == Some("application");
        is_it.then_some(scheme)
    });
    if let Some(flow) = by_client {
        let token_url = flow.get("tokenUrl").and_then(Value::as_str).unwrap_or_default();
        if token_url.starts_with("http") {
            // Which scopes are needed, the operations say one by one.
            return Ok(Auth::OAuth2 { token_url: token_url.to_owned(), scopes: Vec::new() });
        }
    }
    let token_url = ["/flows/authorizationCode/tokenUrl", "/flows/password/tokenUrl", "/tokenUrl"]
        .iter()
        .find_map(|path| scheme.pointer(path)?.as_str());
    Err(match token_url {
        Some(url) => format!("OAuth 2.0 with tokens from {url} (`oauth2` takes a refresh token)"),
        None => "OAuth 2.0".to_owned(),
    })
}

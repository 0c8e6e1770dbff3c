//! [pure] Where the API is.

use std::collections::HashMap;

use serde_json::Value;

use super::document::Document;
use crate::{draft::Draft, names, yaml::without_variables};

/// The most variables of a URL.
const MOST_VARIABLES: usize = 50;

/// Sets the base URL, and the variables in it.
pub(super) fn place(document: &Document, draft: &mut Draft) {
    let servers = document.get("servers").and_then(Value::as_array);
    let server = servers.and_then(|servers| servers.first());
    let url = match server.and_then(|server| server.get("url")?.as_str()) {
        Some(url) => with_variables(url, server, draft),
        None => of_swagger(document).unwrap_or_default(),
    };
    let url = url.trim_end_matches('/').to_owned();
    let is_whole =
        url.starts_with("http://") || url.starts_with("https://") || url.starts_with("${");
    draft.base_url = match is_whole {
        true => url,
        false => {
            draft.about_api.push("the specification does not name a host: set ORIGIN".to_owned());
            draft.vars.push(("ORIGIN".to_owned(), "https://example.com".to_owned()));
            let slash = if url.is_empty() || url.starts_with('/') { "" } else { "/" };
            format!("${{ORIGIN}}{slash}{url}")
        }
    };
    if draft.vars.is_empty() {
        draft.base_url = draft.base_url.replace("$$", "$");
    }
    for other in servers.into_iter().flatten().skip(1).take(5) {
        if let Some(url) = other.get("url").and_then(Value::as_str) {
            draft.about_api.push(format!("or: {url}"));
        }
    }
}

/// `https://{host}/v1` with `host` as a variable.
fn with_variables(url: &str, server: Option<&Value>, draft: &mut Draft) -> String {
    let variables = server.and_then(|server| server.get("variables")?.as_object());
    let mut known: HashMap<&str, String> = HashMap::new();
    let mut pieces = url.split('{');
    let mut with = without_variables(pieces.next().unwrap_or_default());
    for piece in pieces {
        let named = piece.split_once('}').and_then(|(name, rest)| {
            let variable = variables.and_then(|variables| variables.get(name))?;
            Some((name, rest, variable.get("default").and_then(Value::as_str)))
        });
        let is_room = known.len() < MOST_VARIABLES;
        let Some((name, rest, default)) =
            named.filter(|(name, ..)| is_room || known.contains_key(name))
        else {
            with.push('{');
            with.push_str(&without_variables(piece));
            continue;
        };
        let own = known.entry(name).or_insert_with(|| {
            let own = variable(name, draft);
            draft.vars.push((own.clone(), default.unwrap_or_default().to_owned()));
            own
        });
        with.push_str(&format!("${{{own}}}"));
        with.push_str(&without_variables(rest));
    }
    with
}

/// The name of a variable in the draft. The environment may have one of the same name and goes
/// first, so it must be none that a secret has.
fn variable(name: &str, draft: &Draft) -> String {
    let own: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let is_secret = names::is_secret(&own) || names::plain(&own).ends_with("key");
    let is_name = own.starts_with(|c: char| c.is_ascii_alphabetic()) && own.len() <= 64;
    let named = format!("SERVER_{own}");
    match is_secret || !is_name || draft.vars.iter().any(|(taken, _)| *taken == named) {
        true => format!("SERVER_{}", draft.vars.len() + 1),
        false => named,
    }
}

/// `schemes`, `host` and `basePath`.
fn of_swagger(document: &Document) -> Option<String> {
    let text = |key| document.get(key).and_then(Value::as_str);
    let path = text("basePath").unwrap_or_default();
    let Some(host) = text("host") else { return Some(without_variables(path)) };
    let schemes = document.get("schemes").and_then(Value::as_array);
    let schemes: Vec<_> = schemes.into_iter().flatten().filter_map(Value::as_str).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") { "https" } else { "http" };
    Some(without_variables(&format!("{scheme}://{host}{path}")))
}

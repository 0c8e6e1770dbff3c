//! [pure] Where the API is.

use serde_json::Value;

use super::document::Document;
use crate::draft::Draft;

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
    for other in servers.into_iter().flatten().skip(1).take(5) {
        if let Some(url) = other.get("url").and_then(Value::as_str) {
            draft.about_api.push(format!("or: {url}"));
        }
    }
}

/// `https://{host}/v1` with `host` as a variable.
fn with_variables(url: &str, server: Option<&Value>, draft: &mut Draft) -> String {
    let mut url = url.replace('$', "$$");
    let variables = server.and_then(|server| server.get("variables")?.as_object());
    for (name, variable) in variables.into_iter().flatten() {
        let own: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let is_name = own.starts_with(|c: char| c.is_ascii_alphabetic());
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        let braced = format!("{{{name}}}");
        if is_name && url.contains(&braced) {
            url = url.replace(&braced, &format!("${{{own}}}"));
            draft.vars.push((own, default.to_owned()));
        }
    }
    url
}

/// `schemes`, `host` and `basePath`.
fn of_swagger(document: &Document) -> Option<String> {
    let text = |key| document.get(key).and_then(Value::as_str);
    let path = text("basePath").unwrap_or_default();
    let Some(host) = text("host") else { return Some(path.to_owned()) };
    let schemes = document.get("schemes").and_then(Value::as_array);
    let schemes: Vec<_> = schemes.into_iter().flatten().filter_map(Value::as_str).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") { "https" } else { "http" };
    Some(format!("{scheme}://{host}{path}"))
}

//! [pure] A page as it was parsed.

use serde_json::Value;
use url::Url;

use super::{error::DiscoverError, http::Response, next::with, rows::Place};

/// A page, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) answer: Response,
    pub(super) url: Url,
    pub(super) body: Value,
}

impl Page {
    /// # Errors
    /// If it is not a page of JSON.
    pub(super) fn parse(answer: Response, asked: &Url) -> Result<Self, DiscoverError> {
        if !answer.is_success() {
            return Err(refused(&answer));
        }
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if text.is_empty() {
            return Err(DiscoverError::new(
                format!("the answer has the status {} and no body", answer.status),
                "give the URL of a list that has rows",
            ));
        }
        let body: Value = serde_json::from_str(text).map_err(|_| not_json(&kind, text))?;
        if ["openapi", "swagger"].iter().any(|key| body.get(key).is_some_and(Value::is_string)) {
            return Err(DiscoverError::new(
                "the answer is an OpenAPI specification, and no list of rows",
                "save it in a file, and draft from it: `apipool init --openapi FILE`",
            ));
        }
        let url = answer.url.clone().unwrap_or_else(|| asked.clone());
        Ok(Self { answer, url, body })
    }

    /// Its rows.
    pub(super) fn rows(&self, place: &Place) -> Vec<&Value> {
        place.rows(&self.body)
    }
}

/// The same page with rows that are objects, where Datasette has sent lists.
pub(super) fn as_objects(page: &Page) -> Option<Url> {
    let is_lists = page.body.get("rows")?.as_array()?.first()?.is_array();
    let is_it = is_lists && page.body.get("columns").is_some_and(Value::is_array);
    let has_shape = page.url.query_pairs().any(|(name, _)| name == "_shape");
    (is_it && !has_shape).then(|| with(&page.url, "_shape", "objects"))
}

fn not_json(kind: &str, text: &str) -> DiscoverError {
    if text.starts_with('<') || kind.contains("html") || kind.contains("xml") {
        return DiscoverError::new(
            "the answer is HTML or XML, and no JSON",
            "give the URL of the API itself, or describe the page with `extract` by hand",
        );
    }
    let is_line = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|row| row.is_object());
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    if lines.next().is_some_and(is_line) {
        return DiscoverError::new(
            "the answer has one row per line (NDJSON), and nothing in it can tell how it pages",
            "write `envelope: { ndjson: true }` and `paging` by hand",
        );
    }
    DiscoverError::new("the answer is not JSON", "give the URL of a list that answers in JSON")
}

/// What a status means for whoever drafts a description.
fn refused(answer: &Response) -> DiscoverError {
    let status = answer.status;
    let what = format!("the API answered {status}");
    match status {
        401 | 403 => {
            let scheme = answer.header("www-authenticate").and_then(|field| {
                field.split_ascii_whitespace().next().map(str::to_ascii_lowercase)
            });
            let (asks, advice) = match scheme.as_deref() {
                Some("bearer") => (", and asks for a bearer token", "--bearer-env VARIABLE"),
                Some("basic") => {
                    (", and asks for a name and a password", "--basic-env USER_VARIABLE:VARIABLE")
                }
                Some("token") => {
                    (", and asks for `Token …`", "--header-env \"Authorization=Token VARIABLE\"")
                }
                _ => ("", "--bearer-env VARIABLE, --basic-env or --header-env"),
            };
            DiscoverError::new(
                format!("{what}{asks}"),
                format!("authenticate: {advice}, by the names of variables of the environment"),
            )
        }
        404 => DiscoverError::new(
            what,
            "see whether the URL is right, with its slash at the end if any",
        ),
        405 => DiscoverError::new(
            format!("{what}: it does not take a GET"),
            "if it is a search, ask it by a POST: --method POST --body '{ … }', with the JSON that it takes",
        ),
        429 => DiscoverError::new(what, "try again when the limit allows it"),
        400 | 422 => DiscoverError::new(
            format!("{what}: it misses a parameter, or does not know one"),
            "give the URL with the parameters that it needs",
        ),
        _ => DiscoverError::new(what, "give a URL that answers with a list of rows"),
    }
}

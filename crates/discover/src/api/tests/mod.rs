//! Drafts of APIs whose pages have the shapes that their documentation shows.

mod chained;
mod computed;
mod posted;
mod questions;

use serde_json::{Value, json};
use url::Url;

use super::{DiscoverError, Discovery, Request, Response, Settings, Step};

/// How many rows each API has.
const TOTAL: u64 = 137;

/// A request, and the rows that an API has.
struct Received<'a> {
    request: &'a Request,
}

impl Received<'_> {
    fn param(&self, name: &str) -> Option<String> {
        let mut found = self.request.url.query_pairs().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.into_owned())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.param(name)?.parse().ok()
    }

    /// The size that is asked for, within bounds.
    fn size(&self, name: &str, default: u64, most: u64) -> u64 {
        self.number(name).unwrap_or(default).clamp(1, most)
    }

    /// The URL with a parameter set.
    fn url_with(&self, name: &str, value: &impl ToString) -> String {
        super::next::with(&self.request.url, name, &value.to_string()).to_string()
    }
}

fn row(number: u64) -> Value {
    json!({ "id": number, "name": format!("row {number}"), "updated_at": "2024-05-01T10:00:00Z" })
}

/// The rows from this one on, at most so many.
fn rows(from: u64, size: u64) -> Vec<Value> {
    (from..TOTAL.min(from.saturating_add(size))).map(row).collect()
}

fn answer(body: &Value) -> Response {
    Response::new(200, [("content-type", "application/json")], body.to_string())
}

fn with_headers(body: &Value, headers: &[(&str, String)]) -> Response {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    Response::new(200, headers, body.to_string())
}

/// The draft of an API, after at most eight requests.
fn drafted(
    url: &str,
    settings: Settings,
    api: impl Fn(&Received<'_>) -> Response,
) -> Result<String, DiscoverError> {
    let mut discovery = Discovery::new(url, settings)?;
    let host = Url::parse(url).unwrap().origin();
    loop {
        match discovery.next_step() {
            Step::Done(done) => return done.map(|draft| draft.to_yaml()),
            Step::Request(request) => {
                assert_eq!(request.url.origin(), host, "another host was asked");
                let is_row = request.purpose == "one row by its id";
                let answer = if is_row {
                    Response::new(404, [], "")
                } else {
                    api(&Received { request: &request })
                };
                discovery.on_response(answer);
                assert!(discovery.requests_made() <= 8);
            }
        }
    }
}

fn draft(url: &str, api: impl Fn(&Received<'_>) -> Response) -> String {
    drafted(url, Settings::default(), api).unwrap_or_else(|error| panic!("{error}"))
}

fn question(url: &str, api: impl Fn(&Received<'_>) -> Response) -> String {
    match drafted(url, Settings::default(), api) {
        Ok(draft) => panic!("{draft}"),
        Err(error) => error.to_string(),
    }
}

/// Asserts that a draft has these lines, whatever their indentation and comments.
#[track_caller]
fn has(draft: &str, lines: &[&str]) {
    let held: Vec<&str> =
        draft.lines().map(|line| line.split(" # ").next().unwrap_or(line).trim()).collect();
    for line in lines {
        assert!(held.contains(line), "`{line}` is not in\n{draft}");
    }
}

#[test]
fn nothing_of_a_credential_gets_into_a_draft() {
    for url in [
        "https://h/rows?api_key=abc",
        "https://ann:abc@h/rows",
        "https://h/rows?access_token=abc",
        "https://h/rows?subscription-key=abc",
        "https://h/rows?bearer=abc",
        "https://h/rows?sas=abc",
    ] {
        let error = Discovery::new(url, Settings::default()).unwrap_err().to_string();
        assert!(!error.contains("abc") && error.contains("VARIABLE"), "{error}");
    }
    for none in ["", "rows", "ftp://h/rows", "https://", "file:///etc/passwd"] {
        assert!(Discovery::new(none, Settings::default()).is_err(), "{none}");
    }
}

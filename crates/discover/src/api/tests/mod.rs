//! Drafts of APIs whose pages have the shapes that their documentation shows.

mod chained;
mod computed;
mod questions;

use serde_json::{Value, json};
use url::Url;

use super::{Answer, Ask, Discovery, Settings, Step, Unknown};

/// How many rows each API has.
const TOTAL: u64 = 137;

/// A request, and the rows that an API has.
struct Request<'a> {
    ask: &'a Ask,
}

impl Request<'_> {
    fn param(&self, name: &str) -> Option<String> {
        let mut found = self.ask.url.query_pairs().filter(|(other, _)| other == name);
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
        super::next::with(&self.ask.url, name, &value.to_string()).to_string()
    }
}

fn row(number: u64) -> Value {
    json!({ "id": number, "name": format!("row {number}"), "updated_at": "2024-05-01T10:00:00Z" })
}

/// The rows from this one on, at most so many.
fn rows(from: u64, size: u64) -> Vec<Value> {
    (from..TOTAL.min(from.saturating_add(size))).map(row).collect()
}

fn answer(body: &Value) -> Answer {
    Answer::new(200, [("content-type", "application/json")], body.to_string())
}

fn with_headers(body: &Value, headers: &[(&str, String)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    Answer::new(200, headers, body.to_string())
}

/// The draft of an API, after at most eight requests.
fn drafted(
    url: &str,
    settings: Settings,
    api: impl Fn(&Request<'_>) -> Answer,
) -> Result<String, Unknown> {
    let mut discovery = Discovery::new(url, settings)?;
    let host = Url::parse(url).unwrap().origin();
    loop {
        match discovery.next_step() {
            Step::Done(done) => return done.map(|draft| draft.to_yaml()),
            Step::Ask(ask) => {
                assert_eq!(ask.url.origin(), host, "another host was asked");
                let is_row = ask.purpose == "one row by its id";
                let answer =
                    if is_row { Answer::new(404, [], "") } else { api(&Request { ask: &ask }) };
                discovery.answered(answer);
                assert!(discovery.asked() <= 8);
            }
        }
    }
}

fn draft(url: &str, api: impl Fn(&Request<'_>) -> Answer) -> String {
    drafted(url, Settings::default(), api).unwrap_or_else(|unknown| panic!("{unknown}"))
}

fn question(url: &str, api: impl Fn(&Request<'_>) -> Answer) -> String {
    match drafted(url, Settings::default(), api) {
        Ok(draft) => panic!("{draft}"),
        Err(unknown) => unknown.to_string(),
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

//! What arrived at the server, in arrival order, and what became of it.

use std::time::Instant;

use actix_web::{HttpRequest, web::Bytes};
use tokio::sync::watch;

/// Everything that arrived so far.
#[derive(Debug, Default)]
pub struct Log {
    /// All requests, in arrival order.
    pub seen: Vec<Seen>,
    /// How many requests have no answer yet.
    pub in_flight: usize,
    /// The most requests that had no answer at one time.
    pub max_in_flight: usize,
    /// How many requests the client dropped before their answer.
    pub aborted: usize,
    /// How many connections were accepted.
    pub connections: usize,
    /// Query parameters that are neither paging nor a field of the rows.
    pub unknown_params: Vec<String>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The decoded query, in the order sent.
    pub query: Vec<(String, String)>,
    /// Header names in lower case, and values that are text.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The page asked for, when the request is for a page of a list.
    pub page: Option<u64>,
    pub at: Instant,
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    InFlight,
    Answered(u16),
    /// The client hung up before the answer.
    Aborted,
}

impl Seen {
    /// The first value of the query parameter `name`.
    pub fn param(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The first value of the header `name`, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Log {
    /// The pages asked for, in arrival order; a page that was repeated is in it again.
    pub fn pages(&self) -> Vec<u64> {
        self.seen.iter().filter_map(|seen| seen.page).collect()
    }

    /// The requests to `path`, as it was sent.
    pub fn to(&self, path: &str) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.path == path).collect()
    }

    /// How many requests were answered with `status`.
    pub fn answered(&self, status: u16) -> usize {
        self.seen.iter().filter(|seen| seen.outcome == Outcome::Answered(status)).count()
    }

    /// Methods, paths, pages and outcomes, for the message of a failed test.
    pub fn summary(&self) -> Vec<String> {
        let line = |seen: &Seen| {
            let page = seen.page.map(|page| format!(" page {page}")).unwrap_or_default();
            format!("{} {}{page}: {:?}", seen.method, seen.path, seen.outcome)
        };
        self.seen.iter().map(line).collect()
    }
}

#[derive(Default)]
pub struct Recorder(watch::Sender<Log>);

impl Recorder {
    pub fn look<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.0.borrow())
    }

    pub async fn wait_until(&self, condition: impl FnMut(&Log) -> bool) {
        let _ = self.0.subscribe().wait_for(condition).await;
    }

    pub fn connected(&self) {
        self.0.send_modify(|log| log.connections += 1);
    }

    pub fn unknown_param(&self, name: &str) {
        self.0.send_modify(|log| log.unknown_params.push(name.to_owned()));
    }

    /// Records a request; the guard records what becomes of it.
    pub fn arrived(&self, request: &HttpRequest, body: Bytes, page: Option<u64>) -> Arrival<'_> {
        let seen = Seen {
            method: request.method().to_string(),
            path: request.path().to_owned(),
            query: query(request),
            headers: request
                .headers()
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.to_string(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            body,
            page,
            at: Instant::now(),
            outcome: Outcome::InFlight,
        };
        let mut index = 0;
        self.0.send_modify(|log| {
            index = log.seen.len();
            log.seen.push(seen);
            log.in_flight += 1;
            log.max_in_flight = log.max_in_flight.max(log.in_flight);
        });
        Arrival { recorder: self, index, outcome: Outcome::Aborted }
    }
}

/// The decoded query of a request, in the order sent.
pub fn query(request: &HttpRequest) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect()
}

/// A request without an answer. Dropped before its answer, it counts as aborted.
pub struct Arrival<'a> {
    recorder: &'a Recorder,
    index: usize,
    outcome: Outcome,
}

impl Arrival<'_> {
    pub fn answered(mut self, status: u16) {
        self.outcome = Outcome::Answered(status);
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.recorder.0.send_modify(|log| {
            log.in_flight -= 1;
            log.aborted += usize::from(self.outcome == Outcome::Aborted);
            log.seen[self.index].outcome = self.outcome;
        });
    }
}

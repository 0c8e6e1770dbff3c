//! What several tests ask of wiremock: a server of their own, rows in pages, and what came in.
//! All else they say to wiremock itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, path},
};

/// A server that no test had before: `MockServer::start` lends one, which a late request of
/// another test may reach.
pub async fn server() -> MockServer {
    MockServer::builder().start().await
}

/// A server that answers every request in this way.
pub async fn answering(answer: impl Respond + 'static) -> MockServer {
    let server = server().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// A server of so many rows at `/rows`.
pub async fn serving(rows: u64) -> MockServer {
    let server = server().await;
    Mock::given(path("/rows")).respond_with(Pages(numbered(0..rows))).mount(&server).await;
    server
}

/// 200 and this JSON, as it is written here.
pub fn json_text(body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.into(), "application/json")
}

/// 200 and a page of HTML.
pub fn html() -> ResponseTemplate {
    let body = "<!doctype html><title>Down for maintenance</title>";
    ResponseTemplate::new(200).set_body_raw(body, "text/html")
}

/// This status, and `{"error": …}` with its name.
pub fn refusal(status: u16) -> ResponseTemplate {
    let reason = http::StatusCode::from_u16(status).unwrap().canonical_reason();
    ResponseTemplate::new(status).set_body_json(json!({ "error": reason }))
}

/// Rows `{"id": n, "name": "row n", "n": n}`.
pub fn numbered(of: impl IntoIterator<Item = u64>) -> Vec<Value> {
    of.into_iter().map(|n| json!({ "id": n, "name": format!("row {n}"), "n": n })).collect()
}

/// Rows in pages of ten, by the number of the page in `page`, from 1, and with the total.
/// Parameters that are fields of a row narrow the set to the rows that have their values.
pub struct Pages(pub Vec<Value>);

impl Pages {
    /// The same without any narrowing.
    pub fn whole(self) -> impl Respond {
        move |request: &Request| self.page(page_number(request))
    }

    /// The page with this number.
    pub fn page(&self, page: usize) -> ResponseTemplate {
        let rows: Vec<_> = self.0.iter().skip((page - 1) * 10).take(10).collect();
        let (total, pages) = (self.0.len(), self.0.len().div_ceil(10));
        ResponseTemplate::new(200).set_body_json(json!({
            "data": rows,
            "pagination": { "page": page, "per_page": 10, "total": total, "total_pages": pages },
        }))
    }
}

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let query = query(request);
        let matches = |row: &&Value| {
            query.iter().all(|(name, value)| row.get(name).is_none_or(|own| text(own) == *value))
        };
        Self(self.0.iter().filter(matches).cloned().collect()).page(page_number(request))
    }
}

fn page_number(request: &Request) -> usize {
    param(request, "page").map_or(1, |page| page.parse().unwrap())
}

/// All that came in, in its order.
pub async fn received(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

/// How many requests came in.
pub async fn count(server: &MockServer) -> usize {
    received(server).await.len()
}

/// The last request that came in.
pub async fn last(server: &MockServer) -> Request {
    received(server).await.pop().unwrap()
}

/// The decoded query, in the order sent.
pub fn query(request: &Request) -> Vec<(String, String)> {
    request.url.query_pairs().into_owned().collect()
}

/// The first value of a parameter of the query.
pub fn param(request: &Request, name: &str) -> Option<String> {
    query(request).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The first value of a header.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

/// How often each bearer token was used.
pub async fn bearers(server: &MockServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in received(server).await {
        let token = header(&request, "authorization").unwrap_or("none").replace("Bearer ", "");
        *counts.entry(token).or_default() += 1;
    }
    counts
}

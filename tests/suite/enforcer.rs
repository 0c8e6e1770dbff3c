//! The enforcer as a middleware, with clients of all kinds before it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use futures::{TryStreamExt, future::join_all};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, PaginatedStream, Request,
    limits::{RateLimitPolicy, RateLimitPolicyEnforcer},
};

use crate::support::soon;
use demo_api::Embedded;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A window so long that none ends while a test runs: each client's ends at a time of its own.
const YEAR: u64 = 31_536_000;

/// Pages of ten numbers up to 400, behind an enforcer.
struct Api {
    server: Embedded,
    served: Arc<AtomicUsize>,
}

impl Api {
    /// Clients are their `Authorization`.
    fn start(policies: &[RateLimitPolicy]) -> Self {
        let enforcer = RateLimitPolicyEnforcer::new(policies.iter().cloned()).unwrap();
        Self::with(enforcer.client_by_header("authorization"))
    }

    fn with(enforcer: RateLimitPolicyEnforcer) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let counter = web::Data::from(Arc::clone(&served));
        let server = Embedded::start(move |listener| {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(counter.clone())
                    .wrap(enforcer.clone())
                    .route("/rows", web::get().to(page))
            })
            .workers(2)
            // A busy machine may leave a client without a turn once it has connected.
            .client_request_timeout(secs(60))
            .disable_signals()
            .listen(listener)?;
            Ok(server.run())
        });
        Self { server: server.unwrap(), served }
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    async fn get(&self, client: &Client, token: Option<&str>) -> Response {
        let mut request = client.get(format!("{}/rows", self.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        soon("an answer", request.send()).await.unwrap()
    }
}

async fn page(served: web::Data<AtomicUsize>, query: web::Query<Value>) -> HttpResponse {
    served.fetch_add(1, Ordering::Relaxed);
    let page: u64 = query["page"].as_str().and_then(|page| page.parse().ok()).unwrap_or(1);
    let rows: Vec<u64> = (page * 10 - 10..page * 10).collect();
    HttpResponse::Ok().json(json!({
        "data": rows,
        "pagination": { "page": page, "per_page": 10, "total": 400, "total_pages": 40 },
    }))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// The parameter `key` of the first policy in a field of the draft.
fn parameter(response: &Response, name: &str, key: &str) -> i64 {
    let list: sfv::List = sfv::Parser::new(header(response, name).unwrap()).parse().unwrap();
    let sfv::ListEntry::Item(item) = &list[0] else { panic!("an inner list") };
    item.params[sfv::KeyRef::from_str(key).unwrap()].as_integer().unwrap().into()
}

#[tokio::test]
async fn a_client_gets_its_quota_and_then_429_with_the_wait_and_the_reason() {
    let api = Api::start(&[
        RateLimitPolicy::fixed_window("yearly", 5, secs(YEAR)),
        RateLimitPolicy::token_bucket("burst", 100, secs(1)),
    ]);
    let client = Client::new();
    for left in (0..5).rev() {
        let answer = api.get(&client, Some("one")).await;
        assert_eq!(answer.status(), 200);
        let policy = header(&answer, "ratelimit-policy");
        assert_eq!(policy, Some(r#""yearly";q=5;w=31536000, "burst";q=100;w=1"#));
        assert_eq!(parameter(&answer, "ratelimit", "r"), left);
        assert!((1..=YEAR as i64).contains(&parameter(&answer, "ratelimit", "t")));
        assert_eq!(header(&answer, "retry-after"), None);
    }
    let refused = api.get(&client, Some("one")).await;
    assert_eq!(refused.status(), 429);
    let wait: i64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!(wait >= parameter(&refused, "ratelimit", "t"));
    assert_eq!(header(&refused, "content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_slice(&refused.bytes().await.unwrap()).unwrap();
    let kind = "https://iana.org/assignments/http-problem-types#quota-exceeded";
    assert_eq!(problem["type"], kind);
    assert_eq!(problem["violated-policies"], json!(["yearly"]));
    assert_eq!(api.served(), 5);
    // Another client, and one without a name, have quotas of their own.
    assert_eq!(api.get(&client, Some("two")).await.status(), 200);
    assert_eq!(api.get(&client, None).await.status(), 200);
}

#[tokio::test]
async fn all_workers_of_the_server_count_together_however_many_ask_at_once() {
    let api = Api::start(&[RateLimitPolicy::fixed_window("p", 30, secs(YEAR))]);
    // A connection each, so that both workers have some.
    let ask = async |_| api.get(&Client::new(), Some("one")).await.status().as_u16();
    let statuses = join_all((0..90).map(ask)).await;
    let count = |status| statuses.iter().filter(|&&other| other == status).count();
    assert_eq!((count(200), count(429), api.served()), (30, 60, 30));
}

#[tokio::test]
async fn who_waits_as_long_as_it_is_told_is_admitted() {
    for policy in [
        RateLimitPolicy::fixed_window("p", 2, secs(2)),
        RateLimitPolicy::token_bucket("p", 2, secs(2)),
    ] {
        let api = Api::start(std::slice::from_ref(&policy));
        let client = Client::new();
        let mut refused = 0;
        while refused < 2 {
            let answer = api.get(&client, None).await;
            if answer.status() == 429 {
                refused += 1;
                let wait = header(&answer, "retry-after").unwrap().parse().unwrap();
                assert!((1..=2).contains(&wait), "{wait}");
                tokio::time::sleep(secs(wait)).await;
                assert_eq!(api.get(&client, None).await.status(), 200, "{policy:?}");
            }
        }
    }
}

#[tokio::test]
async fn clients_are_told_apart_by_what_the_application_says() {
    let policy = RateLimitPolicy::fixed_window("p", 1, secs(YEAR));
    let by_key = RateLimitPolicyEnforcer::new([policy])
        .unwrap()
        .legacy_headers()
        .client_by(|request| request.headers().get("x-api-key").cloned());
    let api = Api::with(by_key);
    let client = Client::new();
    let ask = async |key: &str| {
        let request = client.get(format!("{}/rows", api.url())).header("x-api-key", key);
        soon("an answer", request.send()).await.unwrap()
    };
    assert_eq!(header(&ask("a").await, "x-ratelimit-remaining"), Some("0"));
    assert_eq!(ask("a").await.status(), 429);
    assert_eq!(ask("b").await.status(), 200);
    assert_eq!(api.get(&client, Some("one")).await.status(), 200);
    assert_eq!(api.get(&client, Some("two")).await.status(), 429, "no key is one client");
}

#[tokio::test]
async fn the_pool_reads_through_it_without_a_failure() {
    let api = Api::start(&[RateLimitPolicy::token_bucket("p", 30, secs(1))]);
    let pool = AwwPool::builder(api.url()).rate_limit("25".parse().unwrap()).build().unwrap();
    let read = PaginatedStream::get(&pool, "/rows").prefetch(8).items_as::<u64>().try_collect();
    let rows: Vec<u64> = soon("all rows", read).await.unwrap();
    assert_eq!(rows, (0..400).collect::<Vec<_>>());
    let stats = pool.stats().await.unwrap();
    assert_eq!((stats.rate_limited, api.served()), (0, 40));
}

#[tokio::test]
async fn the_pool_that_knows_no_limit_waits_for_the_next_window_and_loses_nothing() {
    let api = Api::start(&[RateLimitPolicy::fixed_window("p", 20, secs(1))]);
    let pool = AwwPool::builder(api.url()).build().unwrap();
    let read = PaginatedStream::get(&pool, "/rows").prefetch(8).items_as::<u64>().try_collect();
    let rows: Vec<u64> = soon("all rows", read).await.unwrap();
    assert_eq!(rows, (0..400).collect::<Vec<_>>());
    assert_eq!(api.served(), 40, "a page that was refused was not served");
    let call = pool.request(Request::get("/rows"));
    soon("a call", call).await.unwrap();
}

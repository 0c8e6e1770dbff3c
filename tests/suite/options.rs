//! Each option changes something that can be seen from outside.

use std::time::{Duration, Instant};

use crate::support::{
    hostile::{Hostile, Shape},
    mock::{self, header, json_text, numbered, param, refusal},
    raw_server::RawServer,
    soon,
};
use futures::StreamExt;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolBuilder, Request, Response,
    messages::OpenStream,
};
use wiremock::{
    Mock, Request as Received, Respond, ResponseTemplate,
    matchers::{body_bytes, method, path},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Far longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn get(pool: &AwwPool) -> Result<Response, Error> {
    soon("an answer", pool.get("/rows")).await
}

/// The one request that a pool of these settings makes.
async fn sent(settings: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Received {
    let server = mock::answering(ResponseTemplate::new(200)).await;
    let pool = settings(AwwPool::builder(server.uri())).build().unwrap();
    get(&pool).await.unwrap();
    assert_eq!(mock::count(&server).await, 1);
    mock::last(&server).await
}

/// The pages that are asked for to read three full ones.
async fn pages_read(answer: impl Respond + 'static, envelope: Envelope) -> Vec<String> {
    let api = mock::answering(answer).await;
    let pool = AwwPool::new(1, None, false, api.uri());
    let stream = PaginatedStream::get(pool, "/rows").envelope(envelope).prefetch(1);
    let rows: Vec<_> = soon("all rows", stream.map(Result::unwrap).collect()).await;
    assert_eq!(rows, numbered(0..30));
    mock::received(&api).await.iter().filter_map(|request| param(request, "page")).collect()
}

#[tokio::test]
async fn call_timeout_bounds_a_call_that_names_no_deadline() {
    let api = Hostile::new(10).closed().start();
    let pool = AwwPool::builder(api.url()).call_timeout(millis(100)).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(error.elapsed() >= millis(100), "{error}");
}

#[tokio::test]
async fn read_idle_timeout_bounds_how_long_a_body_stands_still() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").await;
        peer.closed().await;
    });
    let pool = AwwPool::builder(server.url()).read_idle_timeout(millis(100)).max_attempts(1);
    let error = get(&pool.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.elapsed() >= millis(100), "{error}");
}

#[tokio::test]
async fn idle_timeout_closes_a_connection_that_is_not_used() {
    for idle in [Duration::ZERO, millis(100)] {
        let server = RawServer::answering(OK);
        let pool = AwwPool::builder(server.url()).workers(1).idle_timeout(idle).build().unwrap();
        get(&pool).await.unwrap();
        server.wait_for(|seen| seen.closed.len() == 1).await;
        get(&pool).await.unwrap();
    }
}

#[tokio::test]
async fn max_lifetime_replaces_a_connection_that_is_used_all_the_time() {
    let server = RawServer::answering(OK);
    let mortal = AwwPool::builder(server.url()).workers(1).max_lifetime(millis(50));
    let mortal = mortal.build().unwrap();
    soon("the third connection", async {
        while server.seen().connections < 3 {
            get(&mortal).await.unwrap();
        }
    })
    .await;
    let other = RawServer::answering(OK);
    let pool = AwwPool::builder(other.url()).workers(1).build().unwrap();
    let lasting = Instant::now();
    while lasting.elapsed() < millis(250) {
        get(&pool).await.unwrap();
    }
    assert_eq!(other.seen().connections, 1);
    let server = RawServer::answering(OK);
    let pool = AwwPool::builder(server.url()).workers(1).max_lifetime(Duration::ZERO);
    let pool = pool.build().unwrap();
    for _ in 0..5 {
        get(&pool).await.unwrap();
    }
    assert_eq!(server.seen().connections, 5);
}

#[tokio::test]
async fn max_body_bytes_is_the_most_that_is_read() {
    let ok = ResponseTemplate::new(200).set_body_string("ok");
    let server = mock::answering(ok).await;
    let limited = |bytes| AwwPool::builder(server.uri()).max_body_bytes(bytes).build().unwrap();
    assert_eq!(get(&limited(2)).await.unwrap().text().unwrap(), "ok");
    assert_eq!(get(&limited(1)).await.unwrap_err().kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn backoff_base_and_backoff_cap_bound_the_wait_before_a_repeat() {
    let api = mock::answering(refusal(503)).await;
    let pool = |base, cap| {
        AwwPool::builder(api.uri())
            .backoff_base(base)
            .backoff_cap(cap)
            .call_timeout(millis(100_000))
            .build()
            .unwrap()
    };
    // A wait that would pass the deadline is the error; any other leads to three attempts. A random
    // part of the longest is hardly ever short enough.
    let longest = Duration::from_secs(u32::MAX.into());
    let long = get(&pool(longest, longest)).await.unwrap_err();
    assert_eq!((long.kind(), long.attempts()), (ErrorKind::DeadlineExceeded, 1));
    assert!(long.retry_after().unwrap() <= longest);
    for (base, cap) in [(millis(1), LONG), (LONG, millis(1)), (Duration::ZERO, Duration::ZERO)] {
        let error = get(&pool(base, cap)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 3));
    }
}

#[tokio::test]
async fn max_attempts_counts_the_first_one() {
    for attempts in [1, 2, 5] {
        let api = mock::answering(refusal(503)).await;
        let pool = AwwPool::builder(api.uri()).backoff_base(millis(1)).max_attempts(attempts);
        let error = get(&pool.build().unwrap()).await.unwrap_err();
        assert_eq!(error.attempts(), attempts);
        assert_eq!(mock::count(&api).await, attempts as usize);
    }
}

#[tokio::test]
async fn max_retry_after_of_zero_waits_for_nobody() {
    let api = mock::answering(refusal(429).insert_header("retry-after", "1")).await;
    let pool = AwwPool::builder(api.uri()).max_retry_after(Duration::ZERO).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(millis(1_000))));
    assert_eq!(mock::count(&api).await, 1);
}

#[tokio::test]
async fn gzip_is_asked_for_unless_it_is_turned_off() {
    let plain = sent(|pool| pool).await;
    assert!(header(&plain, "accept-encoding").unwrap().contains("gzip"));
    assert_eq!(header(&sent(|pool| pool.gzip(false)).await, "accept-encoding"), None);
}

#[tokio::test]
async fn a_default_header_may_replace_the_pools_user_agent() {
    let own = sent(|pool| pool).await;
    assert!(header(&own, "user-agent").unwrap().starts_with("vantage-api-pool/"));
    let other = sent(|pool| pool.default_header("User-Agent", "tea/1")).await;
    let agents: Vec<_> = other.headers.get_all("user-agent").iter().collect();
    assert_eq!(agents, ["tea/1"]);
    assert!(!format!("{:?}", other.headers).contains("vantage"));
}

#[tokio::test]
async fn the_rate_limit_of_new_is_in_requests_per_second() {
    let api = Hostile::new(10).start();
    let pool = AwwPool::new(3, Some(10.into()), false, api.url());
    let started = Instant::now();
    for _ in 0..4 {
        get(&pool).await.unwrap();
    }
    let took = api.log(|log| log.seen[3].at - started);
    assert!(took >= millis(300), "{took:?}");
    assert_eq!(pool.stats().await.unwrap().rate_limit, Some(10.into()));
}

#[tokio::test]
async fn a_body_is_sent_as_it_is() {
    let api = mock::server().await;
    let bytes = b"\x00tea\xff".to_vec();
    Mock::given(method("POST"))
        .and(path("/rows"))
        .and(body_bytes(bytes.clone()))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&api)
        .await;
    let pool = AwwPool::new(1, None, false, api.uri());
    soon("an answer", pool.request(Request::post("/rows").body(bytes))).await.unwrap();
    assert_eq!(header(&mock::last(&api).await, "content-type"), None);
}

#[tokio::test]
async fn a_stream_opened_by_message_takes_its_settings() {
    let api = Hostile::new(45)
        .shape(Shape::At("result.rows"))
        .params("p", "n")
        .first_page(0)
        .closed()
        .start();
    api.open(0);
    let pool = AwwPool::new(1, None, false, api.url());
    let open = OpenStream::new("/rows")
        .paging(Paging::default().page_param("p").first_page(0))
        .envelope(Envelope::items_at("result.rows"))
        .prefetch(2);
    let supervisor = pool.supervisor().await.unwrap();
    let stream = soon("a stream", supervisor.send(open)).await.unwrap();
    let rows = soon("all rows", stream.map(Result::unwrap).collect::<Vec<_>>());
    let (rows, ()) = tokio::join!(rows, api.open_all_at("two pages at once", 2));
    assert_eq!(rows, api.rows());
    assert_eq!(api.log(|log| log.max_in_flight), 2);
}

#[tokio::test]
async fn an_envelope_finds_the_total_where_it_is_said_to_be() {
    // Three full pages: without the total a fourth one is asked for.
    let page = |request: &Received| {
        let first = 10 * (param(request, "page").unwrap().parse::<u64>().unwrap() - 1);
        numbered((0..30).skip(first as usize).take(10))
    };
    let below = move |request: &Received| {
        let body = json!({ "data": page(request), "meta": { "count": 30 } });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let in_header = move |request: &Received| {
        let answer = ResponseTemplate::new(200).insert_header("x-total", "30");
        answer.set_body_json(json!({ "data": page(request) }))
    };
    assert_eq!(pages_read(below, Envelope::default()).await.len(), 4);
    assert_eq!(
        pages_read(below, Envelope::default().total_at("meta.count")).await,
        ["1", "2", "3"]
    );
    let envelope = Envelope::default().total_in_header("X-Total");
    assert_eq!(pages_read(in_header, envelope).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn an_envelope_finds_the_pagination_where_it_is_said_to_be() {
    let body = r#"{"data":[1],"meta":{"paging":{"total_pages":1}}}"#;
    let asked = async |envelope| {
        let server = mock::answering(json_text(body)).await;
        let pool = AwwPool::new(1, None, false, server.uri());
        let stream = PaginatedStream::get(pool, "/rows").envelope(envelope);
        let items: Vec<_> = soon("the end", stream.collect::<Vec<_>>()).await;
        (items.iter().all(Result::is_ok), mock::count(&server).await == 1)
    };
    assert_eq!(asked(Envelope::default().pagination_at("meta.paging")).await, (true, true));
    assert_eq!(asked(Envelope::default()).await, (false, false));
}

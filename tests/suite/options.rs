//! Each option changes something that can be seen from outside.

use std::time::{Duration, Instant};

use crate::support::{
    hostile::{Answer, Hostile, HostileServer, Log, Shape, Total},
    raw_server::{RawServer, Seen},
    soon,
};
use futures::StreamExt;
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolBuilder, Request, Response,
    messages::OpenStream,
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

/// The head of the one request that a pool of these settings makes.
async fn head_sent(settings: impl FnOnce(PoolBuilder) -> PoolBuilder) -> String {
    let server = RawServer::answering(OK);
    let pool = settings(AwwPool::builder(server.url())).build().unwrap();
    get(&pool).await.unwrap();
    server.seen().heads[0].1.to_ascii_lowercase()
}

/// The pages that are asked for to read all rows of `api`.
async fn pages_read(api: &HostileServer, envelope: Envelope) -> Vec<u64> {
    let pool = AwwPool::new(1, None, false, api.url());
    let stream = PaginatedStream::get(pool, "/rows").envelope(envelope).prefetch(1);
    let rows: Vec<_> = soon("all rows", stream.map(Result::unwrap).collect()).await;
    assert_eq!(rows, api.rows());
    api.log(Log::pages)
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
    let server = RawServer::answering(OK);
    let limited = |bytes| AwwPool::builder(server.url()).max_body_bytes(bytes).build().unwrap();
    assert_eq!(get(&limited(2)).await.unwrap().text().unwrap(), "ok");
    assert_eq!(get(&limited(1)).await.unwrap_err().kind(), ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn backoff_base_and_backoff_cap_bound_the_wait_before_a_repeat() {
    let api = Hostile::new(10).on_any(Answer::Status(503)).start();
    let pool = |base, cap| {
        AwwPool::builder(api.url())
            .backoff_base(base)
            .backoff_cap(cap)
            .call_timeout(millis(3_000))
            .build()
            .unwrap()
    };
    // A wait that would pass the deadline is the error; any other leads to three attempts.
    let long = get(&pool(LONG, LONG)).await.unwrap_err();
    assert_eq!((long.kind(), long.attempts()), (ErrorKind::DeadlineExceeded, 1));
    assert!(long.retry_after().unwrap() <= LONG);
    for (base, cap) in [(millis(1), LONG), (LONG, millis(1)), (Duration::ZERO, Duration::ZERO)] {
        let error = get(&pool(base, cap)).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 3));
    }
}

#[tokio::test]
async fn max_attempts_counts_the_first_one() {
    for attempts in [1, 2, 5] {
        let api = Hostile::new(10).on_any(Answer::Status(503)).start();
        let pool = AwwPool::builder(api.url()).backoff_base(millis(1)).max_attempts(attempts);
        let error = get(&pool.build().unwrap()).await.unwrap_err();
        assert_eq!(error.attempts(), attempts);
        assert_eq!(api.log(|log| log.seen.len()), attempts as usize);
    }
}

#[tokio::test]
async fn max_retry_after_of_zero_waits_for_nobody() {
    let api = Hostile::new(10).on_any(Answer::TooMany("1".into())).start();
    let pool = AwwPool::builder(api.url()).max_retry_after(Duration::ZERO).build().unwrap();
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(millis(1_000))));
}

#[tokio::test]
async fn gzip_is_asked_for_unless_it_is_turned_off() {
    assert!(head_sent(|pool| pool).await.contains("accept-encoding: gzip"));
    assert!(!head_sent(|pool| pool.gzip(false)).await.contains("accept-encoding"));
}

#[tokio::test]
async fn a_default_header_may_replace_the_pools_user_agent() {
    let own = head_sent(|pool| pool).await;
    assert!(own.contains("user-agent: vantage-api-pool/"), "{own}");
    let other = head_sent(|pool| pool.default_header("User-Agent", "tea/1")).await;
    assert!(other.contains("user-agent: tea/1") && !other.contains("vantage"), "{other}");
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
    let api = Hostile::new(10).start();
    let pool = AwwPool::new(1, None, false, api.url());
    let request = Request::post("/rows").body(b"\x00tea\xff".to_vec());
    let _ = soon("an answer", pool.request(request)).await;
    let seen = api.log(|log| log.seen[0].clone());
    assert_eq!((&seen.body[..], seen.header("content-type")), (&b"\x00tea\xff"[..], None));
}

#[tokio::test]
async fn a_stream_opened_by_message_takes_its_settings() {
    let api = Hostile::new(45)
        .shape(Shape::At("result.rows"))
        .params("p", "n")
        .first_page(0)
        .delay(|_| millis(20))
        .start();
    let pool = AwwPool::new(1, None, false, api.url());
    let open = OpenStream::new("/rows")
        .paging(Paging::default().page_param("p").first_page(0))
        .envelope(Envelope::items_at("result.rows"))
        .prefetch(2);
    let supervisor = pool.supervisor().await.unwrap();
    let stream = soon("a stream", supervisor.send(open)).await.unwrap();
    let rows: Vec<_> = soon("all rows", stream.map(Result::unwrap).collect()).await;
    assert_eq!(rows, api.rows());
    assert_eq!(api.log(|log| log.max_in_flight), 2);
}

#[tokio::test]
async fn an_envelope_finds_the_total_where_it_is_said_to_be() {
    // Three full pages: without the total a fourth one is asked for.
    let bare = || Hostile::new(30).without_pagination();
    let at = bare().total(Total::At("meta.count")).start();
    assert_eq!(pages_read(&at, Envelope::default()).await.len(), 4);
    let at = bare().total(Total::At("meta.count")).start();
    assert_eq!(pages_read(&at, Envelope::default().total_at("meta.count")).await, [1, 2, 3]);
    let header = bare().total(Total::InHeader("x-total")).start();
    let envelope = Envelope::default().total_in_header("X-Total");
    assert_eq!(pages_read(&header, envelope).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_envelope_finds_the_pagination_where_it_is_said_to_be() {
    let body = r#"{"data":[1],"meta":{"paging":{"total_pages":1}}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let asked = async |envelope| {
        let server = RawServer::answering(answer.clone());
        let pool = AwwPool::new(1, None, false, server.url());
        let stream = PaginatedStream::get(pool, "/rows").envelope(envelope);
        let items: Vec<_> = soon("the end", stream.collect::<Vec<_>>()).await;
        let Seen { heads, .. } = server.seen();
        (items.iter().all(Result::is_ok), heads.len() == 1)
    };
    assert_eq!(asked(Envelope::default().pagination_at("meta.paging")).await, (true, true));
    assert_eq!(asked(Envelope::default()).await, (false, false));
}

//! Rules for answers: limits, failures and refused tokens that a status does not tell.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolBuilder, Request,
    events::Event,
    retry::{CircuitBreaker, ResponseRule},
};

use crate::support::{raw_server::RawServer, soon};

/// An answer with these lines of its head and this body.
pub(super) fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}")
}

pub(super) fn ok(body: &Value) -> String {
    answer("200 OK\r\ncontent-type: application/json", &body.to_string())
}

/// Gives the n-th of these answers to the n-th request, and then the last one.
pub(super) fn server(answers: impl IntoIterator<Item = String>) -> RawServer {
    let answers: Arc<[String]> = answers.into_iter().collect();
    let count = Arc::new(AtomicUsize::new(0));
    RawServer::start(move |mut peer| {
        let (answers, count) = (Arc::clone(&answers), Arc::clone(&count));
        async move {
            while peer.request().await.is_some() {
                let n = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                peer.write(answers[n].as_bytes()).await;
            }
        }
    })
}

pub(super) fn builder(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url()).backoff_base(Duration::from_millis(1))
}

fn rules(server: &RawServer, rules: impl IntoIterator<Item = ResponseRule>) -> AwwPool {
    builder(server).response_rules(rules).build().unwrap()
}

async fn get(pool: &AwwPool) -> Result<Value, Error> {
    soon("an answer", pool.get("/rows")).await.and_then(|response| response.json())
}

pub(super) fn requests(server: &RawServer) -> usize {
    server.seen().heads.len()
}

/// A source that hands out `token-1`, `token-2`, and so on.
fn with_tokens(builder: PoolBuilder, slots: usize) -> AwwPool {
    let count = AtomicUsize::new(0);
    let acquire = move || {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        std::future::ready(Ok::<_, Error>(format!("token-{number}")))
    };
    builder.with_auth_callback(slots, acquire, vantage_api_pool::tokens::bearer).build().unwrap()
}

#[tokio::test]
async fn case_59_a_limit_in_a_200_is_waited_for_and_is_no_answer() {
    let limited = json!({"ok": false, "error": "ratelimited"});
    let limited = answer("200 OK\r\nretry-after: 1", &limited.to_string());
    let server = server([limited, ok(&json!({"ok": true, "rows": [1]}))]);
    let rule =
        ResponseRule::rate_limited().status(200).json("ok", false).json("error", "ratelimited");
    let pool = rules(&server, [rule]);
    let mut events = pool.events();
    assert_eq!(get(&pool).await.unwrap()["rows"], json!([1]));
    assert_eq!(requests(&server), 2);
    let mut hold = None;
    while let Ok(event) = events.try_recv() {
        if let Event::HoldSet { wait, .. } = event {
            hold = Some(wait);
        }
    }
    assert_eq!(hold, Some(Duration::from_secs(1)));
    // A worker may be late with its report.
    let stats = soon("statistics", async {
        loop {
            let stats = pool.stats().await.unwrap();
            if stats.rate_limited > 0 {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let stats = stats.await;
    assert_eq!((stats.rate_limited, stats.calls_ok), (1, 1));
}

#[tokio::test]
async fn case_59_without_a_rule_an_answer_is_what_its_status_says() {
    let body = json!({"ok": false, "error": "ratelimited"});
    let server = server([ok(&body)]);
    assert_eq!(get(&builder(&server).build().unwrap()).await.unwrap(), body);
    assert_eq!(requests(&server), 1);
}

#[tokio::test]
async fn case_59_a_wait_told_in_the_body_is_waited_for_whatever_its_form() {
    for wait in [json!(1), json!(0.65), json!("1"), json!("0.5")] {
        let limited = ok(&json!({"message": "You are being rate limited.", "retry_after": wait}));
        let server = server([limited, ok(&json!([]))]);
        let rule = ResponseRule::rate_limited()
            .json_contains("message", "rate limited")
            .retry_after_at("/retry_after");
        let pool = rules(&server, [rule]);
        let mut events = pool.events();
        get(&pool).await.unwrap();
        let mut holds = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Event::HoldSet { wait, .. } = event {
                holds.push(wait);
            }
        }
        assert_eq!(holds, [Duration::from_secs(1)], "{wait}");
    }
    // One that cannot be read is none.
    for wait in [json!("soon"), json!(null), json!([1]), json!(-1), json!({})] {
        let server = server([ok(&json!({"e": 1, "retry_after": wait})), ok(&json!([]))]);
        let rule = ResponseRule::rate_limited().json("e", 1).retry_after_at("retry_after");
        get(&rules(&server, [rule])).await.unwrap();
        assert_eq!(requests(&server), 2);
    }
}

#[tokio::test]
async fn case_59_a_limit_that_is_longer_than_the_pool_waits_fails_by_name() {
    let server = server([ok(&json!({"e": "quota", "seconds": 86_400}))]);
    let rule = ResponseRule::rate_limited().json("e", "quota").retry_after_at("seconds");
    let error = get(&rules(&server, [rule])).await.unwrap_err();
    assert_eq!((error.kind(), requests(&server)), (ErrorKind::RateLimited, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(86_400)));
}

#[tokio::test]
async fn case_59_a_limit_without_end_ends_as_an_error_that_may_be_tried_later() {
    let server = server([ok(&json!({"ok": false, "error": "ratelimited"}))]);
    let rule = ResponseRule::rate_limited().json("ok", false).message_at("error");
    let error = get(&rules(&server, [rule])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ApiError);
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.starts_with("api_error: the API says: ratelimited (status 200)"), "{text}");
    assert!(requests(&server) > 1);
}

#[tokio::test]
async fn case_59_a_limit_is_not_acted_upon_so_a_post_is_sent_again_and_a_failure_in_passing_not() {
    let failed = ok(&json!({"ok": false, "error": "internal_error"}));
    let done = ok(&json!({"ok": true}));
    let post = || Request::post("/rows").json(&json!({"a": 1})).unwrap();
    for (rule, expected) in [
        (ResponseRule::rate_limited().json("ok", false), Ok(2)),
        (ResponseRule::retry().json("ok", false), Err(ErrorKind::ApiError)),
    ] {
        let server = server([failed.clone(), done.clone()]);
        let answer = soon("an answer", rules(&server, [rule]).request(post())).await;
        assert_eq!(answer.map(|_| requests(&server)).map_err(|error| error.kind()), expected);
    }
    let server = server([failed, done]);
    let pool = rules(&server, [ResponseRule::retry().json("ok", false)]);
    assert_eq!(get(&pool).await.unwrap(), json!({"ok": true}));
}

#[tokio::test]
async fn case_59_graphql_errors_in_a_200_are_a_failure_with_their_message() {
    let refused = json!({"data": null, "errors": [
        {"message": "Field 'x' doesn't\n exist", "path": ["query"], "extensions": {"code": "BAD"}},
    ]});
    let fine = json!({"data": {"rows": []}, "errors": []});
    let rule = || {
        let rule = ResponseRule::fail().status(200).json_present("errors");
        rule.message_at("errors[0].message")
    };
    let refusing = server([ok(&refused)]);
    let error = get(&rules(&refusing, [rule()])).await.unwrap_err();
    assert_eq!((error.kind(), requests(&refusing)), (ErrorKind::ApiError, 1));
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("the API says: Field 'x' doesn't exist"), "{error}");
    assert_eq!(error.status().unwrap(), 200);
    assert_eq!(error.response().unwrap().json::<Value>().unwrap(), refused);
    let serving = server([ok(&fine)]);
    assert_eq!(get(&rules(&serving, [rule()])).await.unwrap(), fine);
}

#[tokio::test]
async fn case_59_the_first_rule_that_fits_decides() {
    let throttled =
        json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]});
    let server = server([ok(&throttled), ok(&json!({"data": 1}))]);
    let limited = ResponseRule::rate_limited().json("errors[].extensions.code", "THROTTLED");
    let failed = ResponseRule::fail().json_present("errors");
    assert_eq!(get(&rules(&server, [limited.clone(), failed.clone()])).await.unwrap()["data"], 1);
    let other = self::server([ok(&throttled)]);
    let error = get(&rules(&other, [failed, limited])).await.unwrap_err();
    assert_eq!((error.kind(), requests(&other)), (ErrorKind::ApiError, 1));
}

#[tokio::test]
async fn case_59_an_exception_before_a_wider_rule_is_taken_as_it_is() {
    let missing = answer("404 Not Found", r#"{"data":[]}"#);
    let server = server([missing]);
    let pool = rules(
        &server,
        [
            ResponseRule::accept().status(404).json_present(""),
            ResponseRule::fail().statuses(400..=499),
        ],
    );
    let response = soon("an answer", pool.get("/rows")).await.unwrap();
    assert_eq!(response.status(), 404);
    let rows: Vec<Value> =
        soon("the set", PaginatedStream::get(&pool, "/rows").try_collect()).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn case_59_a_429_that_waiting_does_not_cure_is_final_and_slows_nobody_down() {
    let body =
        json!({"error": {"code": "insufficient_quota", "message": "You exceeded your quota"}});
    let refusal = answer("429 Too Many Requests\r\nretry-after: 60", &body.to_string());
    let server = server([refusal, ok(&json!(1))]);
    let rule = ResponseRule::fail()
        .status(429)
        .json("error.code", "insufficient_quota")
        .message_at("error.message");
    let pool = rules(&server, [rule]);
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 429));
    assert!(!error.is_retryable() && error.to_string().contains("You exceeded your quota"));
    // No hold of a minute.
    assert_eq!(get(&pool).await.unwrap(), json!(1));
}

#[tokio::test]
async fn case_59_conditions_are_of_status_header_text_and_value_and_all_must_hold() {
    let head = "200 OK\r\nx-error: Quota Exceeded\r\nx-other: 1\r\nx-other: two";
    let body = "\u{feff}{\"code\":1.0,\"name\":\"a\",\"list\":[{\"n\":1},{\"n\":2}],\"none\":null,\"no\":[ ]}";
    let server = server([answer(head, body)]);
    let fail = ResponseRule::fail;
    let fits = [
        fail().status(200),
        fail().statuses(200..=299),
        fail().status(404).status(200),
        fail().header_present("X-Error"),
        fail().header("x-error", "quota exceeded"),
        fail().header_contains("x-error", "quota"),
        fail().header("x-other", "two"),
        fail().body_contains("\"name\":\"a\""),
        fail().json("code", 1),
        fail().json("list[].n", 2),
        fail().json("list[-1]", json!({"n": 2})),
        fail().json("none", Value::Null),
        fail().json_not("code", 0),
        fail().json_present("code"),
        fail().json_contains("name", "A"),
        fail().status(200).header_present("x-error").body_contains("code").json("/list/0/n", 1),
    ];
    for rule in fits {
        let error = get(&rules(&server, [rule.clone()])).await.expect_err(&format!("{rule:?}"));
        assert_eq!(error.kind(), ErrorKind::ApiError, "{rule:?}");
    }
    let fits_not = [
        fail().status(201),
        fail().header_present("x-none"),
        fail().header("x-error", "quota"),
        fail().header_contains("x-other", "three"),
        fail().body_contains("Code"),
        fail().json("code", "1"),
        fail().json("list[].n", 3),
        fail().json("gone", Value::Null),
        fail().json_not("code", 1),
        fail().json_not("gone", 0),
        fail().json_present("none"),
        fail().json_present("no"),
        fail().json_present("gone"),
        fail().json_contains("code", "1"),
        fail().status(200).json("code", 2),
        fail().status(404).json("code", 1),
    ];
    for rule in fits_not {
        let answer = soon("an answer", rules(&server, [rule.clone()]).get("/rows")).await;
        assert!(answer.is_ok(), "{rule:?}");
    }
}

#[tokio::test]
async fn case_59_a_body_that_is_no_json_has_nothing_anywhere_and_one_of_lines_is_looked_through() {
    let rule = || ResponseRule::fail().json_present("error");
    for body in ["", "<html>error</html>", "error", "\"error\"", "[\"error\"]", "{\"error\""] {
        let server = server([answer("200 OK", body)]);
        let answer = soon("an answer", rules(&server, [rule()]).get("/rows")).await;
        assert!(answer.is_ok(), "{body}");
    }
    for body in [
        "{\"id\":1}\n{\"error\":\"x\"}\n",
        "{\"error\":\"x\"} trailing",
        "{\"error\":\"x\\ud800\"}",
    ] {
        let server = server([answer("200 OK", body)]);
        let error = soon("an answer", rules(&server, [rule()]).get("/rows")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ApiError, "{body}");
    }
}

#[tokio::test]
async fn case_68_an_answer_that_says_it_is_incomplete_beside_its_data_is_asked_for_again() {
    let cut = json!({"total_count": 3, "incomplete_results": true, "items": [{"id": 1}]});
    let whole = json!({"total_count": 3, "incomplete_results": false,
        "items": [{"id": 1}, {"id": 2}, {"id": 3}]});
    let paging = || Paging::none();
    let envelope = || Envelope::items_at("items").total_at("total_count");
    let rule = || ResponseRule::retry().json("incomplete_results", true);
    let serving = server([ok(&cut), ok(&whole)]);
    let pool = rules(&serving, [rule()]);
    let stream = PaginatedStream::get(&pool, "/rows").paging(paging()).envelope(envelope());
    let rows: Vec<Value> = soon("the set", stream.try_collect()).await.unwrap();
    assert_eq!((rows.len(), requests(&serving)), (3, 2));
    // For ever, it is an error and no set of one.
    let failing = server([ok(&cut)]);
    let pool = rules(&failing, [rule()]);
    let stream = PaginatedStream::get(&pool, "/rows").paging(paging()).envelope(envelope());
    let read: Vec<_> = soon("the set", stream.collect()).await;
    let error = read.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::ApiError);
}

#[tokio::test]
async fn case_68_a_page_that_fails_beside_its_data_ends_the_read_with_its_message() {
    let first = json!({"ok": true, "data": [1, 2],
        "pagination": {"page": 1, "per_page": 2, "total": 4, "total_pages": 2}});
    let second = json!({"ok": false, "data": [3], "error": "shard 7 is away"});
    let server = server([ok(&first), ok(&second)]);
    let pool = rules(&server, [ResponseRule::fail().json("ok", false).message_at("error")]);
    let read: Vec<Result<Value, Error>> =
        soon("the set", PaginatedStream::get(&pool, "/rows").collect()).await;
    assert_eq!(read.len(), 3);
    let error = read.into_iter().find_map(Result::err).unwrap();
    assert_eq!((error.kind(), error.page()), (ErrorKind::ApiError, Some(2)));
    assert!(error.to_string().contains("shard 7 is away"), "{error}");
}

#[tokio::test]
async fn case_18_a_token_that_is_refused_with_another_status_is_renewed_once() {
    let by_text = ResponseRule::renew_token().status(403).body_contains("invalid_token");
    let by_value = ResponseRule::renew_token().status(400).json("error", "invalid_token");
    let by_header = ResponseRule::renew_token()
        .status(403)
        .header_contains("www-authenticate", "invalid_token");
    let slack = ResponseRule::renew_token().status(200).json("error", "token_expired");
    let login = ResponseRule::renew_token().status(302).header_contains("location", "/login");
    let challenge = "403 Forbidden\r\nwww-authenticate: Bearer error=\"invalid_token\"";
    for (rule, refusal) in [
        (by_text, answer("403 Forbidden", "code=invalid_token")),
        (by_value, answer("400 Bad Request", r#"{"error":"invalid_token"}"#)),
        (by_header, answer(challenge, "")),
        (slack, ok(&json!({"ok": false, "error": "token_expired"}))),
        (login, answer("302 Found\r\nlocation: /login?next=rows", "")),
    ] {
        let serving = server([refusal.clone(), ok(&json!({"ok": true}))]);
        let pool = with_tokens(builder(&serving).response_rule(rule.clone()), 1);
        assert_eq!(get(&pool).await.unwrap(), json!({"ok": true}), "{rule:?}");
        let heads = serving.seen().heads;
        assert!(heads[0].1.contains("Bearer token-1") && heads[1].1.contains("Bearer token-2"));
        // A second refusal is final.
        let refusing = server([refusal]);
        let pool = with_tokens(builder(&refusing).response_rule(rule.clone()), 1);
        let error = get(&pool).await.unwrap_err();
        assert_eq!((error.kind(), requests(&refusing)), (ErrorKind::Unauthorized, 2), "{rule:?}");
    }
}

#[tokio::test]
async fn case_18_a_401_that_a_token_cannot_cure_is_final_by_rule() {
    let server = server([answer("401 Unauthorized", r#"{"error":"account_suspended"}"#)]);
    let rule = ResponseRule::fail().status(401).json("error", "account_suspended");
    let pool = with_tokens(builder(&server).response_rule(rule.message_at("error")), 1);
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), requests(&server)), (401, 1));
    assert!(error.to_string().contains("account_suspended") && !error.is_retryable());
}

#[tokio::test]
async fn case_18_a_403_that_says_something_else_is_final_and_renews_nothing() {
    let server = server([answer("403 Forbidden", r#"{"error":"insufficient_scope"}"#)]);
    let rule = ResponseRule::renew_token().status(403).json("error", "invalid_token");
    let pool = with_tokens(builder(&server).response_rule(rule), 1);
    let error = get(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 403));
    assert_eq!(requests(&server), 1);
}

#[tokio::test]
async fn case_18_without_tokens_a_refused_token_is_final_and_a_401_is_as_ever() {
    let server = server([answer("403 Forbidden", "invalid_token")]);
    let rule = ResponseRule::renew_token().status(403);
    let error = get(&rules(&server, [rule])).await.unwrap_err();
    assert_eq!((error.kind(), requests(&server)), (ErrorKind::Unauthorized, 1));
    let other = self::server([answer("401 Unauthorized", ""), ok(&json!(1))]);
    let rule = ResponseRule::renew_token().status(403);
    let pool = with_tokens(builder(&other).response_rule(rule), 1);
    assert_eq!(get(&pool).await.unwrap(), json!(1));
}

#[tokio::test]
async fn case_59_of_several_tokens_a_limit_in_a_200_holds_its_own() {
    let limited = answer("200 OK\r\nretry-after: 60", r#"{"error":"ratelimited"}"#);
    let server = server([limited, ok(&json!(1))]);
    let rule = ResponseRule::rate_limited().json("error", "ratelimited");
    let pool = with_tokens(builder(&server).response_rule(rule), 2);
    // Within no minute.
    assert_eq!(get(&pool).await.unwrap(), json!(1));
    let heads = server.seen().heads;
    let token = |n: usize| heads[n].1.contains("Bearer token-1");
    assert_ne!(token(0), token(1), "the same token went out again");
}

#[tokio::test]
async fn case_59_what_is_quoted_is_short_on_one_line_and_without_the_token() {
    let message = format!("token-1 is \u{1b}[31mbad\r\n\r\n {}", "é".repeat(5_000));
    let server = server([ok(&json!({"error": message}))]);
    let rule = ResponseRule::fail().json_present("error").message_at("none").message_at("error");
    let error = get(&with_tokens(builder(&server).response_rule(rule), 1)).await.unwrap_err();
    let text = format!("{error}");
    assert!(text.contains("the API says: *** is [31mbad éé"), "{text}");
    assert!(text.chars().count() < 320 && !text.contains(char::is_control), "{text}");
    assert!(!format!("{error:?}").contains("token-1"));
    // What is not text is quoted as JSON, and nothing as nothing.
    let other = self::server([ok(&json!({"error": {"code": 7}, "empty": ""}))]);
    let rule = ResponseRule::fail().json_present("error").message_at("empty").message_at("error");
    let error = get(&rules(&other, [rule])).await.unwrap_err();
    assert!(error.to_string().contains(r#"the API says: {"code":7}"#), "{error}");
}

#[tokio::test]
async fn case_59_errors_in_a_200_open_the_breaker_and_limits_do_not() {
    let breaker = || {
        let breaker = CircuitBreaker::default().minimum_calls(2).failure_rate(0.5);
        breaker.open_time(Duration::from_secs(60))
    };
    for (rule, openings) in [
        (ResponseRule::retry().json("ok", false), 1),
        (ResponseRule::rate_limited().json("ok", false), 0),
        (ResponseRule::fail().json("ok", false), 0),
    ] {
        let server = server([ok(&json!({"ok": false}))]);
        let pool = builder(&server).circuit_breaker(breaker()).max_attempts(1).response_rule(rule);
        let pool = pool.build().unwrap();
        for _ in 0..4 {
            get(&pool).await.unwrap_err();
        }
        let stats = soon("statistics", pool.stats()).await.unwrap();
        assert_eq!(stats.breaker_openings, openings);
    }
}

#[test]
fn case_59_a_rule_that_cannot_work_is_refused_by_its_number_and_what_is_wrong() {
    let rule = ResponseRule::fail;
    for (wrong, what) in [
        (rule(), "no condition"),
        (rule().status(42), "no statuses from 42 to 42"),
        (rule().statuses(RangeInclusive::new(500, 400)), "no statuses from 500 to 400"),
        (rule().header_present("no name"), "`no name` is not the name of a header"),
        (rule().json("a..b", 1), "`a..b`"),
        (rule().json("/a~2", 1), "`/a~2`"),
        (rule().status(200).message_at("a["), "`a[`"),
        (rule().body_contains(""), "empty"),
        (rule().header_contains("a", ""), "empty"),
        (rule().status(200).retry_after(Duration::from_secs(1)), "retry_after"),
        (rule().status(200).retry_after_at("a"), "retry_after"),
        (rule().status(200).follow_location(), "follow_location"),
        (ResponseRule::renew_token().status(403).message_at("a"), "message_at"),
        (ResponseRule::poll(Duration::ZERO).status(202), "interval"),
    ] {
        let builder = AwwPool::builder("http://localhost").response_rule(rule().status(200));
        let error = builder.response_rule(wrong).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("response_rule 2") && text.contains(what), "{text}");
    }
}

#[tokio::test]
async fn case_59_rules_come_from_yaml_and_a_key_that_is_not_known_is_named() {
    let yaml = "
- { action: accept, status: [404, 410], header: { x-empty: 'true' } }
- { action: rate_limited, json: { ok: false, error: ratelimited }, retry_after_at: wait, retry_after: 0.5 }
- { action: renew_token, status: 403, body_contains: invalid_token }
- { action: poll, status: 202, interval: 0.01, follow_location: true }
- { action: retry, json_not: { code: 0 }, json_contains: { reason: later } }
- { action: fail, json_present: errors, message_at: ['/errors/0/message', reason] }
";
    let parsed: Vec<ResponseRule> = serde_yaml_ng::from_str(yaml).unwrap();
    let server = server([
        ok(&json!({"ok": false, "error": "ratelimited", "wait": 0})),
        answer("202 Accepted", ""),
        ok(&json!({"code": 3, "reason": "Later, please"})),
        ok(&json!({"errors": [{}], "reason": "for good"})),
    ]);
    let error = get(&rules(&server, parsed)).await.unwrap_err();
    assert!(error.to_string().contains("the API says: for good"), "{error}");
    assert_eq!(requests(&server), 4);
    for (wrong, what) in [
        ("- { action: fail, states: 200 }", "states"),
        ("- { action: explode, status: 200 }", "explode"),
        ("- { status: 200 }", "action"),
        ("- { action: poll, status: 202 }", "interval"),
        ("- { action: fail, status: 200, interval: 1 }", "interval"),
        ("- { action: retry, status: 200, retry_after: -1 }", "retry_after"),
    ] {
        let error = match serde_yaml_ng::from_str::<Vec<ResponseRule>>(wrong) {
            Ok(rules) => builder(&server).response_rules(rules).build().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(what), "{error}");
    }
}

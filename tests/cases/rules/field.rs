//! Answers of well-known APIs that public bug reports show, each of which some client took for
//! something else.

use std::time::Duration;

use serde_json::{Value, json};
use vantage_api_pool::{
    Envelope, Error, ErrorKind, PaginatedStream, Paging,
    events::Event,
    retry::ResponseRule,
    tokens::{ClientCredentials, StaticTokens, bearer},
};

use super::answers::{answer, builder, ok, requests, server};
use crate::support::soon;

/// What a call comes to whose answers are these, under these rules; and how often it was sent.
async fn call(
    answers: impl IntoIterator<Item = String>,
    rules: impl IntoIterator<Item = ResponseRule>,
) -> (Result<Value, Error>, usize) {
    let server = server(answers);
    let pool = builder(&server).response_rules(rules).build().unwrap();
    let answer = soon("an answer", pool.get("/rows")).await;
    (answer.and_then(|answer| answer.json()), requests(&server))
}

/// What acquiring a token comes to.
async fn acquire(answered: String) -> Result<(), String> {
    let (api, endpoint) = (server([ok(&json!(1))]), server([answered]));
    let source = ClientCredentials::new(format!("{}/token", endpoint.url()), "id", "secret");
    let pool = builder(&api).token_source(1, source, bearer).build().unwrap();
    let Err(error) = soon("an answer", pool.get("/rows")).await else { return Ok(()) };
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        words = format!("{words}; {error}");
        cause = error.source();
    }
    Err(words)
}

/// A GitHub repository's statistics: 202 and `{}` until they are computed. One client swallowed
/// the status and told of no contributors; another polled a repository without commits, which
/// is a 204, until its time was over.
#[tokio::test]
async fn case_13_statistics_that_are_being_computed_are_waited_for_and_a_204_is_not() {
    let pending = answer("202 Accepted\r\ncontent-type: application/json", "{}");
    let poll = || ResponseRule::poll(Duration::from_millis(10)).status(202);
    let rows = json!([{"author": 1}, {"author": 2}]);
    let answers = [pending.clone(), pending.clone(), ok(&rows)];
    let (answer, sent) = call(answers, [poll()]).await;
    assert_eq!((answer.unwrap(), sent), (rows, 3));
    let empty = server(["HTTP/1.1 204 No Content\r\n\r\n".to_owned()]);
    let pool = builder(&empty).response_rule(poll()).build().unwrap();
    let stream = PaginatedStream::get(&pool, "/rows")
        .paging(Paging::none())
        .envelope(Envelope::bare_array().no_content_is_empty(true));
    let rows: Vec<Value> =
        soon("the set", futures::TryStreamExt::try_collect(stream)).await.unwrap();
    assert_eq!((rows.len(), requests(&empty)), (0, 1));
}

/// Azure DevOps sends `Retry-After` with a 200 that has all its data.
#[tokio::test]
async fn case_59_a_retry_after_in_a_200_is_no_limit_without_a_rule() {
    let server = server([answer("200 OK\r\nretry-after: 30", "[1]")]);
    let pool = builder(&server).build().unwrap();
    let mut events = pool.events();
    soon("an answer", pool.get("/rows")).await.unwrap();
    let is_wait = |event| matches!(event, Event::HoldSet { .. } | Event::RetryScheduled { .. });
    while let Ok(event) = events.try_recv() {
        assert!(!is_wait(event));
    }
    assert_eq!(requests(&server), 1);
}

/// GitHub's secondary limit: a 403 that says so in its text alone. A client that took it for a
/// permanent failure cut its set short in silence.
#[tokio::test]
async fn case_59_a_secondary_limit_is_told_in_the_text_of_a_403() {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes.";
    let limited = answer("403 Forbidden", &json!({"message": message}).to_string());
    let rule = || {
        let rule = ResponseRule::rate_limited().status(403).status(429);
        rule.json_contains("message", "secondary rate limit")
    };
    let (answer_, sent) = call([limited, ok(&json!([1]))], [rule()]).await;
    assert_eq!((answer_.unwrap(), sent), (json!([1]), 2));
    // Any other 403 is final.
    let forbidden = answer("403 Forbidden", r#"{"message":"Resource not accessible"}"#);
    let (answer_, sent) = call([forbidden], [rule()]).await;
    assert_eq!((answer_.unwrap_err().status().unwrap().as_u16(), sent), (403, 1));
}

/// GitHub's GraphQL API: the limit is an error of its type in a 200.
#[tokio::test]
async fn case_59_graphql_tells_the_limit_by_the_type_of_an_error() {
    let limited = json!({"errors": [
        {"type": "NOT_FOUND", "message": "Could not resolve to a User"},
        {"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1."},
    ]});
    let rules = [
        ResponseRule::rate_limited().status(200).json("errors[].type", "RATE_LIMITED"),
        ResponseRule::fail().status(200).json_present("errors").message_at("errors[].message"),
    ];
    let not_found = json!({"data": {"user": null}, "errors": [
        {"type": "NOT_FOUND", "message": "Could not resolve to a User"},
    ]});
    let (answer, sent) = call([ok(&limited), ok(&not_found)], rules).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), sent), (ErrorKind::ApiError, 2));
    assert!(error.to_string().contains("Could not resolve to a User"), "{error}");
}

/// Shopify's cost-based limit, which a client passed on as data.
#[tokio::test]
async fn case_59_a_limit_by_cost_is_told_beside_its_state() {
    let throttled = json!({
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": {"requestedQueryCost": 502, "actualQueryCost": null,
            "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 3}}},
    });
    let rule = ResponseRule::rate_limited().json("errors.0.extensions.code", "THROTTLED");
    let (answer, sent) = call([ok(&throttled), ok(&json!({"data": {}}))], [rule]).await;
    assert_eq!((answer.unwrap(), sent), (json!({"data": {}}), 2));
}

/// monday.com and exchangerates: errors in a 200 which connectors told as a missing key, or as
/// a sync that had succeeded.
#[tokio::test]
async fn case_59_an_error_object_in_a_200_is_a_failure_with_its_reason() {
    let key = json!({"success": false,
        "error": {"code": 101, "type": "invalid_access_key", "info": "You have no valid key."}});
    let rules = || {
        [
            ResponseRule::rate_limited()
                .json("error_code", "ComplexityException")
                .retry_after_at("error_data.retry_in_seconds"),
            ResponseRule::fail().json_present("error_code").message_at("error_message"),
            ResponseRule::fail().json("success", false).message_at("error.info"),
        ]
    };
    let error = call([ok(&key)], rules()).await.0.unwrap_err();
    assert!(error.to_string().contains("You have no valid key."), "{error}");
    let complex = json!({"error_code": "ComplexityException", "status_code": 200,
        "error_message": "Complexity budget exhausted", "error_data": {"retry_in_seconds": 1}});
    let other = json!({"error_code": "InvalidBoardId", "error_message": "Board 7 is away"});
    let (answer, sent) = call([ok(&complex), ok(&other)], rules()).await;
    let error = answer.unwrap_err();
    assert!(error.to_string().contains("Board 7 is away"), "{error}");
    assert_eq!(sent, 2);
}

/// Where any `code` or `errcode` but 0 is an error, in a 200; and the token is refused likewise.
#[tokio::test]
async fn case_59_codes_other_than_zero_are_errors() {
    let rules = || {
        [
            ResponseRule::renew_token().json("errcode", 42_001),
            ResponseRule::rate_limited().json("errcode", 45_009),
            ResponseRule::fail().json_not("errcode", 0).message_at("errmsg"),
        ]
    };
    let told = |code: i64| ok(&json!({"errcode": code, "errmsg": "told so"}));
    let (answer, sent) = call([told(45_009), told(0)], rules()).await;
    assert_eq!((answer.unwrap()["errcode"].clone(), sent), (json!(0), 2));
    let error = call([told(40_003)], rules()).await.0.unwrap_err();
    assert!(error.to_string().contains("the API says: told so"), "{error}");
    let error = call([told(42_001)], rules()).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

/// Telegram and Discord: a wait in the body, in seconds, whole or not.
#[tokio::test]
async fn case_59_the_wait_is_where_the_api_puts_it() {
    for (body, path) in [
        (
            json!({"ok": false, "error_code": 429, "parameters": {"retry_after": 1}}),
            "parameters.retry_after",
        ),
        (
            json!({"message": "You are being rate limited.", "retry_after": 0.3, "global": false}),
            "retry_after",
        ),
    ] {
        let limited = answer("429 Too Many Requests", &body.to_string());
        let server = server([limited, ok(&json!(1))]);
        let rule = ResponseRule::rate_limited().status(429).retry_after_at(path);
        let pool = builder(&server).response_rule(rule).build().unwrap();
        let mut events = pool.events();
        soon("an answer", pool.get("/rows")).await.unwrap();
        let mut has_waited = false;
        while let Ok(event) = events.try_recv() {
            has_waited |=
                matches!(event, Event::HoldSet { wait, .. } if wait == Duration::from_secs(1));
        }
        assert!(has_waited, "{body}");
    }
}

/// Salesforce: the session has expired with a 401 in JSON, a 403 in plain text, a 400 in XML; a
/// 403 with another reason is about the record, and must not renew.
#[tokio::test]
async fn case_18_a_session_that_has_expired_is_told_in_three_ways() {
    let rules = || {
        [
            ResponseRule::rate_limited().json("[].errorCode", "REQUEST_LIMIT_EXCEEDED"),
            ResponseRule::renew_token().status(403).body_contains("Bad_OAuth_Token"),
            ResponseRule::renew_token().status(400).body_contains("InvalidSessionId"),
        ]
    };
    let xml = "<error><exceptionCode>InvalidSessionId</exceptionCode></error>";
    let json = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    for refusal in [
        answer("401 Unauthorized", json),
        answer("403 Forbidden", "Bad_OAuth_Token"),
        answer("400 Bad Request", xml),
    ] {
        let server = server([refusal, ok(&json!(1))]);
        let tokens = StaticTokens::new(["token"]);
        let builder = builder(&server).token_source(1, tokens, bearer).response_rules(rules());
        soon("an answer", builder.build().unwrap().get("/rows")).await.unwrap();
        assert_eq!(requests(&server), 2);
    }
    let limit =
        r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let (answer_, sent) = call([answer("403 Forbidden", limit), ok(&json!(1))], rules()).await;
    assert_eq!((answer_.unwrap(), sent), (json!(1), 2));
    let access = r#"[{"message":"no access","errorCode":"INSUFFICIENT_ACCESS"}]"#;
    let (answer_, sent) = call([answer("403 Forbidden", access)], rules()).await;
    assert_eq!((answer_.unwrap_err().kind(), sent), (ErrorKind::Status, 1));
}

/// GitHub's token endpoint refuses with a 200; a client told of a missing `access_token`.
#[tokio::test]
async fn case_19_a_refusal_of_github_in_a_200_is_told_as_one() {
    let body = json!({"error": "incorrect_client_credentials",
        "error_description": "The client_id and/or client_secret passed are incorrect.",
        "error_uri": "https://docs.github.com/apps/"});
    let words = acquire(ok(&body)).await.unwrap_err();
    assert!(words.contains("refused: incorrect_client_credentials (status 200)"), "{words}");
}

/// Kanidm sends the JSON of a refusal as plain text; Go's client read a form.
#[tokio::test]
async fn case_19_a_refusal_as_plain_text_is_read() {
    let head = "400 Bad Request\r\ncontent-type: text/plain; charset=utf-8";
    let words = acquire(answer(head, r#"{"error":"invalid_request"}"#)).await.unwrap_err();
    assert!(words.contains("refused: invalid_request (status 400)"), "{words}");
}

/// A firewall's page with the type of JSON, and pages with the statuses of errors, which other
/// clients told as a syntax error or as a missing token.
#[tokio::test]
async fn case_19_a_page_in_place_of_a_token_is_told_by_what_it_is() {
    let page = "<!DOCTYPE html><title>Blocked</title>";
    let json = "content-type: application/json";
    for (head, what) in [
        ("200 OK", "it is not a JSON object"),
        ("403 Forbidden", "status 403"),
        ("404 Not Found", "status 404"),
        ("500 Internal Server Error", "answered 500"),
    ] {
        let words = acquire(answer(&format!("{head}\r\n{json}"), page)).await.unwrap_err();
        assert!(words.contains(what) && !words.contains("Blocked"), "{words}");
    }
}

/// Azure AD v1, NetDocuments, Delta Sharing: the lifetime as text; and one that is cut
/// (`parseInt` took `3600abc` for 3600). Fitbit and Slack put other things where it should be.
#[tokio::test]
async fn case_19_lifetimes_of_the_field_are_read_or_passed_over() {
    for fields in [
        json!({"expires_in": "86399", "ext_expires_in": "86399", "expires_on": "1625270000",
            "not_before": "1625183300", "resource": "https://graph.example.com"}),
        json!({"expires_in": "2700"}),
        json!({"expires_in": "3600abc"}),
        json!({}),
        json!({"scope": ["identify", "guilds"], "created_at": 1_700_000_000}),
    ] {
        let mut body = fields.clone();
        body["access_token"] = json!("the-token");
        assert_eq!(acquire(ok(&body)).await, Ok(()), "{fields}");
    }
    let slack = json!({"ok": true, "authed_user": {"access_token": "xoxp"}});
    let words = acquire(ok(&slack)).await.unwrap_err();
    assert!(words.contains("it has no `access_token`") && !words.contains("xoxp"), "{words}");
    let fitbit = json!({"errors": [{"errorType": "invalid_client"}], "success": false});
    let words = acquire(answer("401 Unauthorized", &fitbit.to_string())).await.unwrap_err();
    assert!(words.contains("refused (status 401)"), "{words}");
}

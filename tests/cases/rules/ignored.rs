//! Responses that a rule takes for a set without rows. Reports of other programs by repository and number.

use std::time::Duration;

use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, ErrorKind, PaginatedStream, Paging, PoolBuilder, PoolConfig, events::Event,
    paging::Windows, retry::ResponseRule,
};

use super::answers::{answer, builder, ok, requests, server};
use crate::support::{raw_server::RawServer, soon};

const DENIED: &str = r#"{"error": "You do not have access"}"#;

fn denied() -> String {
    answer("403 Forbidden\r\ncontent-type: application/json", DENIED)
}

fn pool(server: &RawServer, rule: ResponseRule) -> AwwPool {
    builder(server).response_rule(rule).build().unwrap()
}

/// The rows of a read, its error, and the warnings.
async fn read(
    pool: &AwwPool,
    paging: Paging,
) -> (Vec<Value>, Option<vantage_api_pool::Error>, Vec<String>) {
    let mut events = pool.events();
    let mut rows = PaginatedStream::get(pool.clone(), "/teams/7/rows").paging(paging);
    let (mut items, mut error) = (Vec::new(), None);
    soon("the end of the read", async {
        while let Some(row) = futures::StreamExt::next(&mut rows).await {
            match row {
                Ok(row) => items.push(row),
                Err(failed) => error = Some(failed),
            }
        }
    })
    .await;
    let mut warnings = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::PagingWarning { message, .. } = event {
            warnings.push(message);
        }
    }
    (items, error, warnings)
}

/// airbytehq/airbyte#79684: a 403 of one kind, and any other one is an error.
#[tokio::test]
async fn a_first_page_that_is_ignored_is_a_set_without_rows_and_a_warning_says_so() {
    for paging in [
        Paging::default(),
        Paging::offset_limit("offset", "limit", 5),
        Paging::cursor("after", "next"),
        Paging::none(),
        Paging::auto(),
    ] {
        let server = server([denied()]);
        let rule = ResponseRule::ignore().status(403).json_contains("error", "do not have access");
        let rule = rule.path("teams/{team}/rows").message_at("error");
        let (rows, error, warnings) = read(&pool(&server, rule), paging.clone()).await;
        assert!(rows.is_empty() && error.is_none(), "{paging:?}: {error:?}");
        assert_eq!(requests(&server), 1, "nothing is retried");
        let told = "a rule ignores a response with status 403 (You do not have access)";
        assert!(warnings.iter().any(|warning| warning.contains(told)), "{warnings:?}");
    }
}

/// airbytehq/airbyte#42115, airbytehq/airbyte#30763: what a rule does not name stays an error.
#[tokio::test]
async fn a_response_that_does_not_fulfil_all_conditions_is_an_error() {
    for rule in [
        ResponseRule::ignore().status(404),
        ResponseRule::ignore().status(403).path("teams/{team}"),
        ResponseRule::ignore().status(403).path("teams/8/rows"),
        ResponseRule::ignore().status(403).body_contains("not enabled"),
    ] {
        let server = server([denied()]);
        let (_, error, warnings) = read(&pool(&server, rule), Paging::default()).await;
        assert_eq!(error.unwrap().status().unwrap().as_u16(), 403);
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_later_page_that_is_ignored_would_cut_rows_off_and_is_an_error() {
    let first = json!({ "data": [1, 2], "next": "abc" });
    for (paging, page) in [
        (Paging::cursor("after", "next"), first),
        (Paging::default(), json!({ "data": [1, 2], "pagination": { "total": 4 } })),
    ] {
        let server = server([ok(&page), denied()]);
        let pool = pool(&server, ResponseRule::ignore().status(403));
        let (rows, error, warnings) = read(&pool, paging).await;
        assert_eq!(rows, [1, 2]);
        let error = error.unwrap();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Status, 403));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_later_window_that_is_ignored_would_leave_a_hole_and_is_an_error() {
    let day = Duration::from_secs(86_400);
    let paging = || {
        let windows = Windows::new("since", "until", day);
        let windows = windows.start("2024-01-01T00:00:00Z").end("2024-01-03T00:00:00Z");
        Paging::default().windows(windows)
    };
    let page = json!({ "data": [1, 2], "pagination": { "total": 2 } });
    let denying = server([ok(&page), denied()]);
    let (rows, error, _) =
        read(&pool(&denying, ResponseRule::ignore().status(403)), paging()).await;
    assert_eq!(rows, [1, 2]);
    assert_eq!(error.unwrap().status().unwrap().as_u16(), 403);
    // A set that cannot be read at all has no rows, in any of its windows.
    let denying = server([denied(), denied()]);
    let (rows, error, _) =
        read(&pool(&denying, ResponseRule::ignore().status(403)), paging()).await;
    assert!(rows.is_empty() && error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_first_page_after_a_restart_is_not_the_start_of_the_set() {
    let page = ok(&json!({ "data": [1, 2], "next": "abc" }));
    let server = server([page, answer("410 Gone", "{}"), denied()]);
    let pool = pool(&server, ResponseRule::ignore().status(403));
    let paging = Paging::cursor("after", "next").restart_when_expired(1);
    let (rows, error, _) = read(&pool, paging).await;
    assert_eq!((rows, error.unwrap().status().unwrap().as_u16()), (vec![json!(1), json!(2)], 403));
}

#[tokio::test]
async fn a_success_may_be_ignored_and_a_call_without_pages_fails() {
    let none = json!({ "ok": false, "error": "feature_disabled" });
    let server = server([ok(&none)]);
    let pool = pool(&server, ResponseRule::ignore().status(200).json("error", "feature_disabled"));
    let (rows, error, warnings) = read(&pool, Paging::default()).await;
    assert!(rows.is_empty() && error.is_none() && warnings.len() == 1, "{error:?} {warnings:?}");
    let error = soon("an answer", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ApiError);
    assert!(error.to_string().contains("a rule ignores the response"), "{error}");
}

#[tokio::test]
async fn a_rule_that_ignores_names_what_it_ignores() {
    let built = |rule: &str| {
        let yaml =
            format!("base_url: http://localhost\nresponse_rules: [{{ action: ignore, {rule} }}]");
        PoolConfig::from_yaml(&yaml).unwrap().builder().and_then(PoolBuilder::build)
    };
    assert!(built("status: [403, 404], path: [a, 'b/{c}', 'größe/{id}:search']").is_ok());
    for (rule, told) in [
        ("path: a", "it has no condition"),
        ("status: 403, path: 'a?b=c'", "a path is one below the base URL"),
        ("status: 403, path: ''", "a path is one below the base URL"),
        ("status: 403, retry_after: 7", "retry_after has no meaning"),
    ] {
        let error = built(rule).unwrap_err().to_string();
        assert!(error.contains(told), "{rule}: {error}");
    }
}

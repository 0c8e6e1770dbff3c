//! Failures as a Vantage program sees them.

use std::{error::Error as _, future::Future, time::Duration};

use crate::support::{
    mock::{self, Pages, json_text, numbered, refusal},
    raw_server::RawServer,
    soon,
};
use futures::StreamExt;
use vantage_api_pool::{
    AwwPool, Envelope, Error, PoolApi, Request,
    vantage::{ApiCondition, PoolTableExt},
};
use vantage_core::{ErrorKind, VantageError};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path, query_param},
};

type Rows = Table<PoolApi, EmptyEntity>;

fn api(server: &MockServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.uri()).build().unwrap())
}

fn rows(api: PoolApi) -> Rows {
    Table::new("rows", api).with_id_column("id")
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a read", work).await
}

async fn list_error(table: &Rows) -> VantageError {
    within(table.list_values()).await.unwrap_err()
}

/// What the server said, which no text of the error repeats.
fn body_start(error: &VantageError) -> String {
    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    let body = source.body_start().unwrap().into_owned();
    assert!(!all_texts(error).concat().contains(&body), "{error}");
    body
}

#[tokio::test]
async fn accept_49_a_status_becomes_the_kind_that_it_means() {
    for (status, kind) in [
        (400, ErrorKind::Generic),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (405, ErrorKind::Unsupported),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (501, ErrorKind::Unsupported),
    ] {
        let server = mock::answering(refusal(status)).await;
        let error = list_error(&rows(api(&server))).await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.context["status"], status.to_string());
        assert_eq!(error.context["attempts"], "1", "{status} is final");
        assert_eq!(error.context["kind"], "status");
        assert!(body_start(&error).starts_with("{\"error\""));
        assert_eq!(mock::count(&server).await, 1);
    }
}

#[tokio::test]
async fn accept_49_a_passing_failure_names_its_attempts_and_keeps_its_source() {
    let server = mock::answering(refusal(503)).await;
    let error = list_error(&rows(api(&server))).await;
    assert_eq!(error.kind(), ErrorKind::Generic);
    assert_eq!(error.context["attempts"], mock::count(&server).await.to_string());
    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(source.status().map(|status| status.as_u16()), Some(503));
}

#[tokio::test]
async fn an_error_on_a_page_comes_after_the_rows_before_it_and_ends_the_stream() {
    let server = mock::server().await;
    Mock::given(path("/rows"))
        .and(query_param("page", "4"))
        .respond_with(refusal(400))
        .mount(&server)
        .await;
    Mock::given(path("/rows")).respond_with(Pages(numbered(0..95))).mount(&server).await;
    let table = rows(api(&server));
    let mut stream = table.stream_values();
    for id in 0..30 {
        assert_eq!(within(stream.next()).await.unwrap().unwrap().0, id.to_string());
    }
    let error = within(stream.next()).await.unwrap().unwrap_err();
    assert_eq!((error.context["status"].as_str(), error.context["page"].as_str()), ("400", "4"));
    assert!(within(stream.next()).await.is_none());
    assert!(within(table.list_values()).await.is_err());
}

#[tokio::test]
async fn a_body_of_another_shape_is_an_error_and_never_rows() {
    let no_page = || {
        let error = json_text(r#"{"error":"it went wrong"}"#);
        [mock::html(), error, ResponseTemplate::new(200), ResponseTemplate::new(204)]
    };
    let no_rows =
        [r#"{"data":null}"#, r#"{"data":[7]}"#, r#"{"data":[[]]}"#, r#"{"data":[{"id":1}"#];
    for answer in no_page().into_iter().chain(no_rows.map(json_text)) {
        let server = mock::answering(answer.clone()).await;
        let table = rows(api(&server));
        let error = list_error(&table).await;
        assert_eq!(error.context["kind"], "decode", "{answer:?}");
        assert!(within(table.get_value("1")).await.is_err(), "{answer:?}");
        assert!(within(table.get_some_value()).await.is_err(), "{answer:?}");
    }
    for answer in no_page() {
        let server = mock::answering(answer.clone()).await;
        assert!(within(rows(api(&server)).get_count()).await.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn no_content_is_an_empty_set_when_configured() {
    let server = mock::answering(ResponseTemplate::new(204)).await;
    let api = api(&server).envelope(Envelope::default().no_content_is_empty(true));
    assert!(within(rows(api.clone()).list_values()).await.unwrap().is_empty());
    assert_eq!(within(rows(api).get_count()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_that_is_no_object_is_named_as_such() {
    let server = mock::answering(json_text(r#"{"data":[7]}"#)).await;
    let error = list_error(&rows(api(&server))).await;
    let source = error.source().and_then(std::error::Error::source).unwrap();
    assert!(source.to_string().contains("expected a row"), "{source}");
}

#[tokio::test]
async fn accept_50_the_start_of_the_body_is_kept_and_cut_on_a_character_boundary() {
    let server = mock::answering(json_text("☃".repeat(5_000))).await;
    let error = list_error(&rows(api(&server))).await;
    let body = body_start(&error);
    assert!(body.len() <= 512 && body.chars().all(|character| character == '☃'), "{body}");
}

#[tokio::test]
async fn accept_50_a_refusal_is_final_after_one_attempt_and_keeps_what_the_server_says() {
    for status in [400, 402, 404, 410, 415, 422, 451] {
        let server = mock::answering(refusal(status)).await;
        let error = list_error(&rows(api(&server))).await;
        assert_eq!(error.context["attempts"], "1", "{status}");
        assert_eq!(mock::count(&server).await, 1, "{status}");
        let reason = http::StatusCode::from_u16(status).unwrap();
        let reason = reason.canonical_reason().unwrap();
        assert!(body_start(&error).contains(reason), "{error:?}");
    }
    for status in [408, 429] {
        let server = mock::server().await;
        let once = Mock::given(any()).respond_with(refusal(status)).up_to_n_times(1);
        once.expect(1).mount(&server).await;
        Mock::given(any()).respond_with(Pages(numbered(0..25))).mount(&server).await;
        assert_eq!(within(rows(api(&server)).list_values()).await.unwrap().len(), 25, "{status}");
    }
}

#[tokio::test]
async fn accept_51_no_answer_is_a_transport_error_that_says_so() {
    let resetting = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.reset();
    });
    let silent = RawServer::start(|mut peer| async move { peer.closed().await });
    let plain = RawServer::start(|mut peer| async move {
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.closed().await;
    });
    let patience = Duration::from_secs(60);
    for (url, kind, timeout) in [
        // Nobody listens where only the system may.
        ("http://127.0.0.1:1".to_owned(), "connect", patience),
        (resetting.url(), "disconnected", patience),
        (silent.url(), "timeout", Duration::from_millis(200)),
        (plain.url().replace("http://", "https://"), "tls", patience),
    ] {
        let pool = AwwPool::builder(url).attempt_timeout(timeout).build();
        let error = list_error(&rows(PoolApi::new(pool.unwrap()))).await;
        assert_eq!(error.kind(), ErrorKind::Generic);
        assert_eq!(error.context["kind"], kind, "{error}");
        let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
        assert!(format!("{source:#}").starts_with(kind), "{error}");
        assert!(!error.context.contains_key("status"));
    }
}

#[tokio::test]
async fn accept_51_an_error_about_an_item_quotes_no_value_of_it() {
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    struct Numbered {
        n: i64,
    }
    let body = r#"{"data":[{"id":1,"n":1},{"id":2,"n":"canary"}]}"#;
    let server = mock::answering(json_text(body)).await;
    let table = Table::<PoolApi, Numbered>::new("rows", api(&server)).with_id_column("id");
    let error = within(table.list_direct()).await.unwrap_err();
    assert_eq!(error.context["kind"], "decode");
    let why = error.source().and_then(std::error::Error::source).unwrap().to_string();
    assert_eq!(
        why,
        "invalid type: string, expected i64 in `n` at line 1 column 20 of item 1 of the list, counted from 0"
    );
    assert!(all_texts(&error).iter().all(|text| !text.contains("canary")));
    assert!(!all_texts(&within(table.list()).await.unwrap_err()).concat().contains("canary"));
}

/// All that an error and its sources print.
fn all_texts(error: &VantageError) -> Vec<String> {
    let mut texts = vec![error.to_string(), format!("{error:?}")];
    let mut source = error.source();
    while let Some(inner) = source {
        texts.extend([inner.to_string(), format!("{inner:?}")]);
        source = inner.source();
    }
    texts
}

#[tokio::test]
async fn accept_52_a_bad_header_fails_before_anything_is_sent_and_is_not_echoed() {
    let server = mock::server().await;
    for (name, value) in [("x canary", "fine"), ("x-key", "canary\r\nx: y"), ("x-key", "canary\0")]
    {
        let error = AwwPool::builder(server.uri()).default_header(name, value).build().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
        let error = Request::get("/rows").header(name, value).unwrap_err();
        assert!(VantageError::from(error.clone()).is_incorrect_usage());
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    assert_eq!(mock::count(&server).await, 0);
}

#[tokio::test]
async fn accept_51_neither_a_query_string_nor_a_credential_appears_in_an_error() {
    for answer in [refusal(400), refusal(500), mock::html()] {
        let server = mock::answering(answer).await;
        let api = api(&server);
        let table = Rows::new("rows?token=canary", api.clone())
            .with_id_column("id")
            .with_condition(ApiCondition::eq("api_key", "canary"));
        let errors = [
            list_error(&table).await,
            within(table.get_value("1")).await.unwrap_err(),
            within(table.get_count()).await.unwrap_err(),
        ];
        for error in errors {
            let texts = all_texts(&error);
            assert!(texts.iter().all(|text| !text.contains("canary")), "{texts:?}");
        }
        let conditions: Vec<_> = table.conditions().collect();
        assert!(!format!("{api:?} {conditions:?}").contains("canary"));
    }
}

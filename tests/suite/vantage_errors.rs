//! Failures as a Vantage program sees them.

use std::{error::Error as _, future::Future, time::Duration};

use crate::support::hostile::{Answer, Hostile, HostileServer};
use futures::StreamExt;
use vantage_api_pool::{ApiCondition, AwwPool, Envelope, Error, PoolApi, PoolTableExt};
use vantage_core::{ErrorKind, VantageError};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::EmptyEntity;

type Rows = Table<PoolApi, EmptyEntity>;

fn api(server: &HostileServer) -> PoolApi {
    PoolApi::new(AwwPool::builder(server.url()).build().unwrap())
}

fn rows(api: PoolApi) -> Rows {
    Table::new("rows", api).with_id_column("id")
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("no wait lasts for ever")
}

async fn list_error(table: &Rows) -> VantageError {
    within(table.list_values()).await.unwrap_err()
}

#[tokio::test]
async fn a_status_becomes_the_kind_that_it_means() {
    for (status, kind) in [
        (400, ErrorKind::Generic),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (405, ErrorKind::Unsupported),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (501, ErrorKind::Unsupported),
    ] {
        let server = Hostile::new(25).on_any(Answer::Status(status)).start();
        let error = list_error(&rows(api(&server))).await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.context["status"], status.to_string());
        assert_eq!(error.context["attempts"], "1", "{status} is final");
        assert_eq!(error.context["kind"], "status");
        assert!(error.context["body"].starts_with("{\"error\""));
        assert_eq!(server.log(|log| log.seen.len()), 1);
    }
}

#[tokio::test]
async fn a_passing_failure_names_its_attempts_and_keeps_its_source() {
    let server = Hostile::new(25).on_any(Answer::Status(503)).start();
    let error = list_error(&rows(api(&server))).await;
    assert_eq!(error.kind(), ErrorKind::Generic);
    assert_eq!(error.context["attempts"], server.log(|log| log.seen.len()).to_string());
    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap();
    assert_eq!(source.status().map(|status| status.as_u16()), Some(503));
}

#[tokio::test]
async fn an_error_on_a_page_comes_after_the_rows_before_it_and_ends_the_stream() {
    let server = Hostile::new(95).on_page(4, Answer::Status(400)).start();
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
    let body = |body: &str| Answer::Body(body.to_owned());
    for answer in [
        Answer::Html,
        Answer::ErrorEnvelope,
        Answer::Empty,
        Answer::NoContent,
        body("{\"data\":null}"),
        body("{\"data\":[7]}"),
        body("{\"data\":[[]]}"),
        body("{\"data\":[{\"id\":1}"),
    ] {
        let server = Hostile::new(25).on_any(answer.clone()).start();
        let table = rows(api(&server));
        let error = list_error(&table).await;
        assert_eq!(error.context["kind"], "decode", "{answer:?}");
        assert!(within(table.get_value("1")).await.is_err(), "{answer:?}");
        assert!(within(table.get_some_value()).await.is_err(), "{answer:?}");
    }
    for answer in [Answer::Html, Answer::ErrorEnvelope, Answer::Empty, Answer::NoContent] {
        let server = Hostile::new(25).on_any(answer.clone()).start();
        assert!(within(rows(api(&server)).get_count()).await.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn no_content_is_an_empty_set_when_configured() {
    let server = Hostile::new(25).on_any(Answer::NoContent).start();
    let api = api(&server).envelope(Envelope::default().no_content_is_empty(true));
    assert!(within(rows(api.clone()).list_values()).await.unwrap().is_empty());
    assert_eq!(within(rows(api).get_count()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_that_is_no_object_is_named_as_such() {
    let server = Hostile::new(25).on_any(Answer::Body("{\"data\":[7]}".into())).start();
    let error = list_error(&rows(api(&server))).await;
    let source = error.source().and_then(std::error::Error::source).unwrap();
    assert!(source.to_string().contains("expected a row"), "{source}");
}

#[tokio::test]
async fn the_start_of_the_body_is_kept_and_cut_on_a_character_boundary() {
    let server = Hostile::new(25).on_any(Answer::Body("☃".repeat(5_000))).start();
    let error = list_error(&rows(api(&server))).await;
    let body = &error.context["body"];
    assert!(body.len() <= 512 && body.chars().all(|character| character == '☃'), "{body}");
}

#[tokio::test]
async fn no_answer_is_a_transport_error_that_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let api = PoolApi::new(AwwPool::builder(url).build().unwrap());
    let error = list_error(&rows(api)).await;
    assert_eq!(error.kind(), ErrorKind::Generic);
    assert_eq!(error.context["kind"], "connect");
    assert!(!error.context.contains_key("status"));
}

#[tokio::test]
async fn neither_a_query_string_nor_a_credential_appears_in_an_error() {
    for answer in [Answer::Status(400), Answer::Status(500), Answer::Html] {
        let server = Hostile::new(25).on_any(answer).start();
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
            let mut texts = vec![error.to_string(), format!("{error:?}")];
            let mut source = error.source();
            while let Some(inner) = source {
                texts.extend([inner.to_string(), format!("{inner:?}")]);
                source = inner.source();
            }
            assert!(texts.iter().all(|text| !text.contains("canary")), "{texts:?}");
        }
        let conditions: Vec<_> = table.conditions().collect();
        assert!(!format!("{api:?} {conditions:?}").contains("canary"));
    }
}

//! The hostile server itself: what the other tests rely on.

use crate::support::{
    hostile::{Answer, Hostile, HostileServer, Log, Outcome, Shape, Total},
    soon,
};

use serde_json::Value;
use std::time::Duration;

/// A client that waits for as long as the test does.
fn client() -> awc::Client {
    awc::Client::builder().disable_timeout().finish()
}

async fn ask(api: &HostileServer, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", api.url());
    let mut response = soon("an answer", client().get(url).send()).await.unwrap();
    let body = soon("its body", response.body()).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

#[actix_web::test]
async fn a_page_is_smaller_than_the_set_whatever_size_is_asked_for() {
    let api = Hostile::new(25).start();
    let (status, body) = ask(&api, "/rows?page=3&per_page=1000").await;
    assert_eq!(status, 200);
    assert_eq!(body["data"].as_array().unwrap(), &api.rows()[20..]);
    assert_eq!(body["pagination"]["total_pages"], 3);
    assert_eq!(body["pagination"]["has_next"], false);
    assert_eq!(ask(&api, "/rows?page=4").await.1["data"], serde_json::json!([]));
    assert_eq!(api.log(Log::pages), [3, 4]);
}

#[actix_web::test]
async fn a_scripted_answer_is_given_as_often_as_it_says() {
    let api = Hostile::new(25).on_page(2, Answer::Status(503).times(1)).start();
    assert_eq!(ask(&api, "/rows").await.0, 200);
    assert_eq!(ask(&api, "/rows?page=2").await.0, 503);
    assert_eq!(ask(&api, "/rows?page=2").await.0, 200);
}

#[actix_web::test]
async fn a_closed_page_waits_and_a_client_that_hangs_up_is_seen() {
    let api = Hostile::new(25).closed().start();
    {
        let asking = ask(&api, "/rows?page=2");
        tokio::select! {
            answer = asking => panic!("{answer:?}"),
            () = api.wait_for("the request", |log| log.in_flight == 1) => {}
        }
    }
    api.wait_for("the abort", |log| log.aborted == 1 && log.in_flight == 0).await;
    assert_eq!(api.log(|log| log.seen[0].outcome), Outcome::Aborted);
    api.open(2);
    assert_eq!(ask(&api, "/rows?page=2").await.0, 200);
}

#[actix_web::test]
async fn placeholders_and_parameters_filter_and_unknown_ones_are_recorded() {
    let rows = [("Japan", "Tokyo"), ("Peru", "Lima")]
        .map(|(country, name)| serde_json::json!({ "id": name, "country": country }));
    let api = Hostile::with_rows(rows.to_vec()).at("/countries/{country}/cities").start();
    let (_, body) = ask(&api, "/countries/Japan/cities?id=Tokyo&colour=red").await;
    assert_eq!(body["data"], serde_json::json!([{ "id": "Tokyo", "country": "Japan" }]));
    assert_eq!(ask(&api, "/countries/Peru/cities/Lima").await.1["id"], "Lima");
    assert_eq!(ask(&api, "/countries/Peru/cities/Tokyo").await.0, 404);
    assert_eq!(api.log(|log| log.unknown_params.clone()), ["colour"]);
}

#[actix_web::test]
async fn rows_that_shift_repeat_the_last_row_of_the_page_before() {
    let api = Hostile::new(25).shifts().start();
    let mut ids = Vec::new();
    for page in 1..=3 {
        let (_, body) = ask(&api, &format!("/rows?page={page}")).await;
        ids.extend(body["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()));
    }
    let expected: Vec<u64> = (0..10).chain(9..19).chain(18..25).collect();
    assert_eq!(ids, expected);
}

#[actix_web::test]
async fn shapes_and_totals_are_where_the_knobs_put_them() {
    let api = Hostile::new(15)
        .shape(Shape::At("result.rows"))
        .total(Total::At("result.count"))
        .without_pagination()
        .start();
    let (_, body) = ask(&api, "/rows?page=2").await;
    assert_eq!(body["result"]["rows"].as_array().unwrap().len(), 5);
    assert_eq!(body["result"]["count"], 15);
    assert_eq!(body.get("pagination"), None);

    let api = Hostile::new(15).shape(Shape::Bare).total(Total::InHeader("x-total-count")).start();
    assert_eq!(ask(&api, "/rows").await.1.as_array().unwrap().len(), 10);
}

#[actix_web::test]
async fn a_revoked_or_expired_token_is_refused() {
    let ask = async |api: &HostileServer, token: &str| {
        let request = client().get(format!("{}/rows", api.url())).bearer_auth(token);
        soon("an answer", request.send()).await.unwrap().status().as_u16()
    };
    let api = Hostile::new(5).wants_token().start();
    let token = api.issue_token();
    assert_eq!(ask(&api, "guess").await, 401);
    assert_eq!(ask(&api, &token).await, 200);
    api.revoke();
    assert_eq!(ask(&api, &token).await, 401);

    let api = Hostile::new(5).wants_token().token_lifetime(Duration::ZERO).start();
    assert_eq!(ask(&api, &api.issue_token()).await, 401);
    assert_eq!(api.tokens_issued(), 1);
}

#[actix_web::test]
async fn a_server_that_is_dropped_drops_what_is_in_flight() {
    let api = Hostile::new(5).closed().start();
    let url = format!("{}/rows", api.url());
    let asking = actix_web::rt::spawn(client().get(url).send());
    api.wait_for("the request", |log| log.in_flight == 1).await;
    drop(api);
    let answer = soon("an error", asking).await.unwrap();
    assert!(answer.is_err());
}

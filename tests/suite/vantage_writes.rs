//! Writes through Vantage tables, to a REST server that keeps what it is sent.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use ciborium::Value;
use serde_json::json;
use tokio::sync::Barrier;
use vantage_api_pool::{
    AwwPool, PoolApi,
    vantage::{ApiCondition, ApiTable, ColumnConditions, Writes},
};
use vantage_core::{ErrorKind, VantageError};
use vantage_dataset::{
    contract::{
        Fixture, OpFixture, check_delete, check_delete_all, check_insert, check_operator_condition,
        check_patch, check_refused, check_replace, check_unnarrowed,
    },
    prelude::*,
};
use vantage_table::{column::core::Column, table::Table};
use vantage_types::{EmptyEntity, Record};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path},
};

use crate::support::{
    mock::{self, header, refusal},
    raw_server::RawServer,
    rest::{Habits, RestServer},
    soon,
};

type Rows = Table<PoolApi, EmptyEntity>;

const ETAGS: Habits = Habits {
    etags: true,
    weak: false,
    silent: false,
    locates: false,
    no_upsert: false,
    wrapped: false,
    gone: false,
};

fn pool(url: String) -> AwwPool {
    AwwPool::builder(url).build().unwrap()
}

fn table(server: &RestServer, writes: Writes) -> Rows {
    Rows::new("rows", PoolApi::new(pool(server.url())).writes(writes)).with_id_column("id")
}

fn narrowed(all: &Rows) -> Rows {
    all.clone().with_condition(ApiCondition::eq("parent", "p1"))
}

/// A server with a row inside the set of `narrowed` and one outside.
async fn seeded(habits: Habits) -> RestServer {
    let inside = json!({ "id": "in1", "name": "a", "parent": "p1" });
    let outside = json!({ "id": "out1", "name": "b", "parent": "p2" });
    let other = |n| json!({ "id": format!("other{n}"), "name": "o", "parent": "p3" });
    RestServer::start(habits, vec![other(1), other(2), inside, other(3), outside]).await
}

fn record(fields: &[(&str, Value)]) -> Record<Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn id(id: &str) -> String {
    id.to_owned()
}

fn text(text: &str) -> Value {
    text.into()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a write", work).await
}

#[tokio::test]
async fn accept_68_the_contract_of_writable_sets_holds_over_http() {
    let ways = [
        Writes::rest().etags(true),
        Writes::rest().insert_by_put().patch_by_put().etags(true),
        Writes::rest().patch_by_merge_patch().read_back(true).check_then_write(true),
        Writes::rest().wrapped_in("row").etags(true),
    ];
    for writes in ways {
        for silent in [false, true] {
            let wrapped = writes == Writes::rest().wrapped_in("row").etags(true);
            let habits = Habits { silent, wrapped, ..ETAGS };
            within(check_contract(habits, &writes)).await;
        }
    }
}

async fn check_contract(habits: Habits, writes: &Writes) {
    check_unnarrowed(&table(&seeded(habits).await, writes.clone()), id, text).await;
    for check in 0..5 {
        let server = seeded(habits).await;
        let all = table(&server, writes.clone());
        let set = narrowed(&all);
        let fixture = Fixture { all: &all, set: &set, id, text, detects_outside: true };
        match check {
            0 => check_delete(&fixture).await,
            1 => check_insert(&fixture).await,
            2 => check_patch(&fixture).await,
            3 => check_replace(&fixture).await,
            _ => check_delete_all(&fixture).await,
        }
    }
    let prices = vec![json!({ "id": "cheap", "price": 5 }), json!({ "id": "dear", "price": 20 })];
    let server = RestServer::start(habits, prices).await;
    let all = table(&server, writes.clone());
    let set = all.clone().with_condition(Column::<i64>::new("price").gt(10));
    let fixture = OpFixture { all: &all, set: &set, id, text, int: |number| number.into() };
    check_operator_condition(&fixture).await;

    let server = seeded(habits).await;
    let all = table(&server, writes.clone());
    for unanswerable in [unanswerable(), ApiCondition::Search { text: "x".into() }] {
        check_refused(&all.clone().with_condition(unanswerable), id, text).await;
    }
    assert_eq!(server.take_lines(), [""; 0]);
}

/// A condition that the API can neither apply nor evaluate.
fn unanswerable() -> ApiCondition {
    vantage_expressions::Expression::new("a search for {}", vec![]).into()
}

#[tokio::test]
async fn accept_70_nothing_is_written_by_default_and_nothing_sent() {
    let server = seeded(ETAGS).await;
    let set = table(&server, Writes::none());
    for set in [narrowed(&set), set] {
        let row = record(&[("name", text("x"))]);
        let errors = [
            within(set.insert_value("z", &row)).await.err(),
            within(set.insert_return_id_value(&row)).await.err(),
            within(set.replace_value("in1", &row)).await.err(),
            within(set.patch_value("in1", &row)).await.err(),
            within(set.delete("in1")).await.err(),
            within(set.delete_all()).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().kind(), ErrorKind::Unsupported);
        }
    }
    assert_eq!(server.take_lines(), [""; 0]);
}

#[tokio::test]
async fn accept_70_a_table_has_just_the_writes_that_are_set() {
    let server = seeded(ETAGS).await;
    let api = PoolApi::new(pool(server.url()))
        .writes(Writes::rest())
        .table("rows", ApiTable::new().writes(Writes::none().patch_by_patch()));
    let rows = Rows::new("rows", api.clone()).with_id_column("id");
    let row = record(&[("name", text("x"))]);
    within(rows.patch_value("in1", &row)).await.unwrap();
    assert!(within(rows.delete("in1")).await.unwrap_err().is_unsupported());
    assert!(within(rows.insert_value("z", &row)).await.unwrap_err().is_unsupported());
    assert!(within(rows.replace_value("in1", &row)).await.unwrap_err().is_unsupported());
    assert_eq!(server.take_lines(), ["PATCH /rows/in1"]);
    within(Rows::new("rows/", api).with_id_column("id").delete("in1")).await.unwrap();
}

#[tokio::test]
async fn accept_70_a_narrowed_table_whose_writes_cannot_be_confined_is_refused() {
    let server = seeded(Habits::default()).await;
    let all = table(&server, Writes::rest());
    let set = narrowed(&all);
    let row = record(&[("name", text("x"))]);
    let errors = [
        within(set.replace_value("in1", &row)).await.err(),
        within(set.patch_value("in1", &row)).await.err(),
        within(set.delete("in1")).await.err(),
        within(set.delete_all()).await.err(),
    ];
    for error in errors {
        assert!(error.unwrap().is_unsupported());
    }
    let mut windowed = all.clone();
    windowed.set_pagination(Some(vantage_table::pagination::Pagination::window(0, 2)));
    assert!(within(windowed.delete_all()).await.unwrap_err().is_unsupported());
    assert_eq!(server.take_lines(), [""; 0]);

    // A row that does not tell whether it is in the set.
    let checked = table(&server, Writes::rest().check_then_write(true));
    let other = checked.with_condition(ApiCondition::eq("owner", "me"));
    assert!(within(other.delete("in1")).await.unwrap_err().is_unsupported());
    assert_eq!(server.take_lines(), ["GET /rows/in1"]);
    assert_eq!(server.rows().len(), 5);
}

#[tokio::test]
async fn accept_70_a_placeholder_of_the_path_confines_by_itself_and_stays_out_of_the_body() {
    let server = seeded(Habits::default()).await;
    let api = PoolApi::new(pool(server.url())).table(
        "things",
        ApiTable::new().path("{kind}").item_path("{kind}/{id}").writes(Writes::rest()),
    );
    let things = Rows::new("things", api)
        .with_id_column("id")
        .with_condition(ApiCondition::eq("kind", "rows"));
    let row = record(&[("name", text("x"))]);
    within(things.patch_value("in1", &row)).await.unwrap();
    within(things.insert_value("new", &row)).await.unwrap();
    within(things.delete("out1")).await.unwrap();
    let lines = ["PATCH /rows/in1", "GET /rows/new", "POST /rows", "DELETE /rows/out1"];
    assert_eq!(server.take_lines(), lines);
    assert_eq!(server.row("new").unwrap(), json!({ "id": "new", "name": "x" }));
}

#[tokio::test]
async fn accept_69_a_new_id_is_read_from_the_body_or_from_the_location() {
    for (habits, writes) in [
        (Habits::default(), Writes::rest()),
        (Habits { locates: true, ..ETAGS }, Writes::rest()),
        (Habits { wrapped: true, ..ETAGS }, Writes::rest().wrapped_in("row")),
        (Habits { wrapped: true, silent: true, ..ETAGS }, Writes::rest().wrapped_in("row")),
    ] {
        let server = seeded(habits).await;
        let row = record(&[("name", text("n"))]);
        let new = within(table(&server, writes).insert_return_id_value(&row)).await.unwrap();
        assert_eq!(new, "made/1", "{habits:?}");
        assert_eq!(server.row("made/1").unwrap()["name"], "n");
        assert_eq!(server.take_lines(), ["POST /rows"]);
    }
}

#[tokio::test]
async fn accept_69_a_new_id_is_read_where_its_alias_says() {
    let server = seeded(Habits::default()).await;
    let api = PoolApi::new(pool(server.url()))
        .table("rows", ApiTable::new().writes(Writes::rest()).alias("key", "id"));
    let rows = Rows::new("rows", api).with_id_column("key");
    let new = within(rows.insert_return_id_value(&record(&[("name", text("n"))]))).await.unwrap();
    assert_eq!(new, "made/1");
    within(rows.insert_value("own", &record(&[("name", text("n"))]))).await.unwrap();
    assert_eq!(server.row("own").unwrap(), json!({ "id": "own", "name": "n" }));
}

#[tokio::test]
async fn accept_69_an_answer_without_an_id_is_an_error_that_says_that_the_row_is_stored() {
    let server = mock::server().await;
    Mock::given(method("POST"))
        .and(path("/rows"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
        .expect(1)
        .mount(&server)
        .await;
    let rows = Rows::new("rows", PoolApi::new(pool(server.uri())).writes(Writes::rest()))
        .with_id_column("id");
    let error = within(rows.insert_return_id_value(&record(&[]))).await.unwrap_err();
    assert!(error.to_string().contains("the row was stored"), "{error}");
    assert_eq!(mock::count(&server).await, 1);
}

#[tokio::test]
async fn accept_71_a_missing_row_is_no_error_when_deleted_and_not_found_when_patched() {
    for gone in [false, true] {
        let server = seeded(Habits { gone, ..ETAGS }).await;
        let all = table(&server, Writes::rest().etags(true));
        for set in [narrowed(&all), all] {
            within(set.delete("ghost")).await.unwrap();
            let patch = record(&[("name", text("x"))]);
            let error = within(set.patch_value("ghost", &patch)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }
}

#[tokio::test]
async fn accept_72_a_concurrent_change_makes_a_confined_write_a_conflict() {
    for writes in [Writes::rest().etags(true), Writes::rest().patch_by_put().etags(true)] {
        let server = seeded(ETAGS).await;
        let set = narrowed(&table(&server, writes.clone()));
        let row = record(&[("name", text("mine"))]);
        let change = |rows: &mut Vec<serde_json::Value>| rows[2]["name"] = "theirs".into();
        server.after_next_get(change);
        let error = within(set.patch_value("in1", &row)).await.unwrap_err();
        assert_conflict(&error);
        server.after_next_get(|rows| change_owner(rows));
        assert_conflict(&within(set.replace_value("in1", &row)).await.unwrap_err());
        assert_eq!(server.row("in1").unwrap()["parent"], "p9");
    }
    let server = seeded(ETAGS).await;
    let set = narrowed(&table(&server, Writes::rest().etags(true)));
    server.after_next_get(|rows| change_owner(rows));
    assert_conflict(&within(set.delete("in1")).await.unwrap_err());
    assert!(server.row("in1").is_some());
}

fn change_owner(rows: &mut [serde_json::Value]) {
    rows[2]["parent"] = "p9".into();
}

fn assert_conflict(error: &VantageError) {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.context["status"], "412");
}

/// A server of one row, which carries a tag, that keeps each PUT until two have come.
fn meeting(row: Option<serde_json::Value>) -> (RawServer, Arc<Mutex<Option<serde_json::Value>>>) {
    let stored = Arc::new(Mutex::new(row));
    let (shared, both) = (Arc::clone(&stored), Arc::new(Barrier::new(2)));
    let server = RawServer::start(move |mut peer| {
        let (stored, both) = (Arc::clone(&shared), Arc::clone(&both));
        async move {
            while let Some((head, body)) = peer.head_and_body().await {
                let is_put = head.starts_with("PUT ");
                if is_put {
                    both.wait().await;
                }
                let answer = {
                    let mut row = stored.lock().unwrap();
                    let tag =
                        |row: &serde_json::Value| format!("\"{}\"", row["name"].as_str().unwrap());
                    let condition = match &*row {
                        Some(row) => format!("if-match: {}\r\n", tag(row)),
                        None => "if-none-match: *\r\n".to_owned(),
                    };
                    let status = match (is_put, row.is_some()) {
                        (true, _) if !head.contains(&condition) => "412 Precondition Failed",
                        (false, false) => "404 Not Found",
                        _ => "200 OK",
                    };
                    if is_put && status == "200 OK" {
                        *row = Some(serde_json::from_slice(&body).unwrap());
                    }
                    let (tag, body) = row
                        .as_ref()
                        .map_or_else(Default::default, |row| (tag(row), row.to_string()));
                    format!(
                        "HTTP/1.1 {status}\r\netag: {tag}\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    )
                };
                peer.write(answer.as_bytes()).await;
            }
        }
    });
    (server, stored)
}

#[tokio::test]
async fn accept_72_of_two_inserts_of_one_id_by_put_the_first_stays_and_is_what_both_return() {
    let (server, stored) = meeting(None);
    let writes = Writes::rest().insert_by_put().etags(true);
    let rows =
        Rows::new("rows", PoolApi::new(pool(server.url())).writes(writes)).with_id_column("id");
    let [one, other] = ["one", "other"].map(|name| record(&[("name", text(name))]));
    let (one, other) = within(async {
        tokio::join!(rows.insert_value("new", &one), rows.insert_value("new", &other))
    })
    .await;
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one, other);
    let stored = stored.lock().unwrap().clone().unwrap();
    assert_eq!(stored["name"], *one["name"].as_text().unwrap());
    let heads = server.seen().heads;
    let puts: Vec<_> = heads.iter().filter(|(_, head)| head.starts_with("PUT ")).collect();
    assert_eq!(puts.len(), 2);
    for (_, head) in puts {
        assert!(head.contains("if-none-match: *\r\n") && !head.contains("if-match:"), "{head}");
    }
}

#[tokio::test]
async fn accept_72_of_two_writers_who_read_the_same_row_one_writes_and_one_conflicts() {
    let (server, stored) = meeting(Some(json!({ "id": "in1", "name": "a", "parent": "p1" })));
    let writes = Writes::rest().patch_by_put().etags(true);
    let rows =
        Rows::new("rows", PoolApi::new(pool(server.url())).writes(writes)).with_id_column("id");
    let set = narrowed(&rows);
    let [one, other] = ["one", "other"].map(|name| record(&[("name", text(name))]));
    let both = within(async {
        tokio::join!(set.patch_value("in1", &one), set.patch_value("in1", &other))
    })
    .await;
    let (winner, loser) = match both {
        (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
        both => panic!("one of two wins: {both:?}"),
    };
    assert_conflict(&loser);
    let stored = stored.lock().unwrap().clone().unwrap();
    assert_eq!(stored["name"], *winner["name"].as_text().unwrap());
}

#[tokio::test]
async fn accept_72_a_confined_replace_of_a_row_that_is_not_there_overwrites_none() {
    let server = seeded(ETAGS).await;
    let set = narrowed(&table(&server, Writes::rest().etags(true)));
    let row = record(&[("name", text("n")), ("parent", text("p1"))]);
    within(set.replace_value("new", &row)).await.unwrap();
    let asked = server.take_asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    assert_eq!(header(put, "if-none-match"), Some("*"));
}

#[tokio::test]
async fn accept_72_an_api_without_strong_tags_is_refused_before_the_write() {
    for habits in [Habits::default(), Habits { weak: true, ..ETAGS }] {
        let server = seeded(habits).await;
        let set = narrowed(&table(&server, Writes::rest().etags(true)));
        let row = record(&[("name", text("x"))]);
        assert!(within(set.patch_value("in1", &row)).await.unwrap_err().is_unsupported());
        assert!(within(set.delete("in1")).await.unwrap_err().is_unsupported());
        assert_eq!(server.take_lines(), ["GET /rows/in1", "GET /rows/in1"]);
    }
}

#[tokio::test]
async fn accept_37_an_insert_through_a_narrowed_table_is_stamped_with_its_equality() {
    let server = seeded(Habits::default()).await;
    let all = table(&server, Writes::rest());
    let set = narrowed(&all).with_condition(ApiCondition::eq("level", 7));
    let row = record(&[("name", text("n"))]);
    within(set.insert_value("new", &row)).await.unwrap();
    let new = within(set.insert_return_id_value(&row)).await.unwrap();
    for id in ["new", new.as_str()] {
        let stored = server.row(id).unwrap();
        assert_eq!((&stored["parent"], &stored["level"]), (&json!("p1"), &json!(7)));
    }
    let other = record(&[("parent", text("p2"))]);
    assert!(within(set.insert_return_id_value(&other)).await.unwrap_err().is_conflict());
}

#[tokio::test]
async fn accept_49_the_status_of_a_refused_write_becomes_the_kind_that_it_means() {
    for (status, kind) in [
        (400, ErrorKind::Generic),
        (403, ErrorKind::Forbidden),
        (405, ErrorKind::Unsupported),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (422, ErrorKind::Generic),
        (501, ErrorKind::Unsupported),
    ] {
        let server = seeded(ETAGS).await;
        for name in ["POST", "PUT", "PATCH", "DELETE"] {
            // Before what the server does of itself.
            let refused = Mock::given(method(name)).respond_with(refusal(status));
            refused.with_priority(1).mount(&server.server).await;
        }
        let rows = table(&server, Writes::rest());
        let row = record(&[("name", text("x"))]);
        let errors = [
            within(rows.insert_value("new", &row)).await.err(),
            within(rows.insert_return_id_value(&row)).await.err(),
            within(rows.replace_value("in1", &row)).await.err(),
            within(rows.patch_value("in1", &row)).await.err(),
            within(rows.delete("in1")).await.err(),
        ];
        for error in errors {
            let error = error.unwrap();
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(error.context["status"], status.to_string());
            assert_eq!(error.context["attempts"], "1");
        }
    }
}

/// Reads each request, does not answer the first with `method`, and answers the others with `row`.
fn losing(method: &'static str, row: &'static str) -> RawServer {
    let lost = Arc::new(AtomicBool::new(false));
    RawServer::start(move |mut peer| {
        let lost = Arc::clone(&lost);
        async move {
            while let Some((head, _)) = peer.head_and_body().await {
                if head.starts_with(method) && !lost.swap(true, SeqCst) {
                    return;
                }
                let answer = if head.starts_with("GET /rows/new ") {
                    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()
                } else {
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{row}", row.len())
                };
                peer.write(answer.as_bytes()).await;
            }
        }
    })
}

#[tokio::test]
async fn accept_56_post_and_patch_are_sent_again_only_with_an_idempotency_key() {
    const ROW: &str = r#"{"id":"new","name":"n"}"#;
    let row = record(&[("name", text("n"))]);
    for method in ["POST", "PATCH", "PUT", "DELETE"] {
        for with_keys in [false, true] {
            let server = losing(method, ROW);
            let writes = Writes::rest();
            let writes =
                if with_keys { writes.idempotency_keys("Idempotency-Key") } else { writes };
            let rows = Rows::new("rows", PoolApi::new(pool(server.url())).writes(writes))
                .with_id_column("id");
            let done = match method {
                "POST" => within(rows.insert_return_id_value(&row)).await.map(drop),
                "PATCH" => within(rows.patch_value("new", &row)).await.map(drop),
                "PUT" => within(rows.replace_value("new", &row)).await.map(drop),
                _ => within(rows.delete("new")).await,
            };
            let heads: Vec<String> =
                server.seen().heads.into_iter().map(|(_, head)| head).collect();
            let sent: Vec<_> = heads.iter().filter(|head| head.starts_with(method)).collect();
            let may = with_keys || matches!(method, "PUT" | "DELETE");
            assert_eq!((done.is_ok(), sent.len()), (may, 1 + usize::from(may)), "{method}");
            let keys: Vec<_> = sent
                .iter()
                .filter_map(|head| head.lines().find(|line| line.starts_with("idempotency-key: ")))
                .collect();
            let has_keys = with_keys && matches!(method, "POST" | "PATCH");
            assert_eq!(keys.len(), if has_keys { 2 } else { 0 }, "{method}");
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
        }
    }
}

#[tokio::test]
async fn each_write_has_a_key_of_its_own() {
    let server = seeded(Habits::default()).await;
    let rows = table(&server, Writes::rest().idempotency_keys("X-Request-Key"));
    let row = record(&[("name", text("n"))]);
    for _ in 0..2 {
        within(rows.insert_return_id_value(&row)).await.unwrap();
        within(rows.patch_value("in1", &row)).await.unwrap();
    }
    let keys: std::collections::HashSet<String> = server
        .take_asked()
        .iter()
        .map(|asked| header(asked, "x-request-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 4);
    let illegal = table(&server, Writes::rest().idempotency_keys("a b"));
    let error = within(illegal.insert_return_id_value(&row)).await.unwrap_err();
    assert!(error.is_incorrect_usage());
    assert_eq!(server.take_lines(), [""; 0]);
}

/// A server that acts on the first conditional request and loses its answer: the
/// repeat meets a row with another tag.
fn acts_and_loses(method: &'static str, after: &'static str) -> RawServer {
    let acted = Arc::new(AtomicBool::new(false));
    RawServer::start(move |mut peer| {
        let acted = Arc::clone(&acted);
        async move {
            while let Some((head, _)) = peer.head_and_body().await {
                let has_acted = acted.load(SeqCst);
                let body =
                    if has_acted { after } else { r#"{"id":"in1","parent":"p1","name":"a"}"# };
                let status = match (head.starts_with(method), has_acted) {
                    (true, false) => {
                        acted.store(true, SeqCst);
                        return;
                    }
                    (true, true) => "412 Precondition Failed",
                    (false, _) if body.is_empty() => "404 Not Found",
                    (false, _) => "200 OK",
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\netag: \"{has_acted}\"\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                peer.write(answer.as_bytes()).await;
            }
        }
    })
}

#[tokio::test]
async fn a_repeat_that_meets_what_the_first_attempt_stored_is_no_conflict() {
    let set = |server: &RawServer| {
        let api = PoolApi::new(pool(server.url())).writes(Writes::rest().etags(true));
        narrowed(&Rows::new("rows", api).with_id_column("id"))
    };
    let row = record(&[("name", text("mine"))]);
    let server = acts_and_loses("PUT", r#"{"id":"in1","parent":"p1","name":"mine"}"#);
    let stored = within(set(&server).replace_value("in1", &row)).await.unwrap();
    assert_eq!(stored["name"], text("mine"));
    let server = acts_and_loses("DELETE", "");
    within(set(&server).delete("in1")).await.unwrap();

    let server = acts_and_loses("PUT", r#"{"id":"in1","parent":"p1","name":"theirs"}"#);
    let error = within(set(&server).replace_value("in1", &row)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_replace_creates_the_row_also_where_put_does_not() {
    let server = seeded(Habits { no_upsert: true, ..ETAGS }).await;
    let row = record(&[("name", text("n"))]);
    let rows = table(&server, Writes::rest());
    let stored = within(rows.replace_value("new", &row)).await.unwrap();
    assert_eq!((&stored["id"], &stored["name"]), (&text("new"), &text("n")));
    let rows = table(&server, Writes::none().replace_by_put());
    let error = within(rows.replace_value("newer", &row)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_patch_is_of_the_configured_type_and_holds_only_what_is_patched() {
    let server = seeded(Habits::default()).await;
    let patch = record(&[("name", text("p"))]);
    for (writes, content_type) in [
        (Writes::rest(), "application/json"),
        (Writes::rest().patch_by_merge_patch(), "application/merge-patch+json"),
    ] {
        let row = within(table(&server, writes).patch_value("in1", &patch)).await.unwrap();
        assert_eq!(row["parent"], text("p1"));
        let asked = server.take_asked().pop().unwrap();
        assert_eq!(header(&asked, "content-type"), Some(content_type));
        assert_eq!(asked.body, br#"{"name":"p"}"#);
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_anything_is_sent() {
    let server = seeded(Habits::default()).await;
    let rows = table(&server, Writes::rest());
    let row = record(&[("name", text("n"))]);
    let other = record(&[("id", text("other"))]);
    let bytes = record(&[("name", Value::Bytes(vec![1]))]);
    let errors = [
        within(rows.delete("..")).await.err(),
        within(rows.delete("")).await.err(),
        within(rows.delete("~row:3")).await.err(),
        within(rows.patch_value("in1", &other)).await.err(),
        within(rows.replace_value("in1", &other)).await.err(),
        within(rows.patch_value("in1", &bytes)).await.err(),
        within(rows.insert_return_id_value(&bytes)).await.err(),
        within(Rows::new("rows", rows.data_source().clone()).insert_value("x", &row)).await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::IncorrectUsage, "{index}: {error}");
    }
    assert_eq!(server.take_lines(), [""; 0]);
}

#[tokio::test]
async fn a_row_that_is_stored_under_another_id_is_an_error_that_names_it() {
    let server = mock::server().await;
    Mock::given(method("GET")).respond_with(refusal(404)).mount(&server).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({ "id": 777 })))
        .expect(1)
        .mount(&server)
        .await;
    let rows = Rows::new("rows", PoolApi::new(pool(server.uri())).writes(Writes::rest()))
        .with_id_column("id");
    let error = within(rows.insert_value("new", &record(&[]))).await.unwrap_err();
    assert!(error.to_string().contains("777"), "{error}");
}

#[tokio::test]
async fn deleting_a_set_deletes_every_page_of_it_and_nothing_else() {
    let rows =
        (0..9).map(|n| json!({ "id": format!("r{n}"), "parent": format!("p{}", n % 2) })).collect();
    let server = RestServer::start(ETAGS, rows).await;
    let all = table(&server, Writes::rest().etags(true));
    within(narrowed(&all).delete_all()).await.unwrap();
    let left: Vec<_> = server.rows().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(left, ["r0", "r2", "r4", "r6", "r8"]);
    within(all.delete_all()).await.unwrap();
    assert!(server.rows().is_empty());
    within(all.delete_all()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_write_is_cancelled() {
    let server = RawServer::start(|mut peer| async move {
        peer.request().await;
        peer.closed().await;
    });
    let rows = Rows::new("rows", PoolApi::new(pool(server.url())).writes(Writes::rest()))
        .with_id_column("id");
    let writing = tokio::spawn(async move { rows.delete("x").await });
    server.wait_for(|seen| seen.heads.len() == 1).await;
    writing.abort();
    server.wait_for(|seen| seen.closed.len() == 1).await;
}

//! Writes as real servers take and refuse them.

use std::{
    error::Error as _,
    future::Future,
    sync::{Arc, Mutex},
};

use ciborium::Value;
use futures::StreamExt;
use serde_json::json;
use vantage_api_pool::{
    AwwPool, Envelope, Error, Paging, PoolApi,
    vantage::{ApiCondition, ApiTable, PoolTableExt, Writes},
};
use vantage_core::{ErrorKind, VantageError};
use vantage_dataset::prelude::*;
use vantage_table::table::Table;
use vantage_types::{EmptyEntity, Record};
use vantage_vista::VistaFactory;

use crate::support::{raw_server::RawServer, soon};

type Rows = Table<PoolApi, EmptyEntity>;

fn pool(server: &Server) -> AwwPool {
    AwwPool::builder(server.url()).build().unwrap()
}

fn rows(server: &Server, writes: Writes) -> Rows {
    Rows::new("rows", PoolApi::new(pool(server)).writes(writes)).with_id_column("id")
}

fn record(fields: &serde_json::Value) -> Record<Value> {
    Record::from(Value::serialized(fields).unwrap())
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    soon("a write", work).await
}

/// One request as the server saw it.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    target: String,
    head: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server whose answers are what `answer` says, and which keeps what it was asked.
struct Server {
    raw: RawServer,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The bytes of an answer: status line and headers without the length, and the body.
type Answer = (Vec<u8>, String);

fn says(head: &str, body: &(impl ToString + ?Sized)) -> Answer {
    (head.as_bytes().to_vec(), body.to_string())
}

impl Server {
    fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        let raw = RawServer::start(move |mut peer| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                while let Some((head, body)) = peer.head_and_body().await {
                    let mut line = head.split(' ');
                    let (method, target) = (line.next().unwrap(), line.next().unwrap());
                    let asked = Asked {
                        method: method.to_owned(),
                        target: target.to_owned(),
                        body: String::from_utf8(body).unwrap(),
                        head: head.clone(),
                    };
                    seen.lock().unwrap().push(asked.clone());
                    let (head, body) = answer(&asked);
                    let mut bytes = b"HTTP/1.1 ".to_vec();
                    bytes.extend(head);
                    let length = if bytes.starts_with(b"HTTP/1.1 204") {
                        "\r\n\r\n".to_owned()
                    } else {
                        format!("\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                    };
                    bytes.extend(length.as_bytes());
                    peer.write(&bytes).await;
                }
            }
        });
        Self { raw, asked }
    }

    fn url(&self) -> String {
        self.raw.url()
    }

    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.take().iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
    }
}

/// All that an error and its sources print.
fn all_texts(error: &VantageError) -> String {
    let mut texts = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = error.source();
    while let Some(inner) = source {
        texts.push_str(&format!("{inner}\n{inner:?}\n"));
        source = inner.source();
    }
    texts
}

fn source(error: &VantageError) -> &Error {
    error.source().and_then(|source| source.downcast_ref()).unwrap()
}

// ---- ids that the API makes

/// An API that makes the ids of its rows, whatever it is sent.
fn making_ids() -> Server {
    Server::start(|asked| match asked.method.as_str() {
        "POST" => says("201 Created", r#"{"id":"777","name":"n"}"#),
        _ => says("404 Not Found", "{}"),
    })
}

#[tokio::test]
async fn case_44_an_insert_under_an_id_is_refused_before_anything_is_sent_where_the_api_makes_ids()
{
    let server = making_ids();
    let table = rows(&server, Writes::rest().server_ids(true));
    let row = record(&json!({ "name": "n" }));
    let error = within(table.insert_value("mine", &row)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IncorrectUsage, "{error}");
    assert_eq!(server.lines(), [""; 0]);
    let error = within(table.replace_value("mine", &row)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(server.lines(), ["PUT /rows/mine"]);
    assert_eq!(within(table.insert_return_id_value(&row)).await.unwrap(), "777");
    assert_eq!(server.lines(), ["POST /rows"]);
}

#[tokio::test]
async fn case_44_the_same_in_yaml_and_through_a_vista_be_it_whole_narrowed_or_related() {
    let server = making_ids();
    let yaml = "
name: parents
id_column: id
columns: { id: {} }
references: { rows: { table: rows, kind: has_many, foreign_key: parent } }
---
name: rows
id_column: id
columns: { id: {}, name: {}, parent: {} }
api: { writes: { style: rest, check_then_write: true, server_ids: true } }
";
    let factory = PoolApi::new(pool(&server)).vista_factory().with_yaml(yaml).unwrap();
    let vista = factory.build("rows").unwrap();
    let narrowed =
        vista.clone().with_condition("parent", vantage_vista::FilterOp::Eq, "p1").unwrap();
    let parents = factory.build("parents").unwrap();
    let related = parents.get_ref("rows", Some(&record(&json!({ "id": "p1" })))).unwrap();
    for vista in [vista, narrowed, related] {
        let row = record(&json!({ "name": "n", "parent": "p1" }));
        let error = within(vista.insert_value("mine", &row)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IncorrectUsage, "{error}");
        assert_eq!(server.lines(), [""; 0]);
        assert_eq!(within(vista.insert_return_id_value(&row)).await.unwrap(), "777");
        assert!(within(vista.replace_value("mine", &row)).await.is_err());
        assert!(within(vista.upsert_value("mine", &row)).await.is_err());
        let mut asked = server.take();
        asked.retain(|asked| asked.method == "POST");
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].json(), json!({ "name": "n", "parent": "p1" }));
    }
}

#[tokio::test]
async fn an_insert_by_put_has_no_place_where_the_api_makes_ids() {
    let server = making_ids();
    let table = rows(&server, Writes::none().insert_by_put().server_ids(true));
    let row = record(&json!({ "id": "mine" }));
    assert!(within(table.insert_value("mine", &row)).await.unwrap_err().is_incorrect_usage());
    assert!(within(table.insert_return_id_value(&row)).await.unwrap_err().is_incorrect_usage());
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_row_that_was_stored_under_another_id_is_named_wherever_the_answer_tells_it() {
    for (head, body) in [
        ("201 Created", r#"{"id":"777"}"#),
        ("201 Created\r\nlocation: /rows/777", ""),
        ("201 Created", r#"[{"id":"777","name":"n"}]"#),
        ("201 Created", r#"{"ok":true,"row":{"id":"777","name":"n"}}"#),
    ] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "POST" => says(head, body),
            _ => says("404 Not Found", "{}"),
        });
        let table = rows(&server, Writes::rest());
        let row = record(&json!({ "name": "n" }));
        let error = within(table.insert_value("mine", &row)).await.unwrap_err();
        assert!(error.to_string().contains("777"), "{error}");
        assert!(error.to_string().contains("server_ids"), "{error}");
    }
}

// ---- entity tags

/// An API that demands `If-Match` of each write of the row `/rows/7`, with its tag `tag`.
fn demanding(tag: &'static str) -> Server {
    Server::start(move |asked| {
        let is_row = asked.target.trim_end_matches('/') == "/rows/7";
        let none_match = asked.header("if-none-match").is_some();
        match (asked.method.as_str(), asked.header("if-match")) {
            ("POST", _) => says("201 Created", r#"{"id":"8"}"#),
            ("GET", _) if is_row => {
                says(&format!("200 OK\r\netag: {tag}"), r#"{"id":"7","name":"a","parent":"p1"}"#)
            }
            ("GET", _) => says("404 Not Found", "{}"),
            ("PUT", None) if !is_row && none_match => says("201 Created", ""),
            (_, None) => says("428 Precondition Required", r#"{"error":"no tag"}"#),
            (_, Some(given)) if given != tag => says("412 Precondition Failed", "{}"),
            ("DELETE", _) => says("204 No Content", ""),
            _ => says("200 OK", r#"{"id":"7","name":"b","parent":"p1"}"#),
        }
    })
}

#[tokio::test]
async fn case_45_a_write_that_was_answered_428_is_sent_once_more_with_the_tag_of_the_row() {
    for tag in ["\"v1\"", "W/\"v1\""] {
        let server = demanding(tag);
        let table = rows(&server, Writes::rest());
        let row = record(&json!({ "name": "b" }));
        within(table.replace_value("7", &row)).await.unwrap();
        assert_eq!(server.lines(), ["PUT /rows/7", "GET /rows/7", "PUT /rows/7"]);
        within(table.patch_value("7", &row)).await.unwrap();
        assert_eq!(server.lines(), ["PATCH /rows/7", "GET /rows/7", "PATCH /rows/7"]);
        within(table.delete("7")).await.unwrap();
        let asked = server.take();
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[2].header("if-match"), Some(tag));
        let by_put = rows(&server, Writes::rest().patch_by_put());
        within(by_put.patch_value("7", &row)).await.unwrap();
        assert_eq!(server.take().last().unwrap().header("if-match"), Some(tag));
    }
}

#[tokio::test]
async fn case_45_with_etags_required_each_write_of_a_row_is_sent_with_its_tag_at_once() {
    let server = demanding("\"v1\"");
    let yaml = "name: rows\nid_column: id\ncolumns: { id: {}, name: {} }\n\
                api: { writes: { style: rest, etags_required: true } }";
    let vista = PoolApi::new(pool(&server)).vista_factory().from_yaml(yaml).unwrap();
    let table = rows(&server, Writes::rest().etags_required(true));
    let row = record(&json!({ "name": "b" }));
    within(table.replace_value("7", &row)).await.unwrap();
    within(vista.replace_value("7", &row)).await.unwrap();
    within(table.patch_value("7", &row)).await.unwrap();
    within(table.delete("7")).await.unwrap();
    let asked = server.take();
    assert_eq!(asked.len(), 8);
    for pair in asked.chunks(2) {
        assert_eq!(pair[0].method, "GET");
        assert_eq!(pair[1].header("if-match"), Some("\"v1\""), "{pair:?}");
    }
    // What is not there has no tag.
    within(table.delete("ghost")).await.unwrap();
    assert_eq!(server.lines(), ["GET /rows/ghost"]);
    let error = within(table.patch_value("ghost", &row)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn case_45_a_narrowed_table_is_confined_also_when_it_is_asked_for_a_tag() {
    let server = demanding("\"v1\"");
    let table = rows(&server, Writes::rest().check_then_write(true));
    let row = record(&json!({ "name": "b" }));
    let inside = table.clone().with_condition(ApiCondition::eq("parent", "p1"));
    within(inside.patch_value("7", &row)).await.unwrap();
    let last = server.take().pop().unwrap();
    assert_eq!((last.method.as_str(), last.header("if-match")), ("PATCH", Some("\"v1\"")));
    let outside = table.with_condition(ApiCondition::eq("parent", "p2"));
    assert!(within(outside.patch_value("7", &row)).await.unwrap_err().is_not_found());
    within(outside.delete("7")).await.unwrap();
    assert_eq!(server.lines(), ["GET /rows/7", "GET /rows/7"]);
}

#[tokio::test]
async fn an_insert_by_put_that_is_answered_428_says_that_there_is_no_such_row() {
    let server = demanding("\"v1\"");
    let table = rows(&server, Writes::none().insert_by_put());
    let error =
        within(table.insert_value("new", &record(&json!({ "name": "b" })))).await.unwrap_err();
    assert!(error.to_string().contains("the row was written"), "{error}");
    let asked = server.take();
    let puts: Vec<_> = asked.iter().filter(|asked| asked.method == "PUT").collect();
    let conditions: Vec<_> = puts.iter().map(|put| put.header("if-none-match")).collect();
    assert_eq!(conditions, [None, Some("*")]);
}

#[tokio::test]
async fn a_428_without_a_tag_to_be_had_or_a_second_one_is_an_error() {
    for (head, expected) in [("200 OK", "entity tag"), ("200 OK\r\netag: \"a\"", "428")] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "GET" => says(head, r#"{"id":"7"}"#),
            _ => says("428 Precondition Required", ""),
        });
        let table = rows(&server, Writes::rest());
        let error = within(table.delete("7")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(server.lines().len() <= 3);
    }
}

#[tokio::test]
async fn case_45_deleting_a_set_asks_for_tags_once_it_knows_that_they_are_demanded() {
    let server = Server::start(|asked| match (asked.method.as_str(), asked.header("if-match")) {
        ("GET", _) if asked.target.starts_with("/rows/") => {
            let id = asked.target.trim_start_matches("/rows/");
            says("200 OK\r\netag: \"v\"", &json!({ "id": id }))
        }
        ("GET", _) => says("200 OK", r#"[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"4"},{"id":"5"}]"#),
        (_, None) => says("428 Precondition Required", ""),
        _ => says("204 No Content", ""),
    });
    for at_once in [1, 3] {
        let api = PoolApi::new(pool(&server))
            .paging(Paging::none())
            .envelope(Envelope::bare_array())
            .prefetch(at_once)
            .writes(Writes::rest());
        within(Rows::new("rows", api).with_id_column("id").delete_all()).await.unwrap();
        let mut deletes = server.take();
        deletes.retain(|asked| asked.method == "DELETE");
        let refused = deletes.iter().filter(|asked| asked.header("if-match").is_none()).count();
        assert!((1..=at_once).contains(&refused), "{at_once} at once: {deletes:?}");
        assert_eq!(deletes.len() - refused, 5);
    }
}

/// A server behind something that compresses what it may, and changes the tags of that.
fn compressing(changed: fn(&str) -> String) -> Server {
    Server::start(move |asked| match (asked.method.as_str(), asked.header("if-match")) {
        ("GET", _) => {
            let is_compressed = asked.header("accept-encoding") != Some("identity");
            let tag = if is_compressed { changed("v1") } else { "\"v1\"".to_owned() };
            says(&format!("200 OK\r\netag: {tag}"), r#"{"id":"7","name":"n","parent":"p1"}"#)
        }
        (_, Some("\"v1\"")) => says("204 No Content", ""),
        (_, Some(_)) => says("412 Precondition Failed", ""),
        (_, None) => says("428 Precondition Required", ""),
    })
}

// After reports of nginx's weak tags and of Apache's `-gzip` in conditional writes.
#[tokio::test]
async fn case_45_the_tag_of_a_row_is_that_of_the_row_and_not_of_its_compressed_form() {
    for changed in [|tag: &str| format!("W/\"{tag}\""), |tag: &str| format!("\"{tag}-gzip\"")] {
        let server = compressing(changed);
        for writes in
            [Writes::rest(), Writes::rest().etags(true), Writes::rest().etags_required(true)]
        {
            let table = rows(&server, writes.check_then_write(true));
            let narrowed = table.clone().with_condition(ApiCondition::eq("parent", "p1"));
            for table in [table, narrowed] {
                within(table.patch_value("7", &record(&json!({ "name": "n" })))).await.unwrap();
                within(table.delete("7")).await.unwrap();
            }
        }
    }
}

// After reports of Eve's `_etag` and of OData's `@odata.etag` without an `ETag`.
#[tokio::test]
async fn case_45_a_tag_may_be_in_the_body() {
    for (place, member, sent) in [
        ("_etag", json!({ "_etag": "v1" }), "\"v1\""),
        ("@odata.etag", json!({ "@odata.etag": "W/\"v1\"" }), "W/\"v1\""),
        (r"@odata\.etag", json!({ "@odata.etag": "\"v1\"" }), "\"v1\""),
        ("meta.version", json!({ "meta": { "version": 3 } }), "\"3\""),
    ] {
        let server =
            Server::start(move |asked| match (asked.method.as_str(), asked.header("if-match")) {
                ("GET", _) => {
                    let mut row = json!({ "id": "7", "name": "n" });
                    row.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
                    says("200 OK", &row)
                }
                (_, Some(tag)) if tag == sent => says("204 No Content", ""),
                (_, Some(_)) => says("412 Precondition Failed", ""),
                (_, None) => says("428 Precondition Required", ""),
            });
        let row = record(&json!({ "name": "n" }));
        let table = rows(&server, Writes::rest().etag_at(place));
        within(table.replace_value("7", &row)).await.unwrap();
        let yaml = format!(
            "name: rows\nid_column: id\ncolumns: {{ id: {{}}, name: {{}} }}\n\
             api: {{ writes: {{ style: rest, etags_required: true, etag_at: '{place}' }} }}"
        );
        let vista = PoolApi::new(pool(&server)).vista_factory().from_yaml(&yaml).unwrap();
        server.take();
        within(vista.patch_value("7", &row)).await.unwrap();
        assert_eq!(server.lines(), ["GET /rows/7", "PATCH /rows/7", "GET /rows/7"]);
    }
}

#[tokio::test]
async fn case_45_a_row_without_a_tag_is_written_if_it_was_not_modified() {
    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server =
        Server::start(|asked| match (asked.method.as_str(), asked.header("if-unmodified-since")) {
            ("GET", _) => says(&format!("200 OK\r\nlast-modified: {TIME}"), r#"{"id":"7"}"#),
            (_, Some(TIME)) => says("204 No Content", ""),
            _ => says("428 Precondition Required", ""),
        });
    within(rows(&server, Writes::rest()).delete("7")).await.unwrap();
    within(rows(&server, Writes::rest().etags_required(true)).delete("7")).await.unwrap();
    // It is too coarse to keep a write inside a set.
    let table = rows(&server, Writes::rest().etags_required(true));
    let narrowed = table.with_condition(ApiCondition::eq("id", "7"));
    assert!(within(narrowed.delete("7")).await.unwrap_err().is_unsupported());
}

// After a report of Eve, which answers 412 to a patch that changes nothing.
#[tokio::test]
async fn a_conditional_patch_that_changes_nothing_is_no_conflict() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "GET" => says("200 OK\r\netag: \"v\"", r#"{"id":"7","name":"n"}"#),
        _ => says("412 Precondition Failed", ""),
    });
    let table = rows(&server, Writes::rest().etags_required(true));
    within(table.patch_value("7", &record(&json!({ "name": "n" })))).await.unwrap();
    let error = within(table.patch_value("7", &record(&json!({ "name": "m" })))).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
}

// ---- what answers say of the row

#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Person {
    name: String,
    age: i64,
}

/// An API that answers writes with `head` and `body`, and has one row.
fn answering(head: &'static str, body: &'static str) -> Server {
    let stored = Arc::new(Mutex::new(false));
    Server::start(move |asked| {
        let mut stored = stored.lock().unwrap();
        match asked.method.as_str() {
            "GET" if *stored => says("200 OK", r#"{"id":"7","name":"n","age":8,"_etag":"x"}"#),
            "GET" => says("404 Not Found", "{}"),
            _ => {
                *stored = true;
                says(head, body)
            }
        }
    })
}

#[tokio::test]
async fn case_46_an_answer_that_lacks_what_was_sent_is_not_the_row() {
    for (head, body) in [
        ("200 OK", r#"{"id":"7","_etag":"x","_status":"OK"}"#),
        ("200 OK", r#"{"id":"7","name":"n"}"#),
        ("200 OK", ""),
        ("200 OK", "null"),
        ("200 OK", "[]"),
        ("200 OK", r#"{"ok":true}"#),
        ("200 OK", "done"),
        ("204 No Content", ""),
        ("201 Created\r\nlocation: /rows/7", ""),
        ("201 Created\r\nlocation: /rows/7", r#"{"message":"stored"}"#),
        ("200 OK", r#"[{"id":"7"}]"#),
        ("200 OK", r#"{"row":{"id":"7","_etag":"x"}}"#),
    ] {
        let person = Person { name: "n".into(), age: 8 };
        for write in ["insert", "replace", "patch"] {
            let server = answering(head, body);
            let table = Table::<PoolApi, Person>::new(
                "rows",
                PoolApi::new(pool(&server)).writes(Writes::rest()),
            )
            .with_id_column("id");
            let done = within(async {
                match write {
                    "insert" => table.insert("7", &person).await,
                    "replace" => table.replace("7", &person).await,
                    _ => table.patch("7", &person).await,
                }
            });
            assert_eq!(done.await.unwrap(), person, "{write}: {head} {body}");
            assert_eq!(server.lines().last().unwrap(), "GET /rows/7", "{write}: {head} {body}");
        }
    }
}

#[tokio::test]
async fn case_46_an_answer_that_holds_what_was_sent_is_the_row_in_whatever_wrapper() {
    for body in [
        r#"{"id":"7","name":"n","age":8}"#,
        r#"[{"id":"7","name":"n","age":8}]"#,
        r#"{"data":{"id":"7","name":"n","age":8}}"#,
        r#"{"person":{"id":"7","name":"n","age":8},"links":{"self":"/"},"id":"request-1"}"#,
        r#"{"results":[{"id":"7","name":"n","age":8}]}"#,
    ] {
        let server = answering("200 OK", body);
        let table = rows(&server, Writes::rest());
        let row = record(&json!({ "name": "n", "age": 8 }));
        let stored = within(table.replace_value("7", &row)).await.unwrap();
        assert_eq!((&stored["id"], &stored["age"]), (&"7".into(), &8.into()), "{body}");
        assert_eq!(server.lines(), ["PUT /rows/7"], "{body}");
        assert_eq!(within(table.insert_return_id_value(&row)).await.unwrap(), "7", "{body}");
    }
}

#[tokio::test]
async fn a_patch_that_is_answered_with_what_it_changed_is_read_back_where_columns_are_missing() {
    let server = answering("200 OK", r#"{"id":"7","name":"n"}"#);
    let table = rows(&server, Writes::rest()).with_column_of::<i64>("age");
    let patched = within(table.patch_value("7", &record(&json!({ "name": "n" })))).await.unwrap();
    assert_eq!(patched["age"], 8.into());
    assert_eq!(server.lines(), ["PATCH /rows/7", "GET /rows/7"]);
}

#[tokio::test]
async fn a_write_that_cannot_be_read_back_says_that_it_was_made() {
    for status in ["404 Not Found", "405 Method Not Allowed", "500 Error", "403 Forbidden"] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "GET" => says(status, ""),
            _ => says("204 No Content", ""),
        });
        let pool = AwwPool::builder(server.url()).max_attempts(1).build().unwrap();
        let table = Rows::new("rows", PoolApi::new(pool).writes(Writes::rest()));
        let table = table.with_id_column("id");
        let row = record(&json!({ "name": "n" }));
        for done in [
            within(table.replace_value("7", &row)).await,
            within(table.patch_value("7", &row)).await,
        ] {
            let error = done.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Generic, "{error}");
            assert!(error.to_string().contains("the row was written"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_that_is_accepted_and_not_made_yet_is_not_told_as_made() {
    for (held, is_made) in [("old", false), ("n", true)] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "GET" => says("200 OK", &json!({ "id": "7", "name": held })),
            "DELETE" => says("202 Accepted", ""),
            _ => says("202 Accepted\r\nlocation: /jobs/1", r#"{"id":"job-1","status":"queued"}"#),
        });
        let table = rows(&server, Writes::rest());
        let row = record(&json!({ "name": "n" }));
        for done in [
            within(table.replace_value("7", &row)).await,
            within(table.patch_value("7", &row)).await,
        ] {
            let text = done.as_ref().map_or_else(ToString::to_string, |_| String::new());
            assert_eq!(done.is_ok(), is_made, "{text}");
            assert!(is_made || text.contains("not made it yet"), "{text}");
        }
        within(table.delete("7")).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_that_is_not_handed_out_alone_is_read_back_from_the_list() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "GET" if asked.target.starts_with("/rows/") => says("405 Method Not Allowed", ""),
        "GET" => says("200 OK", r#"[{"id":"6","name":"m"},{"id":"7","name":"n"}]"#),
        _ => says("204 No Content", ""),
    });
    let api = PoolApi::new(pool(&server))
        .paging(Paging::none())
        .envelope(Envelope::bare_array())
        .writes(Writes::rest());
    let table = Rows::new("rows", api.clone()).with_id_column("id");
    let row = record(&json!({ "name": "n" }));
    let written = within(table.replace_value("7", &row)).await.unwrap();
    assert_eq!((&written["id"], &written["name"]), (&"7".into(), &"n".into()));
    // Not where a row is said to be handed out alone.
    let table = Rows::new("rows", api.item_endpoints(true)).with_id_column("id");
    let error = within(table.replace_value("7", &row)).await.unwrap_err();
    assert!(error.to_string().contains("the row was written"), "{error}");
}

#[tokio::test]
async fn a_vista_that_cannot_read_a_new_row_back_says_that_it_was_stored_and_under_which_id() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "GET" => says("403 Forbidden", ""),
        _ => says("201 Created", r#"{"id":"77"}"#),
    });
    let yaml = "name: rows\nid_column: id\ncolumns: { id: {}, name: {} }\n\
                api: { item_endpoint: true, writes: { style: rest } }";
    let vista = PoolApi::new(pool(&server)).vista_factory().from_yaml(yaml).unwrap();
    let row = record(&json!({ "name": "n" }));
    let error = within(vista.insert_return_id_value(&row)).await.unwrap_err().to_string();
    assert!(error.contains("the row was written") && error.contains("77"), "{error}");
}

// ---- ids of inserts

#[tokio::test]
async fn case_04_the_id_of_an_insert_is_read_from_a_location_with_any_octets() {
    let locations: [(&[u8], Option<&str>); 12] = [
        (b"/rows/7?title=caf\xe9", Some("7")),
        (b"/caf\xe9/rows/7", Some("7")),
        (b"/rows/7#\xff", Some("7")),
        ("/rows/é".as_bytes(), Some("é")),
        (b"/rows/caf%C3%A9", Some("café")),
        (b"/rows/a%2Fb%20c", Some("a/b c")),
        (b"http://other.example/api/rows/7/", Some("7")),
        (b"rows/7", Some("7")),
        // What is not an id.
        (b"/rows/caf\xe9", None),
        (b"/rows", None),
        (b"/rows/", None),
        (b"http://other.example/v1/rows?id=7", None),
    ];
    for (location, id) in locations {
        let server = Server::start(move |_| {
            let mut head = b"201 Created\r\nlocation: ".to_vec();
            head.extend(location);
            (head, String::new())
        });
        let table = rows(&server, Writes::rest());
        let made = within(table.insert_return_id_value(&record(&json!({ "name": "n" })))).await;
        let shown = String::from_utf8_lossy(location);
        match id {
            Some(id) => assert_eq!(made.unwrap(), id, "{shown}"),
            None => assert!(made.unwrap_err().to_string().contains("was stored"), "{shown}"),
        }
    }
}

// After reports of PostgREST, which answers an insert with no body and the place of a query.
#[tokio::test]
async fn the_id_of_an_insert_is_read_from_a_query_on_the_table() {
    let server = Server::start(|_| says("201 Created\r\nlocation: /rows?code=eq.a%2Fb", ""));
    let table = ApiTable::new().alias("id", "code").writes(Writes::rest());
    let api = PoolApi::new(pool(&server)).table("rows", table);
    let table = Rows::new("rows", api).with_id_column("id");
    let row = record(&json!({ "name": "n" }));
    assert_eq!(within(table.insert_return_id_value(&row)).await.unwrap(), "a/b");
}

#[tokio::test]
async fn the_location_of_a_job_is_not_the_id_of_a_row() {
    for (body, id) in [
        ("", None),
        (r#"{"id":"job-55"}"#, None),
        (r#"{"job":{"id":"job-55"}}"#, None),
        (r#"{"id":"7","name":"n"}"#, Some("7")),
        (r#"{"job":{"id":"job-55"},"row":{"id":"7","name":"n"}}"#, Some("7")),
    ] {
        let server = Server::start(move |_| says("202 Accepted\r\nlocation: /jobs/55", body));
        let table = rows(&server, Writes::rest());
        let made = within(table.insert_return_id_value(&record(&json!({ "name": "n" })))).await;
        assert_eq!(made.ok().as_deref(), id, "{body}");
    }
}

// ---- JSON:API and other shapes of bodies

/// An API as JSON:API has it: one type, nested attributes, its own media type or 415.
fn json_api() -> Server {
    let stored = Arc::new(Mutex::new(json!({ "title": "t", "words": 3 })));
    Server::start(move |asked| {
        let mut stored = stored.lock().unwrap();
        let document = |id: &str, attributes: &serde_json::Value| {
            json!({
                "jsonapi": { "version": "1.1" },
                "data": { "type": "articles", "id": id, "attributes": attributes },
                "links": { "self": "/articles/1" }
            })
        };
        if asked.method == "GET" && asked.target == "/articles/1" {
            return says("200 OK", &document("1", &stored));
        }
        if asked.method == "GET" {
            let row = document("1", &stored)["data"].clone();
            return says("200 OK", &json!({ "data": [row], "links": {} }));
        }
        if asked.method == "DELETE" {
            return says("204 No Content", "");
        }
        if asked.header("content-type") != Some("application/vnd.api+json") {
            return says("415 Unsupported Media Type", "");
        }
        let data = asked.json()["data"].clone();
        let is_well_formed =
            data["type"] == "articles"
                && data["attributes"].is_object()
                && data["attributes"].get("id").is_none()
                && data.as_object().unwrap().keys().all(|key| {
                    ["type", "id", "attributes", "relationships"].contains(&key.as_str())
                });
        let id = data.get("id").cloned();
        match (asked.method.as_str(), id) {
            _ if !is_well_formed => says("422 Unprocessable", &asked.body),
            ("POST", None) => says("201 Created", &document("9", &data["attributes"])),
            ("PATCH", Some(id)) if id == "1" => {
                for (key, value) in data["attributes"].as_object().unwrap() {
                    stored[key] = value.clone();
                }
                says("200 OK", &document("1", &stored))
            }
            _ => says("409 Conflict", &asked.body),
        }
    })
}

fn json_api_writes() -> Writes {
    Writes::none()
        .insert_by_post()
        .replace_by_patch()
        .patch_by_patch()
        .delete_by_delete()
        .server_ids(true)
        .content_type("application/vnd.api+json")
        .wrapped_in("data")
        .id_at("data.id")
        .member("data.type", "articles")
}

#[tokio::test]
async fn case_47_json_api_is_read_and_written_through_aliases() {
    let server = json_api();
    let table = ApiTable::new()
        .paging(Paging::none())
        .item_endpoint(true)
        .alias("title", "attributes.title")
        .alias("words", "attributes.words")
        .writes(json_api_writes());
    let articles = Rows::new("articles", PoolApi::new(pool(&server)).table("articles", table))
        .with_id_column("id")
        .with_column_of::<String>("title")
        .with_column_of::<i64>("words");
    let listed = within(articles.list_values()).await.unwrap();
    assert_eq!((&listed["1"]["title"], &listed["1"]["words"]), (&"t".into(), &3.into()));
    let one = within(articles.get_value("1")).await.unwrap().unwrap();
    assert_eq!(one, listed["1"]);
    server.take();

    let new = record(&json!({ "title": "new", "words": 1 }));
    assert_eq!(within(articles.insert_return_id_value(&new)).await.unwrap(), "9");
    let sent =
        json!({ "data": { "type": "articles", "attributes": { "title": "new", "words": 1 } } });
    assert_eq!(server.take()[0].json(), sent);

    let patched =
        within(articles.patch_value("1", &record(&json!({ "title": "x" })))).await.unwrap();
    assert_eq!((&patched["title"], &patched["words"]), (&"x".into(), &3.into()));
    let sent = json!({ "data": { "type": "articles", "id": "1", "attributes": { "title": "x" } } });
    assert_eq!(server.take()[0].json(), sent);
    // A row as it was read goes back as it is.
    within(articles.patch_value("1", &patched)).await.unwrap();
    within(articles.delete("1")).await.unwrap();
}

#[tokio::test]
async fn case_47_json_api_is_written_in_yaml() {
    let server = json_api();
    let yaml = "
name: articles
id_column: id
columns:
  id: {}
  title: { path: attributes.title }
  words: { type: int, path: attributes.words }
api:
  paging: { by: none }
  envelope: { items: data }
  item_endpoint: true
  writes:
    insert: post
    replace: patch
    patch: patch
    delete: true
    server_ids: true
    content_type: application/vnd.api+json
    wrapped_in: data
    id_at: data.id
    members: { data.type: articles }
";
    let vista = PoolApi::new(pool(&server)).vista_factory().from_yaml(yaml).unwrap();
    let new = record(&json!({ "title": "new", "words": 1 }));
    assert_eq!(within(vista.insert_return_id_value(&new)).await.unwrap(), "9");
    let patched = within(vista.patch_value("1", &record(&json!({ "words": 4 })))).await.unwrap();
    assert_eq!((&patched["title"], &patched["words"]), (&"t".into(), &4.into()));
    server.take();
    // A replace is of all columns.
    let replaced =
        within(vista.replace_value("1", &record(&json!({ "title": "r" })))).await.unwrap();
    assert_eq!((&replaced["title"], &replaced["words"]), (&"r".into(), &Value::Null));
    let sent = json!({ "title": "r", "words": null });
    let patch = server.take().into_iter().find(|asked| asked.method == "PATCH").unwrap();
    assert_eq!(patch.json()["data"]["attributes"], sent);
    within(vista.delete("1")).await.unwrap();
}

#[tokio::test]
async fn case_47_the_attributes_have_a_place_of_their_own_without_aliases_too() {
    let server = json_api();
    let writes = json_api_writes().wrapped_in("data.attributes");
    let api = PoolApi::new(pool(&server)).writes(writes);
    let articles = Rows::new("articles", api).with_id_column("id");
    let new = record(&json!({ "title": "new" }));
    assert_eq!(within(articles.insert_return_id_value(&new)).await.unwrap(), "9");
    within(articles.patch_value("1", &record(&json!({ "id": "1", "title": "x" })))).await.unwrap();
    let sent = json!({ "data": { "type": "articles", "id": "1", "attributes": { "title": "x" } } });
    let patch = server.take().into_iter().find(|asked| asked.method == "PATCH").unwrap();
    assert_eq!(patch.json(), sent);
}

// After reports of JSON:API servers that answer 400 or 403 to an id that is null or made up.
#[tokio::test]
async fn case_47_no_id_goes_with_an_insert_where_the_api_makes_ids() {
    let server = json_api();
    let api = PoolApi::new(pool(&server));
    let articles =
        Rows::new("articles", api.clone().writes(json_api_writes())).with_id_column("id");
    let flat = Writes::rest().server_ids(true).wrapped_in("data");
    let flat = Rows::new("rows", api.writes(flat)).with_id_column("id");
    for id in [json!(null), json!(""), json!(0), json!("mine")] {
        let row = record(&json!({ "id": id, "attributes": { "title": "t" } }));
        assert_eq!(within(articles.insert_return_id_value(&row)).await.unwrap(), "9");
        assert!(within(flat.insert_return_id_value(&row)).await.is_err());
        for asked in server.take() {
            assert!(asked.json()["data"].get("id").is_none(), "{}", asked.body);
        }
    }
}

/// The content types of an insert, a replace and a patch.
async fn content_types(pool: AwwPool, writes: Writes, server: &Server) -> Vec<String> {
    let table = Rows::new("rows", PoolApi::new(pool).writes(writes)).with_id_column("id");
    let row = record(&json!({ "name": "n" }));
    within(table.insert_return_id_value(&row)).await.unwrap();
    within(table.replace_value("7", &row)).await.unwrap();
    within(table.patch_value("7", &row)).await.unwrap();
    within(table.delete("7")).await.unwrap();
    let asked = server.take();
    let is_plain = |asked: &&Asked| matches!(asked.method.as_str(), "POST" | "PUT" | "PATCH");
    assert!(asked.iter().all(|asked| asked.head.matches("content-type: ").count() <= 1));
    let types = asked.iter().filter(is_plain).map(|asked| asked.header("content-type"));
    types.map(|of| of.unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn case_47_the_content_type_of_writes_is_that_of_the_table_then_that_of_the_pool() {
    let server = answering("200 OK", r#"{"id":"7","name":"n"}"#);
    let default = || pool(&server);
    let own = || {
        let builder = AwwPool::builder(server.url()).default_header("Content-Type", "text/own");
        builder.build().unwrap()
    };
    let set = Writes::rest().content_type("application/vnd.x+json");
    let merge = set.clone().patch_by_merge_patch();
    for (pool, writes, expected) in [
        (default(), Writes::rest(), ["application/json"; 3]),
        (own(), Writes::rest(), ["text/own"; 3]),
        (own(), set.clone(), ["application/vnd.x+json"; 3]),
        (default(), set, ["application/vnd.x+json"; 3]),
        (
            own(),
            merge,
            ["application/vnd.x+json", "application/vnd.x+json", "application/merge-patch+json"],
        ),
    ] {
        assert_eq!(content_types(pool, writes, &server).await, expected);
    }
    let illegal = rows(&server, Writes::rest().content_type("a\nb"));
    let error = within(illegal.insert_return_id_value(&record(&json!({})))).await.unwrap_err();
    assert!(error.is_incorrect_usage(), "{error}");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn case_47_what_is_fixed_in_a_body_is_not_overwritten_and_not_mistyped() {
    let server = answering("200 OK", r#"{"id":"7","name":"n","kind":"k"}"#);
    let row = record(&json!({ "name": "n" }));
    let sent = |server: &Server| server.take()[0].json();
    let table = |writes: Writes| rows(&server, writes);
    let fixed = Writes::rest().member("kind", "k").member("v", 2).id_at("id");
    within(table(fixed.clone()).replace_value("7", &row)).await.unwrap();
    assert_eq!(sent(&server), json!({ "id": "7", "name": "n", "kind": "k", "v": 2 }));
    // The same value, or none, is no contradiction.
    for kind in [json!("k"), json!(null)] {
        let row = record(&json!({ "name": "n", "kind": kind }));
        within(table(fixed.clone()).replace_value("7", &row)).await.unwrap();
        assert_eq!(sent(&server)["kind"], "k");
    }
    let nested = Writes::rest().wrapped_in(r"a\.b.c").member("meta", json!({ "a": { "x": 1 } }));
    let nested = nested.member("meta.a.y", json!([2]));
    within(table(nested).replace_value("7", &row)).await.unwrap();
    let expected = json!({ "a.b": { "c": { "name": "n", "id": "7" } }, "meta": { "a": { "x": 1, "y": [2] } } });
    assert_eq!(sent(&server), expected);
    server.take();

    let other = record(&json!({ "kind": "other" }));
    for (writes, row) in [
        (fixed, &other),
        (Writes::rest().member("name.first", 1), &row),
        (Writes::rest().member("a..b", 1), &row),
        (Writes::rest().wrapped_in(""), &row),
        (Writes::rest().id_at("."), &row),
        (Writes::rest().etag_at("a..b"), &row),
    ] {
        let error = within(table(writes).replace_value("7", row)).await.unwrap_err();
        assert!(error.is_incorrect_usage(), "{error}");
        assert_eq!(server.lines(), [""; 0]);
    }
}

// ---- redirects and slashes

#[tokio::test]
async fn case_49_a_write_that_is_redirected_names_where_to_and_no_query() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308 Moved"] {
        let server = Server::start(move |asked| match asked.method.as_str() {
            "GET" => says("404 Not Found", ""),
            _ => says(&format!("{status}\r\nlocation: {}/?key=canary#canary", asked.target), ""),
        });
        let table = rows(&server, Writes::rest());
        let row = record(&json!({ "name": "n" }));
        for (error, place) in [
            (within(table.replace_value("7", &row)).await.unwrap_err(), "/rows/7/"),
            (within(table.patch_value("7", &row)).await.unwrap_err(), "/rows/7/"),
            (within(table.delete("7")).await.unwrap_err(), "/rows/7/"),
            (within(table.insert_return_id_value(&row)).await.unwrap_err(), "/rows/"),
        ] {
            assert!(error.to_string().contains("redirects"), "{error}");
            assert!(error.to_string().contains(&format!("to {place}")), "{error}");
            assert_eq!(error.context["status"], status[..3]);
            assert!(!all_texts(&error).contains("canary"), "{error}");
            assert!(format!("{:#}", source(&error)).contains(place), "{error}");
        }
    }
}

#[tokio::test]
async fn case_49_a_redirect_is_named_whatever_its_location_is() {
    for (location, shown) in [
        (&b"http://user:canary@other.example/rows/7/"[..], "http://other.example/rows/7/"),
        (b"//other.example/rows/7/?canary", "//other.example/rows/7/"),
        (b"../caf\xe9/", "../caf"),
        (b"?token=canary", "redirects"),
    ] {
        let server = Server::start(move |_| {
            let mut head = b"308 Moved\r\nlocation: ".to_vec();
            head.extend(location);
            (head, String::new())
        });
        let error = within(rows(&server, Writes::rest()).delete("7")).await.unwrap_err();
        assert!(error.to_string().contains(shown), "{shown}: {error}");
        assert!(!all_texts(&error).contains("canary"), "{error}");
    }
    let server = Server::start(|_| says("308 Moved", ""));
    let error = within(rows(&server, Writes::rest()).delete("7")).await.unwrap_err();
    assert!(error.to_string().contains("the server answered 308"), "{error}");
}

#[tokio::test]
async fn case_49_a_write_path_keeps_its_trailing_slash() {
    let server = answering("200 OK", r#"{"id":"7","name":"n"}"#);
    let row = record(&json!({ "name": "n" }));
    for (name, table, base) in [
        ("rows/", ApiTable::new(), "/rows/"),
        ("page", ApiTable::new().path("page/"), "/page/"),
        ("page", ApiTable::new().path("page/").item_endpoint(true), "/page/"),
        ("page", ApiTable::new().path("page/?v=1"), "/page/"),
        ("page", ApiTable::new().path("page"), "/page"),
    ] {
        let api = PoolApi::new(pool(&server)).table(name, table.writes(Writes::rest()));
        let table = Rows::new(name, api).with_id_column("id");
        within(table.replace_value("7", &row)).await.unwrap();
        within(table.patch_value("7", &row)).await.unwrap();
        within(table.delete("7")).await.unwrap();
        within(table.insert_return_id_value(&row)).await.unwrap();
        let slash = if base.ends_with('/') { "/" } else { "" };
        let item = format!("{}/7{slash}", base.trim_end_matches('/'));
        let asked = server.take();
        let paths: Vec<_> =
            asked.iter().map(|asked| asked.target.split('?').next().unwrap()).collect();
        assert_eq!(paths, [item.as_str(), &item, &item, base]);
    }
}

// ---- texts

#[tokio::test]
async fn case_52_an_error_says_its_reason_first_and_nothing_twice() {
    for (status, reason) in [
        ("500 Error", "the server answered 500"),
        ("503 Unavailable", "the server answered 503"),
        ("404 Not Found", "the server refused the request"),
        ("401 Unauthorized", "the server refused the request"),
        ("300 Choices", "the server answered 300"),
    ] {
        let server = Server::start(move |_| says(status, r#"{"error":"why"}"#));
        let pool = AwwPool::builder(server.url()).max_attempts(1).build().unwrap();
        let api = PoolApi::new(pool).writes(Writes::rest());
        let table = Rows::new("rows", api).with_id_column("id");
        let error = within(table.list_values()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(reason), "{text}");
        assert!(text.contains("(table: rows, kind: "), "{text}");
        for once in [reason, "attempts", "attempt", "table", "kind: ", "status: "] {
            assert_eq!(text.matches(once).count(), 1, "{once:?} in {text}");
        }
    }
}

#[tokio::test]
async fn case_52_an_error_of_the_pool_says_its_status_once() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/refused" => says("404 Not Found", "no"),
        _ => says("500 Error", "no"),
    });
    let pool = AwwPool::builder(server.url()).max_attempts(1).build().unwrap();
    let refused = within(pool.get("/refused")).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("status: the server refused the request (status 404)"),
        "{refused}"
    );
    let failed = within(pool.get("/failed")).await.unwrap_err().to_string();
    assert!(failed.starts_with("status: the server answered 500 after 1 attempt in "), "{failed}");
}

#[tokio::test]
async fn case_52_the_reason_of_a_page_that_cannot_be_read_is_in_the_one_line_of_the_error() {
    let server = Server::start(|_| says("200 OK", r#"{"data":[7]}"#));
    let table = rows(&server, Writes::none());
    let text = within(table.list_values()).await.unwrap_err().to_string();
    assert_eq!(text.matches("expected a row").count(), 1, "{text}");
    assert_eq!(text.matches("decode").count(), 1, "{text}");
}

#[tokio::test]
async fn case_34_what_the_server_echoes_is_in_no_text_of_an_error_and_can_be_asked_for() {
    for status in
        ["400 Bad", "403 Forbidden", "404 Not Found", "409 Conflict", "500 Error", "200 OK"]
    {
        let server = Server::start(move |_| says(status, r#"{"error":"canary is not a token"}"#));
        let pool = AwwPool::builder(server.url()).max_attempts(1).build().unwrap();
        let api = PoolApi::new(pool).writes(Writes::rest()).item_endpoints(true);
        let table = Rows::new("rows", api).with_id_column("id");
        let row = record(&json!({ "name": "n" }));
        let mut errors = vec![
            within(table.list_values()).await.unwrap_err(),
            within(table.stream_values().next()).await.unwrap().unwrap_err(),
            within(table.get_count()).await.unwrap_err(),
            within(table.insert_return_id_value(&row)).await.unwrap_err(),
        ];
        errors.extend(within(table.get_value("7")).await.err());
        errors.extend(within(table.replace_value("7", &row)).await.err());
        errors.extend(within(table.patch_value("7", &row)).await.err());
        for error in errors {
            assert!(!all_texts(&error).contains("canary"), "{status}: {error:?}");
            assert!(error.context.values().all(|value| !value.contains("canary")));
            let source = error.source().and_then(|source| source.downcast_ref::<Error>());
            if let Some(body) = source.and_then(Error::body_start) {
                assert!(body.contains("canary"), "{status}: {body}");
            }
        }
    }
}

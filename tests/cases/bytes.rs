//! Bytes that are unusual and still mean something, and bytes that mean nothing.

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{
    AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging, PoolApi, PoolBuilder, Request,
    Response,
    paging::{PageRequest, PageStrategy, PageView, ReadMode},
};

use vantage_dataset::prelude::ReadableValueSet;

use crate::support::{
    authority::authority,
    proxy,
    raw_server::{Peer, RawServer},
    soon,
};

/// Longer than a handshake takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer with these header lines and this body.
fn answer(status: &str, head: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n\r\n", body.len());
    [b"HTTP/1.1 ", status.as_bytes(), b"\r\n", head, length.as_bytes(), body].concat()
}

/// A server that gives each target its answer, and all others a 404.
fn routes(answers: &[(&str, Vec<u8>)]) -> RawServer {
    let answers: HashMap<String, Vec<u8>> =
        answers.iter().map(|(target, answer)| ((*target).to_owned(), answer.clone())).collect();
    RawServer::start(move |mut peer: Peer| {
        let answers = answers.clone();
        async move {
            while let Some(head) = peer.head().await {
                let answer = answers.get(head.split(' ').nth(1).unwrap()).cloned();
                let answer = answer.unwrap_or_else(|| self::answer("404 Not Found", b"", b""));
                peer.write(&answer).await;
            }
        }
    })
}

fn targets(server: &RawServer) -> Vec<String> {
    let heads = server.seen().heads;
    heads.iter().map(|(_, head)| head.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// All of a read, or the error that it ends with.
async fn items(stream: PaginatedStream) -> Result<Vec<Value>, Error> {
    soon("the end of the read", stream.try_collect()).await
}

fn builder(server: &RawServer) -> PoolBuilder {
    AwwPool::builder(server.url()).workers(1).max_attempts(1)
}

async fn get(server: &RawServer, target: &str) -> Result<Response, Error> {
    soon("the call", builder(server).build().unwrap().get(target)).await
}

#[tokio::test]
async fn case_09_an_answer_tells_the_url_that_gave_it() {
    let server = routes(&[
        ("/v1/rows?a=1", answer("301 Moved", b"location: /v1/x/../y\r\n", b"")),
        ("/v1/y", answer("307 Moved", b"location: tenants/7/rows/?q=%20#part\r\n", b"")),
        ("/v1/tenants/7/rows/?q=%20", answer("200 OK", b"", b"[]")),
        ("/v1/plain", answer("200 OK", b"", b"[]")),
    ]);
    for (target, url) in [("/v1/rows?a=1", "/v1/tenants/7/rows/?q=%20"), ("v1/plain", "/v1/plain")]
    {
        let response = get(&server, target).await.unwrap();
        assert_eq!(response.url().unwrap().to_string(), format!("{}{url}", server.url()));
    }
    let error = get(&server, "/v1/none").await.unwrap_err();
    assert_eq!(error.response().unwrap().url().unwrap().path(), "/v1/none");
}

#[tokio::test]
async fn case_09_the_url_of_an_answer_holds_no_token_that_was_put_into_the_query() {
    let server = routes(&[
        ("/old?key=canary", answer("302 Found", b"location: /new?page=2\r\n", b"")),
        ("/new?page=2&key=canary", answer("200 OK", b"", b"[]")),
    ]);
    let acquire = || std::future::ready(Ok::<_, Error>("canary"));
    let apply = |request: Request, token: &str| request.query(&[("key", token)]).unwrap();
    let pool = builder(&server).with_auth_callback(1, acquire, apply).build().unwrap();
    let response = soon("the call", pool.get("/old")).await.unwrap();
    assert_eq!(response.url().unwrap().path_and_query().unwrap(), "/new?page=2");
    assert!(!format!("{response:?}").contains("canary"));
}

#[tokio::test]
async fn case_04_a_location_is_followed_whatever_its_octets() {
    let server = routes(&[
        ("/utf8", answer("302 Found", "location: /caf\u{e9}\r\n".as_bytes(), b"")),
        ("/latin1", answer("302 Found", b"location: /caf\xe9\r\n", b"")),
        ("/caf%C3%A9", answer("200 OK", b"", b"[1]")),
        ("/caf%E9", answer("200 OK", b"", b"[2]")),
    ]);
    for (target, body) in [("/utf8", "[1]"), ("/latin1", "[2]")] {
        assert_eq!(get(&server, target).await.unwrap().text().unwrap(), body, "{target}");
    }
}

/// A page of the API below with a link to the next one.
fn linked(items: &str, next: &str) -> Vec<u8> {
    answer("200 OK", b"", format!(r#"{{"data":{items},"next":{next}}}"#).as_bytes())
}

#[tokio::test]
async fn case_10_a_token_in_the_query_is_set_once_though_each_next_url_echoes_it() {
    let server = routes(&[
        ("/rows?key=t", linked("[1]", r#""/rows?page=2&key=t""#)),
        ("/rows?page=2&key=t", linked("[2]", r#""/rows?k%65y=old&page=3""#)),
        ("/rows?page=3&key=t", linked("[3]", "null")),
    ]);
    let acquire = || std::future::ready(Ok::<_, Error>("t"));
    let apply = |request: Request, token: &str| {
        assert!(request.target().contains("/rows"), "apply sees the target");
        request.query(&[("key", token)])
    };
    let pool = builder(&server).with_auth_callback(1, acquire, apply).build().unwrap();
    let stream = PaginatedStream::get(pool, "/rows").paging(Paging::next_url("next"));
    assert_eq!(items(stream).await.unwrap(), [json!(1), json!(2), json!(3)]);
}

#[tokio::test]
async fn case_10_an_endpoint_that_names_a_page_is_read_page_by_page() {
    let page = |items: &str, next: bool| {
        let body = format!(r#"{{"data":{items},"pagination":{{"has_next":{next}}}}}"#);
        answer("200 OK", b"", body.as_bytes())
    };
    let server = routes(&[
        ("/rows?x=1&page=1", page("[1,2]", true)),
        ("/rows?x=1&page=2", page("[3]", false)),
        ("/rows?x=1&offset=0&limit=2", page("[1,2]", true)),
        ("/rows?x=1&offset=2&limit=2", page("[3]", false)),
    ]);
    let pool = builder(&server).build().unwrap();
    for (endpoint, paging) in [
        ("/rows?page=1&x=1", Paging::page_number()),
        ("/rows?limit=100&offset=7&x=1", Paging::offset_limit("offset", "limit", 2)),
    ] {
        let stream = PaginatedStream::get(pool.clone(), endpoint).paging(paging);
        assert_eq!(items(stream).await.unwrap(), [json!(1), json!(2), json!(3)], "{endpoint}");
    }
}

#[tokio::test]
async fn case_10_a_field_may_be_added_and_repeated() {
    let server = routes(&[
        ("/rows?ids=1&ids=2&ids=3", answer("200 OK", b"", b"[]")),
        ("/rows?a=1&ids=4", answer("200 OK", b"", b"[]")),
    ]);
    let pool = builder(&server).build().unwrap();
    let request = Request::get("/rows").query(&[("ids", 1), ("ids", 2)]).unwrap();
    let added = request.clone().add_query(&[("ids", 3)]).unwrap();
    soon("the call", pool.request(added)).await.unwrap();
    let set = request.query(&[("a", 1), ("ids", 4)]).unwrap();
    soon("the call", pool.request(set)).await.unwrap();
}

/// A server that answers every request so, on a connection that it keeps open.
fn always(status: &str, head: &[u8], body: &[u8]) -> RawServer {
    RawServer::answering(answer(status, head, body))
}

fn stream(server: &RawServer, envelope: Envelope) -> PaginatedStream {
    let pool = builder(server).build().unwrap();
    PaginatedStream::get(pool, "/rows").paging(Paging::none()).envelope(envelope)
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Everything that an error says of itself and of what led to it.
fn told(error: &Error) -> String {
    let mut told = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        told += &format!(" {error:?} {error}");
        source = error.source();
    }
    told
}

#[tokio::test]
async fn case_21_a_byte_order_mark_before_json_is_ignored() {
    for (body, envelope) in [
        ("\u{feff}[1,2]", Envelope::default()),
        ("\u{feff}{\"data\":[1,2]}", Envelope::default()),
        ("\u{feff} [1,2]", Envelope::bare_array()),
        ("\u{feff}1\n2\n", Envelope::ndjson()),
        ("\u{feff}1\n\u{feff}2", Envelope::ndjson()),
    ] {
        let server = always("200 OK", b"", body.as_bytes());
        let read = items(stream(&server, envelope.clone())).await.unwrap();
        assert_eq!(read, [json!(1), json!(2)], "{body:?}");
        let typed = stream(&server, envelope).items_as::<u8>();
        let typed: Vec<u8> = soon("the items", typed.try_collect()).await.unwrap();
        assert_eq!(typed, [1, 2], "{body:?}");
    }
    let server = always("200 OK", b"", "\u{feff}[1,2]".as_bytes());
    let response = get(&server, "/rows").await.unwrap();
    assert_eq!(response.json::<Vec<u8>>().unwrap(), [1, 2]);
    assert_eq!(response.text().unwrap(), "\u{feff}[1,2]", "the text is as it came");
}

#[tokio::test]
async fn case_21_a_byte_order_mark_is_nothing_where_there_is_nothing_else_and_data_in_a_text() {
    let server = always("200 OK", b"", "\u{feff}".as_bytes());
    for envelope in [Envelope::ndjson(), Envelope::default().no_content_is_empty(true)] {
        assert!(items(stream(&server, envelope)).await.unwrap().is_empty());
    }
    assert!(items(stream(&server, Envelope::default())).await.is_err());
    let server = always("200 OK", b"", "\u{feff}[\"\u{feff}a\"]".as_bytes());
    let read = items(stream(&server, Envelope::default())).await.unwrap();
    assert_eq!(read, [json!("\u{feff}a")]);
    // One that is of another encoding, or stands elsewhere, is no such mark.
    for body in [b"\xff\xfe[\0]\0".as_slice(), "[\u{feff}1]".as_bytes()] {
        let server = always("200 OK", b"", body);
        assert!(items(stream(&server, Envelope::default())).await.is_err(), "{body:?}");
        assert!(get(&server, "/").await.unwrap().json::<Value>().is_err(), "{body:?}");
    }
}

#[tokio::test]
async fn case_22_gzip_data_may_be_followed_by_zeros_or_the_end_of_a_line() {
    for padding in [&b"\0\0\0\0\0\0\0\0"[..], b"\r\n", b"\n", &[0; 4096]] {
        let body = [gzip(b"{\"data\":[1,"), gzip(b"2]}"), padding.to_vec()].concat();
        let server = always("200 OK", b"content-encoding: gzip\r\n", &body);
        assert_eq!(items(stream(&server, Envelope::default())).await.unwrap().len(), 2);
    }
    let whole = gzip(b"[1,2]");
    for (body, kind) in [
        (whole[..whole.len() - 1].to_vec(), ErrorKind::Truncated),
        ([&whole[..], b"\r\n", &whole].concat(), ErrorKind::Framing),
        ([&whole[..], b"[3]"].concat(), ErrorKind::Framing),
    ] {
        let server = always("200 OK", b"content-encoding: gzip\r\n", &body);
        assert_eq!(get(&server, "/").await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn case_23_folded_fields_are_unfolded() {
    for (head, name, value) in [
        ("x: a\r\n  b\r\n", "x", "a    b"),
        ("x: a\r\n\tb\r\n c\r\n", "x", "a  \tb   c"),
        ("x: a\n b\n", "x", "a  b"),
        ("x:\r\n a\r\n", "x", "a"),
        ("x: a\r\n \r\ny: b\r\n", "y", "b"),
        ("link: </rows?page=2>;\r\n rel=\"next\"\r\n", "link", "</rows?page=2>;   rel=\"next\""),
    ] {
        let server = always("200 OK", head.as_bytes(), b"[1]");
        let response = get(&server, "/").await.unwrap();
        assert_eq!(response.headers()[name], value, "{head:?}");
        assert_eq!(response.text().unwrap(), "[1]");
    }
    // In pieces, in an interim answer, and where the field is one of the framing.
    let server = RawServer::answering_once(&[
        b"HTTP/1.1 103 Hints\r\nlink: <a>;\r\n rel=x\r\n\r\nHTTP/1.1 200 OK\r\nx: a\r\n",
        b" b\r\ntransfer-encoding:\r\n",
        b" chunked\r\n\r\n2\r\n[]\r\n0\r\nx: a\r\n b\r\n\r\n",
    ]);
    let response = get(&server, "/").await.unwrap();
    assert_eq!(
        (&response.headers()["x"], response.text().unwrap()),
        (&"a   b".parse().unwrap(), "[]")
    );
}

#[tokio::test]
async fn case_23_a_fold_before_the_first_field_is_malformed() {
    let server =
        RawServer::answering(&b"HTTP/1.1 200 OK\r\n x: a\r\ncontent-length: 0\r\n\r\n"[..]);
    assert_eq!(get(&server, "/").await.unwrap_err().kind(), ErrorKind::Framing);
}

#[tokio::test]
async fn case_23_the_answer_of_a_proxy_is_read_as_any_other() {
    let api = always("200 OK", b"", b"[]");
    for answer in
        ["HTTP/1.1 200 Open\r\nvia: a\r\n b\r\n\r\n", "HTTP/1.2 200 Open\r\nvia : a\u{1}\r\n\r\n"]
    {
        let proxy = proxy::saying(answer, api.address());
        let pool = AwwPool::builder("http://api.example").proxy(proxy.url()).build().unwrap();
        assert_eq!(soon("the call", pool.get("/")).await.unwrap().text().unwrap(), "[]");
    }
}

#[tokio::test]
async fn case_24_one_length_may_be_told_twice_and_two_may_not() {
    let fetch = async |fields: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}x: y\r\n\r\n[1,2]");
        let server = RawServer::answering(answer);
        let pool = builder(&server).build().unwrap();
        let response = soon("the call", pool.get("/")).await?;
        soon("the next call", pool.get("/")).await?;
        assert_eq!(server.seen().connections, 1, "the connection serves on: {fields:?}");
        Ok::<_, Error>(response)
    };
    for fields in [
        "content-length: 5\r\nContent-Length: 5\r\n",
        "content-length: 5, 5\r\n",
        "content-length: 5,5,  5\r\na: b\r\ncontent-length:5\r\n",
        "content-length: 5\ncontent-length: 5\n",
        "content-length:\r\n 5\r\ncontent-length: 5\r\n",
    ] {
        let response = fetch(fields).await.unwrap();
        assert_eq!(
            (response.text().unwrap(), &response.headers()["x"]),
            ("[1,2]", &"y".parse().unwrap())
        );
        assert_eq!(response.headers().get_all("content-length").iter().count(), 1);
    }
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: 5, \r\n",
        "content-length: 5\r\ncontent-length: x\r\n",
        "content-length: 5\r\n 5\r\n",
        "content-length: 5\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
    ] {
        assert_eq!(fetch(fields).await.unwrap_err().kind(), ErrorKind::Framing, "{fields}");
    }
}

#[tokio::test]
async fn case_26_a_lone_surrogate_names_its_item_or_is_replaced_by_setting() {
    let body = br#"{"data":[{"n":"a"},{"n":"\ud83d"},{"n":"\ud83d\ude00"},{"n":"\\ud83d"}]}"#;
    let server = always("200 OK", b"", body);
    let error = items(stream(&server, Envelope::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(told(&error).contains("item 1 of the list"), "{}", told(&error));
    let names = ["a", "\u{fffd}", "\u{1f600}", "\\ud83d"].map(|name| json!({ "n": name }));
    let lossy = Envelope::default().lossy_text(true);
    assert_eq!(items(stream(&server, lossy)).await.unwrap(), names);

    let lines = "{\"n\":\"a\"}\n{\"n\":\"\\udc00\"}\n{\"n\":\"\u{fe}\"}\n";
    let server = always("200 OK", b"", lines.as_bytes());
    let error = items(stream(&server, Envelope::ndjson())).await.unwrap_err();
    assert!(told(&error).contains("line 2"), "{}", told(&error));
    let read = items(stream(&server, Envelope::ndjson().lossy_text(true))).await.unwrap();
    assert_eq!(read, ["a", "\u{fffd}", "\u{fe}"].map(|name| json!({ "n": name })));
}

#[tokio::test]
async fn case_26_bytes_that_are_no_text_are_replaced_by_the_same_setting() {
    let server = always("200 OK", b"", b"[\"caf\xe9\",\"ok\"]");
    let error = items(stream(&server, Envelope::default())).await.unwrap_err();
    assert!(told(&error).contains("not UTF-8 after byte 5"), "{}", told(&error));
    let read = items(stream(&server, Envelope::default().lossy_text(true))).await.unwrap();
    assert_eq!(read, [json!("caf\u{fffd}"), json!("ok")]);
}

#[tokio::test]
async fn case_26_a_table_reads_text_that_is_none_by_the_setting_in_its_yaml() {
    let body = br#"[{"id":1,"name":"\ud800x"}]"#;
    let server = always("200 OK", b"", body);
    let yaml = |lossy: bool| {
        format!(
            "name: rows\ncolumns: {{ id: {{ type: int, flags: [id] }}, name: {{ type: string }} }}\n\
             api: {{ envelope: {{ items: ., lossy_text: {lossy} }}, paging: {{ by: none }} }}\n"
        )
    };
    let read = async |lossy: bool| {
        let api = PoolApi::new(builder(&server).build().unwrap());
        let vista = api.vista_factory().with_yaml(&yaml(lossy)).unwrap().build("rows").unwrap();
        soon("the rows", vista.list_values()).await
    };
    assert!(read(false).await.is_err());
    let rows = read(true).await.unwrap();
    let name = rows.values().next().unwrap()["name"].clone();
    assert_eq!(name, ciborium::Value::from("\u{fffd}x"));
}

#[tokio::test]
async fn case_28_a_host_of_two_families_is_reached_by_the_one_that_listens() {
    // The name resolves to ::1 and 127.0.0.1, one of which is refused.
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
        let server = RawServer::on(listener, |mut peer| async move {
            while peer.request().await.is_some() {
                peer.write(&answer("200 OK", b"", b"[]")).await;
            }
        });
        let port = server.address().port();
        let names = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap();
        if !names.into_iter().any(|name| name == server.address()) {
            continue;
        }
        let pool = AwwPool::builder(format!("http://localhost:{port}")).build().unwrap();
        soon("the call", pool.get("/")).await.unwrap();
    }
}

#[tokio::test]
async fn case_31_a_certificate_that_is_not_valid_is_asked_for_once() {
    let (pem, valid) = authority("localhost");
    let (other, misnamed) = authority("other.example");
    for (roots, config) in [(vec![], valid), (vec![pem, other], misnamed)] {
        let server = RawServer::start_tls(config, |_| async {});
        let base = format!("https://localhost:{}", server.address().port());
        let pool = AwwPool::builder(base).workers(1).max_attempts(5).connect_timeout(PATIENCE);
        let pool = roots.into_iter().fold(pool, PoolBuilder::root_certificate).build().unwrap();
        let error = soon("the call", pool.get("/")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1));
        assert!(!error.is_retryable());
        assert_eq!(server.seen().connections, 1);
    }
}

#[tokio::test]
async fn case_31_another_failure_of_the_handshake_may_pass() {
    let server = RawServer::start(|mut peer| async move {
        peer.more().await;
    });
    let base = format!("https://localhost:{}", server.address().port());
    let pool = AwwPool::builder(base).workers(1).max_attempts(2).connect_timeout(PATIENCE);
    let pool = pool.backoff_base(Duration::from_millis(1)).build().unwrap();
    let error = soon("the call", pool.get("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 2));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn case_34_an_error_shows_no_body_and_its_start_no_secret() {
    let body = br#"{"error":"token canary-token of canary-basic is bad","note":"canary-data"}"#;
    for status in ["400 Bad Request", "401 Unauthorized", "500 Error", "200 OK", "302 Found"] {
        let server = always(status, b"", body);
        let acquire = || std::future::ready(Ok::<_, Error>("canary-token"));
        let apply = |request: Request, token: &str| request.query(&[("key", token)]);
        let pool = builder(&server)
            .default_header("authorization", "Basic canary-basic")
            .with_auth_callback(1, acquire, apply)
            .build()
            .unwrap();
        let error = items(PaginatedStream::get(pool, "/rows")).await.unwrap_err();
        assert!(!told(&error).contains("canary"), "{}", told(&error));
        let start = error.body_start().unwrap();
        assert!(start.contains("canary-data"), "{status}: {start}");
        assert!(!start.contains("canary-token"), "{status}: {start}");
        assert!(status == "200 OK" || !start.contains("canary-basic"), "{status}: {start}");
    }
}

#[tokio::test]
async fn case_49_the_error_of_a_write_names_where_it_was_redirected_to() {
    for (status, location, named) in [
        ("301 Moved", "/items/7/?key=canary#x", "/items/7/"),
        (
            "308 Moved",
            "https://me:canary@other.example:8/items/7/?a",
            "https://other.example:8/items/7/",
        ),
        ("307 Moved", "7/", "to 7/"),
        ("302 Found", "/caf\u{e9}", "/caf\u{e9}"),
    ] {
        let server = always(status, format!("location: {location}\r\n").as_bytes(), b"");
        let pool = builder(&server).max_attempts(3).build().unwrap();
        for request in
            [Request::patch("/items/7"), Request::delete("/items/7"), Request::post("/items")]
        {
            let error = soon("the call", pool.request(request)).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 1));
            assert!(error.to_string().contains(named), "{error}");
            assert!(!told(&error).contains("canary"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn case_49_the_error_of_a_read_names_where_it_was_not_followed_to() {
    for (location, named) in [
        ("http://me:canary@other.example/items?key=canary", "to http://other.example/items"),
        ("//other.example:8/x?canary", "to //other.example:8/x"),
        ("http://[bad/?canary", "to http://[bad/"),
    ] {
        let head = format!("location: {location}\r\n");
        let error = get(&always("302 Found", head.as_bytes(), b""), "/").await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::ForeignOrigin | ErrorKind::InvalidRequest),
            "{error}"
        );
        assert!(error.to_string().contains(named), "{error}");
        assert!(!told(&error).contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn case_49_pages_go_where_the_first_was_moved_to_for_good() {
    let page = |items: &str, next: bool| {
        let body = format!(r#"{{"data":{items},"pagination":{{"has_next":{next}}}}}"#);
        answer("200 OK", b"", body.as_bytes())
    };
    for (status, remembers) in
        [("301 Moved", true), ("308 Moved", true), ("302 Found", false), ("307 Moved", false)]
    {
        let moved = |to: &str| answer(status, format!("location: {to}\r\n").as_bytes(), b"");
        let server = routes(&[
            ("/rows?a=1&page=1", moved("/v2/rows/?a=1&page=1")),
            ("/rows?a=1&page=2", moved("/v2/rows/?a=1&page=2")),
            ("/rows?a=1&page=3", moved("/v2/rows/?a=1&page=3")),
            ("/v2/rows/?a=1&page=1", page("[1,2]", true)),
            ("/v2/rows/?a=1&page=2", page("[3,4]", true)),
            ("/v2/rows/?a=1&page=3", page("[5]", false)),
        ]);
        let pool = builder(&server).build().unwrap();
        let stream = PaginatedStream::get(pool, "/rows?a=1").mode(ReadMode::Sequential);
        assert_eq!(items(stream).await.unwrap().len(), 5, "{status}");
        let old = targets(&server).iter().filter(|target| target.starts_with("/rows")).count();
        assert_eq!(old, if remembers { 1 } else { 3 }, "{status}");
    }
}

/// Notes on which threads it is asked for the first page. There are three.
struct Noting(Arc<Mutex<Vec<String>>>);

impl PageStrategy for Noting {
    fn first(&self) -> PageRequest {
        self.0.lock().unwrap().push(thread::current().name().unwrap_or_default().to_owned());
        PageRequest::new().param("page", "1")
    }

    fn next(
        &self,
        page: &PageView<'_>,
    ) -> Result<Option<PageRequest>, Box<dyn std::error::Error + Send + Sync>> {
        let next = PageRequest::new().param("page", (page.index() + 2).to_string());
        Ok((page.index() < 2).then_some(next))
    }
}

/// A worker that asked it could be blocked by it.
#[tokio::test]
async fn case_49_a_strategy_whose_first_page_was_moved_is_asked_on_threads_of_its_own() {
    let page = |items: &str| answer("200 OK", b"", format!(r#"{{"data":{items}}}"#).as_bytes());
    let server = routes(&[
        ("/rows?page=1", answer("308 Moved", b"location: /v2/rows?page=1\r\n", b"")),
        ("/v2/rows?page=1", page("[1,2]")),
        ("/v2/rows?page=2", page("[3,4]")),
        ("/v2/rows?page=3", page("[5]")),
    ]);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let paging = Paging::custom(Noting(Arc::clone(&asked)));
    let stream = PaginatedStream::get(builder(&server).build().unwrap(), "/rows").paging(paging);
    assert_eq!(items(stream).await.unwrap().len(), 5);
    let asked = asked.lock().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|name| name == "vantage-api-pool"), "{asked:?}");
}

#[tokio::test]
async fn case_61_what_follows_the_last_chunk_is_trailers_or_an_error() {
    let chunked = |end: &str| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"id\":1}\n\r\n";
        format!("{head}{end}")
    };
    for end in ["0\r\n\r\n", "0\r\nx: y\r\n\r\n", "0;a=b\r\nx-sum: 1\r\ny:\r\n\tz\r\n\r\n"] {
        let server = RawServer::answering(chunked(end));
        assert_eq!(items(stream(&server, Envelope::ndjson())).await.unwrap().len(), 1, "{end:?}");
    }
    for end in [
        "0\r\n9\r\n{\"id\":2}\n\r\n0\r\n\r\n",
        "0\r\n{\"id\":2}\r\n\r\n",
        "0\r\n{\"id\": 2}\r\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "0\r\nx y: z\r\n\r\n",
        "0\r\n: z\r\n\r\n",
        "0\r\nx: \u{1}\r\n\r\n",
        "0\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let server = RawServer::answering(chunked(end));
        let pool = builder(&server).build().unwrap();
        let read = || {
            PaginatedStream::get(pool.clone(), "/")
                .paging(Paging::none())
                .envelope(Envelope::ndjson())
        };
        for calls in 1..3 {
            assert_eq!(items(read()).await.unwrap_err().kind(), ErrorKind::Framing, "{end:?}");
            assert_eq!(server.seen().connections, calls, "the connection is not used again");
        }
    }
}

#[tokio::test]
async fn case_62_a_part_that_was_not_asked_for_is_an_error() {
    for head in [
        "content-range: bytes 0-4/10\r\n",
        "Content-Range: BYTES 0-4/*\r\n",
        "content-type: multipart/byteranges; boundary=x\r\n",
        "",
    ] {
        let server = always("206 Partial Content", head.as_bytes(), b"[1,2]");
        let error = items(stream(&server, Envelope::default())).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Framing, 1), "{head}");
        assert_eq!(error.status().unwrap(), 206);
        // Whoever asks for a part gets it.
        let asked = Request::get("/").header("range", "bytes=0-4").unwrap();
        let pool = builder(&server).build().unwrap();
        assert_eq!(soon("the call", pool.request(asked)).await.unwrap().status(), 206);
        let pool = builder(&server).default_header("range", "bytes=0-4").build().unwrap();
        assert_eq!(soon("the call", pool.get("/")).await.unwrap().status(), 206);
    }
}

#[tokio::test]
async fn case_62_a_range_of_rows_is_a_page() {
    for range in ["items 0-1/2", "0-1/2", "rows 0-1/*"] {
        let head = format!("content-range: {range}\r\n");
        let server = always("206 Partial Content", head.as_bytes(), b"[1,2]");
        assert_eq!(items(stream(&server, Envelope::default())).await.unwrap().len(), 2, "{range}");
    }
}

#[tokio::test]
async fn case_63_lines_that_go_on_behind_their_declared_end_are_an_error() {
    let lines = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
    let head = "HTTP/1.1 200 OK\r\n";
    for length in [0, 9, 17, 18, 20, 24] {
        let (part, rest) = lines.split_at(length);
        for answer in [
            format!("{head}content-length: {length}\r\n\r\n{lines}"),
            format!(
                "{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{part}\r\n0\r\n\r\n{rest}"
            ),
        ] {
            let server = RawServer::answering(answer.clone());
            let pool = builder(&server).build().unwrap();
            for calls in 1..3 {
                let stream = PaginatedStream::get(pool.clone(), "/").paging(Paging::none());
                let error = items(stream.envelope(Envelope::ndjson())).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Decode, "{answer}");
                assert_eq!(server.seen().connections, calls, "the connection is not used again");
            }
        }
    }
}

#[tokio::test]
async fn case_63_a_document_shows_whether_it_was_cut() {
    // What is missing of a document is told, whatever comes behind it; a line end is not missed.
    for (body, length, is_whole) in [
        ("{\"data\":[1,2,3]}", 12, false),
        ("{\"data\":[1,2,3]}", 15, false),
        ("{\"data\":[1,2,3]}\r\n", 16, true),
        ("[1,2,3][4]", 7, true),
    ] {
        let server = RawServer::answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        let read = items(stream(&server, Envelope::default())).await;
        assert_eq!(read.is_ok(), is_whole, "{body} {length}");
    }
    for end in ["\n\n", "\r\n\0", "\n"] {
        let ndjson = format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n1\n2{end}");
        let read = items(stream(&RawServer::answering(ndjson), Envelope::ndjson())).await;
        assert_eq!(read.unwrap().len(), 2, "{end:?} is not a line");
    }
    // A number does not show it.
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n12345");
    assert_eq!(
        get(&server, "/").await.unwrap().json::<u32>().unwrap_err().kind(),
        ErrorKind::Decode
    );
    let server = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345\r\n");
    assert_eq!(get(&server, "/").await.unwrap().json::<u32>().unwrap(), 12345);
}

#[tokio::test]
async fn case_75_bytes_that_are_no_utf_8_are_refused_wherever_they_stand() {
    #[derive(Debug, serde::Deserialize)]
    struct Row {
        id: u8,
    }
    let server = always("200 OK", b"", b"[{\"id\":1,\"note\":\"caf\xe9\"}]");
    let typed = stream(&server, Envelope::default()).items_as::<Row>();
    let of_pages = soon("the rows", typed.try_collect::<Vec<_>>()).await.unwrap_err();
    let response = get(&server, "/").await.unwrap();
    let of_calls = response.json::<Vec<Row>>().unwrap_err();
    for error in [of_pages, of_calls] {
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(told(&error).contains("not UTF-8 after byte 20"), "{}", told(&error));
    }
    let server = always("200 OK", b"", "[{\"id\":1,\"note\":\"caf\u{e9}\"}]".as_bytes());
    assert_eq!(get(&server, "/").await.unwrap().json::<Vec<Row>>().unwrap()[0].id, 1);
}

#[tokio::test]
async fn case_76_a_later_minor_version_is_read_as_the_one_that_is_known() {
    for version in ["HTTP/1.2", "HTTP/1.9", "\r\nHTTP/1.3"] {
        let server =
            RawServer::answering(format!("{version} 200 OK\r\ncontent-length: 2\r\n\r\n[]"));
        let pool = builder(&server).build().unwrap();
        for _ in 0..2 {
            assert_eq!(soon("the call", pool.get("/")).await.unwrap().text().unwrap(), "[]");
        }
        assert_eq!(server.seen().connections, 1, "it persists as HTTP/1.1 does");
    }
    for version in ["HTTP/2.0", "HTTP/1.10", "HTTP/1", "HTTP/0.9", "HTTP/1.a"] {
        let server =
            RawServer::answering(format!("{version} 200 OK\r\ncontent-length: 2\r\n\r\n[]"));
        assert_eq!(get(&server, "/").await.unwrap_err().kind(), ErrorKind::Framing, "{version}");
    }
}

#[tokio::test]
async fn case_76_trailers_that_end_in_line_feeds_alone_are_malformed_at_once() {
    for end in ["0\r\n\n", "0\r\nx: y\n\n", "0\r\nx: y\r\n\n", "0\n\n"] {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n";
        let server = RawServer::answering(format!("{head}{end}"));
        assert_eq!(get(&server, "/").await.unwrap_err().kind(), ErrorKind::Framing, "{end:?}");
    }
}

#[tokio::test]
async fn case_76_a_redirect_loop_says_so() {
    let moved = |to: &str| answer("302 Found", format!("location: {to}\r\n").as_bytes(), b"");
    let server = routes(&[
        ("/self", moved("/self?")),
        ("/self?", moved("/self?")),
        ("/a", moved("/b?key=canary")),
        ("/b?key=canary", moved("/a")),
        ("/1", moved("/2")),
        ("/2", moved("/3")),
        ("/3", moved("/4")),
        ("/4", moved("/5")),
        ("/5", moved("/6")),
        ("/6", moved("/7")),
        ("/7", answer("200 OK", b"", b"[]")),
    ]);
    for (start, says) in [("/self", "circle"), ("/a", "circle"), ("/1", "more than 5 redirects")] {
        let error = get(&server, start).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Status, 6), "{start}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!told(&error).contains("canary"), "{error:?}");
    }
    assert!(get(&server, "/2").await.is_ok(), "five are followed");
}

/// What the first and the second call for this answer get, over one connection.
async fn twice(answer: impl Into<Vec<u8>>) -> Result<Response, Error> {
    let server = RawServer::answering(answer);
    let pool = builder(&server).build().unwrap();
    soon("the call", pool.get("/")).await?;
    let response = soon("the next call", pool.get("/")).await?;
    assert_eq!(server.seen().connections, 1, "the end of the answer was found");
    Ok(response)
}

// From the trackers of hyper, httparse, http-parser and curl: servers whose heads other clients
// read.

#[tokio::test]
async fn heads_of_servers_in_the_field_are_read() {
    for (head, name, value) in [
        // A space before the colon, of the length itself too.
        ("HTTP/1.1 200 OK\r\nX-A : y\r\nContent-Length : 2\r\n\r\n", "x-a", "y"),
        // Control characters of a firewall's cookie.
        (
            "HTTP/1.1 200 OK\r\nset-cookie: a=dmo\u{1}OZ; domain=\u{7f}w\r\ncontent-length: 2\r\n\r\n",
            "set-cookie",
            "a=dmo OZ; domain= w",
        ),
        // Neither a reason nor a value, with and without the space before it.
        ("HTTP/1.1 200\r\nServer:\r\ncontent-length: 2\r\n\r\n", "server", ""),
        ("HTTP/1.1 200 \r\nServer: \r\ncontent-length: 2\r\n\r\n", "server", ""),
        // Line feeds alone, and both kinds of line ends in one head.
        ("HTTP/1.1 200 OK\nserver: x\ncontent-length: 2\n\n", "server", "x"),
        ("HTTP/1.1 200 OK\r\nserver: x\ncontent-length: 2\r\n\n", "server", "x"),
        // A value with colons, brackets and quotes.
        ("HTTP/1.1 200 OK\r\nx: (a: b)\"\r\ncontent-length: 2\r\n\r\n", "x", "(a: b)\""),
        // A line end of the body before, which some servers send on top.
        ("\r\nHTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 2\r\n\r\n", "server", "x"),
    ] {
        let response = twice(format!("{head}[]")).await.unwrap();
        assert_eq!(
            (response.text().unwrap(), response.headers()[name].to_str().unwrap()),
            ("[]", value),
            "{head}"
        );
    }
    let reason = b"HTTP/1.1 200 caf\xe9\r\ncontent-length: 2\r\n\r\n[]";
    assert_eq!(twice(&reason[..]).await.unwrap().text().unwrap(), "[]");
}

#[tokio::test]
async fn heads_that_may_mean_something_else_stay_errors() {
    for fields in [
        "content-length: 2O\r\n",
        "content-length: 2\u{1}\r\n",
        "content-length: 0x2\r\n",
        "content-length: 2\r\nx: \0\r\n",
        "content-length: 2\r\nx: a\rb\r\n",
        "content-length: 2\r\n<!DOCTYPE html>\r\n",
        "content-length: 2\r\nen-US Content-Type: text/xml\r\n",
        "transfer-encoding: chunked\u{b}\r\n",
        "transfer-encoding: xchunked\r\n",
    ] {
        let error = twice(format!("HTTP/1.1 200 OK\r\n{fields}\r\n[]")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Framing, 1), "{fields:?}");
    }
}

// From the trackers of undici, h11, Grizzly and SerenityOS: how servers write the size of a chunk.

#[tokio::test]
async fn sizes_of_chunks_are_padded_in_many_ways() {
    for size in ["2", "0002", "2 ", "2   ", "2\t", "2;", "2 ; a=b", "00000000000000000000000002"] {
        for last in ["0", "000000", "0  ", "0;a"] {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let response = twice(format!("{head}{size}\r\n[]\r\n{last}\r\n\r\n")).await.unwrap();
            assert_eq!(response.text().unwrap(), "[]", "{size:?} {last:?}");
        }
    }
    for size in ["", " 2", "+2", "-2", "0x2", "2x", "2 3", "2\u{b}"] {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let error = twice(format!("{head}{size}\r\n[]\r\n0\r\n\r\n")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Framing, "{size:?}");
    }
}

// From the trackers of aiohttp, request, Fuel and http4s: an encoding of nothing.

#[tokio::test]
async fn an_encoding_of_a_body_that_is_not_there_is_no_error() {
    for (head, request) in [
        ("HTTP/1.1 204 None\r\ncontent-encoding: gzip\r\n\r\n", Request::get("/")),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
            Request::get("/"),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Request::get("/"),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
            Request::new(http::Method::HEAD, "/"),
        ),
    ] {
        let server = RawServer::answering(head);
        let pool = builder(&server).build().unwrap();
        for _ in 0..2 {
            let response = soon("the call", pool.request(request.clone())).await.unwrap();
            assert!(response.body().is_empty(), "{head}");
        }
        assert_eq!(server.seen().connections, 1, "{head}");
    }
    let moved = answer("302 Found", b"content-encoding: gzip\r\nlocation: /new\r\n", b"");
    let server = routes(&[("/old", moved), ("/new", answer("200 OK", b"", b"[]"))]);
    assert_eq!(get(&server, "/old").await.unwrap().text().unwrap(), "[]");
}

// From the trackers of curl, reqwest and Go: where servers say that things have moved to.

#[tokio::test]
async fn locations_are_written_in_many_ways() {
    for (location, target) in [
        ("/a b?c=d e", "/a%20b?c=d%20e"),
        ("/a|b?c={d}", "/a%7Cb?c={d}"),
        (" /padded ", "/padded"),
        ("?only=query", "/old?only=query"),
        ("./x/./y/../z", "/x/z"),
        ("\\\\new", "/new"),
    ] {
        let moved = answer("302 Found", format!("location: {location}\r\n").as_bytes(), b"");
        let server = RawServer::start(move |mut peer| {
            let moved = moved.clone();
            async move {
                while let Some(head) = peer.head().await {
                    let is_old = head.starts_with("GET /old ");
                    peer.write(if is_old {
                        &moved
                    } else {
                        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"[..]
                    })
                    .await;
                }
            }
        });
        match get(&server, "/old").await {
            Ok(response) => {
                let url = response.url().unwrap().path_and_query().unwrap().to_string();
                assert_eq!(targets(&server)[1], url, "{location:?}");
                assert_eq!(url, target.replace(['{'], "%7B").replace(['}'], "%7D"), "{location:?}");
            }
            Err(error) => {
                assert_eq!((error.kind(), location), (ErrorKind::ForeignOrigin, "\\\\new"))
            }
        }
    }
}

// From the trackers of Sulu and static-web-server: redirects that lose the query.

#[tokio::test]
async fn pages_whose_redirects_lose_their_number_never_end_as_a_whole_set() {
    for body in [
        r#"{"data":[1,2],"pagination":{"page":1,"has_next":true}}"#,
        r#"{"data":[1,2],"pagination":{"total":6}}"#,
        "[1,2]",
    ] {
        let server = RawServer::start(move |mut peer| async move {
            while let Some(head) = peer.head().await {
                let moved = answer("301 Moved", b"location: /rows/\r\n", b"");
                let page = answer("200 OK", b"", body.as_bytes());
                peer.write(if head.starts_with("GET /rows?") { &moved } else { &page }).await;
            }
        });
        let pool = builder(&server).build().unwrap();
        let error = items(PaginatedStream::get(pool, "/rows")).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::PageLoop | ErrorKind::PaginationMissing),
            "{body}: {error}"
        );
    }
}

// From the trackers of axios-retry, req and khttp: parameters that each retry adds again.

#[tokio::test]
async fn a_retry_and_a_redirect_set_the_token_once() {
    let server = RawServer::start(|mut peer| async move {
        for number in 0.. {
            let Some(_) = peer.head().await else { return };
            peer.write(&match number {
                0 => answer("503 Busy", b"", b""),
                1 => answer("302 Found", b"location: /rows?a=1&key=t&key=old\r\n", b""),
                2 => answer("500 Error", b"", b""),
                _ => answer("200 OK", b"", b"[]"),
            })
            .await;
        }
    });
    let acquire = || std::future::ready(Ok::<_, Error>("t"));
    let apply = |request: Request, token: &str| request.query(&[("key", token)]);
    let pool = builder(&server).max_attempts(3).backoff_base(Duration::from_millis(1));
    let pool = pool.with_auth_callback(1, acquire, apply).build().unwrap();
    soon("the call", pool.get("/rows?a=1")).await.unwrap();
    assert_eq!(targets(&server), ["/rows?a=1&key=t"; 4]);
}

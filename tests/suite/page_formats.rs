//! Pages of lines (NDJSON, JSON Lines), byte by byte: which answers are read so, which lines are
//! items, and that a body which was cut is not a page.

use crate::support::{raw_server::RawServer, soon};

use futures::TryStreamExt;
use serde_json::{Value, json};
use vantage_api_pool::{AwwPool, Envelope, Error, ErrorKind, PaginatedStream, Paging};

fn pool(server: &RawServer) -> AwwPool {
    AwwPool::builder(server.url()).max_attempts(1).build().unwrap()
}

async fn items(
    server: &RawServer,
    envelope: Envelope,
    paging: Paging,
) -> Result<Vec<Value>, Error> {
    let stream = PaginatedStream::get(pool(server), "/rows").envelope(envelope).paging(paging);
    soon("the items", stream.try_collect()).await
}

fn lines(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_answer_that_calls_itself_lines_is_read_line_by_line() {
    let body = "{\"id\":1}\n\n  \r\n{\"id\":2}\r\n[3]\n{\"id\":4}";
    let rows = [json!({"id": 1}), json!({"id": 2}), json!([3]), json!({"id": 4})];
    for name in ["application/x-ndjson", "application/jsonl; charset=utf-8", "Application/NDJSON"] {
        let server = RawServer::answering(lines(&format!("content-type: {name}\r\n"), body));
        for envelope in [Envelope::default(), Envelope::bare_array(), Envelope::ndjson()] {
            assert_eq!(items(&server, envelope, Paging::none()).await.unwrap(), rows, "{name}");
        }
        // Nothing stands at a path in lines.
        let error = items(&server, Envelope::items_at("rows"), Paging::none()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{name}");
    }
    let server = RawServer::answering(lines("content-type: application/json\r\n", body));
    let error = items(&server, Envelope::default(), Paging::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

// getsentry/sentry-mcp#370, stormpath/stormpath-sdk-react#37, aacerox/node-rest-client#29,
// airbytehq/airbyte#23351
#[tokio::test]
async fn an_error_says_what_came_instead_of_the_page_and_from_where() {
    let html = "<html>canary</html>";
    for (head, body, words) in [
        (
            "content-type: text/html\r\n",
            html,
            "the body is HTML or XML, and its content type is text/html",
        ),
        (
            "",
            r#"{"error":"canary","code":7}"#,
            "no list at `data.items`; the body is an object with the keys `code`, `error`",
        ),
        (
            "",
            r#"{"data":{"rows":["canary"]}}"#,
            "no list at `data.items`; `data` is an object with the keys `rows`",
        ),
        (
            "",
            r#"{"data":{"items":null}}"#,
            "invalid type: null, expected a list of items at line 1 column 21; `data.items` is null",
        ),
        ("", r#"{"data":{"items":["canary"]}} canary"#, "trailing characters at line 1 column"),
        ("", r#"{"data":{"items":[NaN]}}"#, "expected value at line 1 column 1 of item 0"),
        (
            "",
            "{\"id\":1}\n{\"id\":2}\n",
            "one JSON document per line, which `envelope: { ndjson: true }` reads",
        ),
        ("", "", "the body is empty"),
    ] {
        let server = RawServer::answering(lines(head, body));
        let envelope = Envelope::items_at("data.items");
        let error = items(&server, envelope, Paging::none()).await.unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("(GET /rows)"), "{body}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
    let server = RawServer::answering("HTTP/1.1 204 No Content\r\n\r\n".to_owned());
    let error = items(&server, Envelope::default(), Paging::none()).await.unwrap_err();
    assert!(error.to_string().contains("a 204 has no body"), "{error}");
}

// Growth-Circle/cadis#672, richkuo/go-trader#95, Yeachan-Heo/oh-my-codex#532
#[tokio::test]
async fn a_token_in_the_path_is_in_no_error() {
    let server = RawServer::answering("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_owned());
    for secret in ["bot123456:canary-ghIkl", "canary0c3e9a7b1d4c2e8f6a11"] {
        let pool = AwwPool::builder(format!("{}/{secret}/v1", server.url())).build().unwrap();
        let error = soon("the error", pool.get("/rows")).await.unwrap_err();
        assert!(error.to_string().ends_with(" (GET /…/v1/rows)"), "{error}");
        assert!(!format!("{error:?}{error:#}").contains("canary"), "{error:?}");
    }
}

// temporalio/sdk-java#666, temporalio/temporal#3630, googleapis/gax-nodejs#741
#[tokio::test]
async fn a_read_that_runs_out_of_time_names_why_its_attempts_failed() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pool = AwwPool::builder(format!("http://{closed}"));
    let pool = pool.call_timeout(std::time::Duration::from_millis(300)).build().unwrap();
    let error = soon("the error", pool.get("/rows")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    let said = error.to_string();
    assert!(said.contains("the connection was not established: "), "{said}");
}

#[tokio::test]
async fn a_line_that_is_no_json_is_an_error_with_its_number() {
    for (body, number) in
        [("{}\n{\"a\"\n{}\n", 2), ("{}\n\n\n{} {}\n", 4), ("<html>\n", 1), ("{}\nnull\n{\"a\":", 3)]
    {
        let server = RawServer::answering(lines("content-type: application/jsonl\r\n", body));
        let error = items(&server, Envelope::default(), Paging::none()).await.unwrap_err();
        assert_eq!((error.kind(), error.page()), (ErrorKind::Decode, Some(1)), "{body:?}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(&format!("line {number} ")), "{body:?}: {source}");
    }
}

#[tokio::test]
async fn what_comes_after_lines_is_told_by_header_fields() {
    let server = RawServer::start(async |mut peer| {
        while let Some(head) = peer.head().await {
            let (id, link) = match head.contains("after=1") {
                false => (1, "link: </rows?after=1>; rel=\"next\"\r\n"),
                true => (2, ""),
            };
            let head = format!("content-type: application/x-ndjson\r\nx-total: 2\r\n{link}");
            peer.write(lines(&head, &format!("{{\"id\":{id}}}\n")).as_bytes()).await;
        }
    });
    let rows = [json!({"id": 1}), json!({"id": 2})];
    let total = || Envelope::default().total_in_header("x-total");
    let numbered = items(&server, total(), Paging::page_number().page_param("after").first_page(0));
    assert_eq!(numbered.await.unwrap(), rows);
    assert_eq!(items(&server, total(), Paging::link_header()).await.unwrap(), rows);
    // The total says that a row is missing.
    let error = items(&server, total(), Paging::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incomplete);
}

#[tokio::test]
async fn a_body_of_lines_that_ends_before_its_length_is_truncated_wherever_it_was_cut() {
    let body = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n";
    for cut in [1, 8, 9, 13, 17, 18, 26] {
        let part = &body[..cut];
        for answer in [
            format!("{head}content-length: {}\r\n\r\n{part}", body.len()),
            format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{part}", body.len()),
            format!("{head}transfer-encoding: chunked\r\n\r\n{cut:x}\r\n{part}\r\n"),
        ] {
            let server = RawServer::answering_once(&[answer.as_bytes()]);
            let error = items(&server, Envelope::default(), Paging::none()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{answer}");
        }
    }
}

#[tokio::test]
async fn a_number_is_read_to_its_last_digit() {
    let numbers =
        [0.1 + 0.2, 2.638_344_616_030_823e-256, 9_007_199_254_740_993.5, f64::MIN_POSITIVE];
    let some = (1..2_000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let numbers: Vec<f64> = some.filter(|number| number.is_finite()).chain(numbers).collect();
    let body = serde_json::to_string(&numbers).unwrap();
    let server = RawServer::answering(lines("content-type: application/json\r\n", &body));
    let read = items(&server, Envelope::bare_array(), Paging::none()).await.unwrap();
    assert_eq!(read.iter().filter_map(Value::as_f64).collect::<Vec<_>>(), numbers);
    let stream = PaginatedStream::get(pool(&server), "/rows").envelope(Envelope::bare_array());
    let stream = stream.paging(Paging::none()).items_as::<f64>();
    let typed: Vec<f64> = soon("the numbers", stream.try_collect()).await.unwrap();
    assert_eq!(typed, numbers);
}

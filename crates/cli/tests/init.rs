//! `apipool init`: what is drafted, asked and refused, with an API of this test.

#![cfg(test)]
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use vantage_api_discover::{Settings, from_openapi};
use vantage_api_ingest::description::Reader;
use vantage_api_pool::vantage::PoolTableExt;

const TOTAL: u64 = 137;

/// An API with pages of 20 rows, behind a token.
struct Api {
    origin: String,
    requests: Arc<AtomicUsize>,
}

impl Api {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let counted = counted.clone();
                thread::spawn(move || serve(&connection, &counted));
            }
        });
        Self { origin, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

/// Answers all requests of a connection.
fn serve(connection: &TcpStream, requests: &AtomicUsize) -> Option<()> {
    connection.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    let mut reader = BufReader::new(connection);
    loop {
        let lines = reader.by_ref().lines();
        let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
        let head: Vec<String> = head.collect();
        let first = head.first()?;
        requests.fetch_add(1, SeqCst);
        let length = head.iter().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        });
        let mut sent = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut sent).ok()?;
        let target = first.split(' ').nth(1)?;
        let is_known = head
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with("authorization: bearer open-sesame"));
        let (status, body) = match target.split_once('?').unwrap_or((target, "")) {
            _ if !is_known => ("401 Unauthorized", json!({ "detail": "hunter2" })),
            ("/v1/orders", query) => ("200 OK", page(query)),
            ("/v1/search", _) if first.starts_with("GET") => ("405 Method Not Allowed", json!({})),
            ("/v1/search", _) => ("200 OK", found(&serde_json::from_slice(&sent).ok()?)),
            ("/v1/alike", _) => ("200 OK", json!({ "a": rows(0, 7), "b": rows(0, 7) })),
            ("/v1/fifty", _) => ("200 OK", json!(rows(0, 50))),
            _ => ("404 Not Found", json!({})),
        };
        let body = body.to_string();
        let authenticate = "WWW-Authenticate: Bearer\r\nContent-Type: application/json";
        let head = format!(
            "HTTP/1.1 {status}\r\n{authenticate}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = connection;
        connection.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}

fn rows(from: u64, size: u64) -> Vec<Value> {
    let row = |id| json!({ "id": id, "name": format!("row {id}"), "paid": id % 2 == 0 });
    (from..TOTAL.min(from + size)).map(row).collect()
}

fn page(query: &str) -> Value {
    let number = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| *other == name).and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let (page, size) = (number("page").unwrap_or(1), number("per_page").unwrap_or(20).min(50));
    json!({
        "orders": rows((page - 1) * size, size),
        "meta": { "page": page, "per_page": size, "total": TOTAL },
    })
}

/// What a search finds: 20 rows after a cursor, which is a text.
fn found(body: &Value) -> Value {
    let query = body["query"].as_str().unwrap();
    let from = body["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
    let size = body["limit"].as_u64().unwrap_or(20).min(50);
    let next = (from + size < TOTAL).then(|| (from + size).to_string());
    json!({ "query": query, "hits": rows(from, size), "next_cursor": next })
}

fn apipool(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_apipool"));
    program.current_dir(folder).stdin(Stdio::null()).args(arguments);
    program.env("API_TOKEN", "open-sesame").output().unwrap()
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_draft_reads_the_whole_set_and_took_ten_requests_at_most() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    let url = api.url("/v1/orders");
    let arguments = ["init", &url, "--bearer-env", "API_TOKEN"];
    let (code, yaml, told) = printed(&apipool(folder.path(), &arguments));
    assert_eq!(code, Some(0), "{told}");
    assert!(api.requests() <= 10, "{}", api.requests());
    assert!(told.contains("50 and 50 rows of 137, which all differ"), "{told}");
    assert!(yaml.contains("auth: { bearer: \"${API_TOKEN}\" }"), "{yaml}");
    assert!(!yaml.contains("sesame") && !told.contains("sesame"), "{yaml}\n{told}");
    fs::write(folder.path().join("api.yaml"), &yaml).unwrap();
    let read = apipool(folder.path(), &["read", "api.yaml", "orders", "--format", "ndjson"]);
    let (code, read, told) = printed(&read);
    assert_eq!(code, Some(0), "{told}");
    let read: Vec<Value> = read.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(read, rows(0, TOTAL));
    let (code, _, told) = printed(&apipool(folder.path(), &["run", "api.yaml"]));
    assert_eq!(code, Some(0), "{told}");
    assert!(folder.path().join("orders.db").exists());
}

#[test]
fn a_search_is_drafted_by_its_post_and_reads_the_whole_set() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    let url = api.url("/v1/search");
    let asked = ["init", &url, "--bearer-env", "API_TOKEN"];
    let (code, _, told) = printed(&apipool(folder.path(), &asked));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--method POST --body"), "{told}");
    let before = api.requests();
    let body = ["--method", "POST", "--body", r#"{"query": "all", "limit": 10}"#];
    let (code, yaml, told) = printed(&apipool(folder.path(), &[&asked[..], &body].concat()));
    assert_eq!(code, Some(0), "{told}");
    assert!(api.requests() - before <= 10, "{}", api.requests());
    assert!(yaml.contains("post: { query: all } }"), "{yaml}");
    fs::write(folder.path().join("api.yaml"), &yaml).unwrap();
    let read = apipool(folder.path(), &["read", "api.yaml", "search", "--format", "ndjson"]);
    let (code, read, told) = printed(&read);
    assert_eq!(code, Some(0), "{told}");
    let read: Vec<Value> = read.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(read, rows(0, TOTAL));
    for (wrong, words) in [
        (vec!["--method", "GET", "--body", "{}"], "--method POST"),
        (vec!["--body", "[1]"], "not a JSON object"),
        (vec!["--body", r#"{"api_key": "hunter2"}"#], "looks like a credential"),
        (vec!["--method", "PUT"], "PUT"),
    ] {
        let (code, _, told) = printed(&apipool(folder.path(), &[&asked[..], &wrong].concat()));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_question_has_exit_code_2_and_no_draft() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    for (path, more, words) in [
        ("/v1/orders", vec![], "the API answered 401, and asks for a bearer token"),
        ("/v1/alike", vec!["--bearer-env", "API_TOKEN"], "several lists may be the rows: `a`, `b`"),
        (
            "/v1/fifty",
            vec!["--bearer-env", "API_TOKEN"],
            "50 rows came, as many as a page may have",
        ),
        ("/v1/none", vec!["--bearer-env", "API_TOKEN"], "the API answered 404"),
        ("/v1/orders?page=3", vec!["--bearer-env", "API_TOKEN"], "a later page"),
        ("/v1/orders?token=abc", vec![], "`token` of the URL looks like a credential"),
    ] {
        let url = api.url(path);
        let arguments = [&["init", &url, "-o", "api.yaml"], &more[..]].concat();
        let (code, yaml, told) = printed(&apipool(folder.path(), &arguments));
        assert_eq!((code, yaml.as_str()), (Some(2), ""), "{told}");
        assert!(told.contains(words) && told.contains("\n  -> "), "{told}");
        assert!(!told.contains("hunter2") && !folder.path().join("api.yaml").exists(), "{told}");
    }
}

#[test]
fn what_is_said_by_hand_is_taken() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    let url = api.url("/v1/alike");
    let more =
        ["--bearer-env", "API_TOKEN", "--items", "b", "--paging", "{ by: none }", "--table", "bs"];
    let arguments = [&["init", &url], &more[..]].concat();
    let (code, yaml, told) = printed(&apipool(folder.path(), &arguments));
    assert_eq!(code, Some(0), "{told}");
    assert!(yaml.contains("- name: bs") && yaml.contains("items: b"), "{yaml}");
    let wrong = [
        &["init", &url, "--bearer-env", "API_TOKEN", "--items", "b"],
        &["--paging", "{ by: x }"][..],
    ]
    .concat();
    let (code, yaml, told) = printed(&apipool(folder.path(), &wrong));
    assert_eq!((code, yaml.as_str()), (Some(2), ""), "{told}");
    assert!(told.contains("paging"), "{told}");
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["--bearer-env", "s3cr3t-value"],
        ["--bearer-env", "S3CR3T_VALUE_THAT_IS_NOT_SET"],
        ["--basic-env", "API_TOKEN:s3cr3t-value"],
        ["--header-env", "X-Key=s3cr3t-value"],
        ["--query-env", "key=s3cr3t-value"],
        ["--header-env", "s3cr3t-value"],
        ["--basic-env", "s3cr3t-value"],
        ["--cookie-env", "s3cr3t-value"],
    ] {
        let arguments = [&["init", "http://127.0.0.1:9/rows"], &arguments[..]].concat();
        let (code, _, told) = printed(&apipool(folder.path(), &arguments));
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("the name of a variable"), "{told}");
        assert!(!told.to_lowercase().contains("s3cr3t"), "{told}");
    }
    for header in ["X-Api-Key=s3cr3t", "Authorization=Bearer s3cr3t", "s3cr3t"] {
        let arguments = ["init", "http://127.0.0.1:9/rows", "--header", header];
        let (code, _, told) = printed(&apipool(folder.path(), &arguments));
        assert!(code == Some(2) && !told.contains("s3cr3t"), "{told}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_is_sent_for_that() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("api.yaml"), "mine").unwrap();
    let url = api.url("/v1/orders");
    let (code, _, told) = printed(&apipool(folder.path(), &["init", &url, "-o", "api.yaml"]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("api.yaml is there already"), "{told}");
    assert_eq!(
        (api.requests(), fs::read(folder.path().join("api.yaml")).unwrap()),
        (0, b"mine".to_vec())
    );
}

#[test]
fn a_specification_is_drafted_without_a_request() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    let row = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
    let orders = json!({ "type": "array", "items": row });
    let schema = json!({ "type": "object", "properties": { "orders": orders } });
    let integer = json!({ "type": "integer", "maximum": 50 });
    let specification = json!({
        "openapi": "3.1.0",
        "servers": [{ "url": api.url("/v1") }],
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "token": [] }],
        "paths": { "/orders": { "get": {
            "parameters": [
                { "name": "page", "in": "query", "schema": { "type": "integer" } },
                { "name": "per_page", "in": "query", "schema": integer },
            ],
            "responses": { "200": { "content": { "application/json": { "schema": schema } } } },
        } } },
    });
    fs::write(folder.path().join("spec.json"), specification.to_string()).unwrap();
    let arguments = ["init", "--openapi", "spec.json", "-o", "api.yaml"];
    let (code, _, told) = printed(&apipool(folder.path(), &arguments));
    assert_eq!((code, api.requests()), (Some(0), 0), "{told}");
    let read = apipool(folder.path(), &["read", "api.yaml", "orders", "--format", "ndjson"]);
    let (code, read, told) = printed(&read);
    assert_eq!((code, read.lines().count() as u64), (Some(0), TOTAL), "{told}");
    fs::write(folder.path().join("spec.json"), "openapi: 9").unwrap();
    let (code, _, told) = printed(&apipool(folder.path(), &["init", "--openapi", "spec.json"]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("spec.json: its version is `9`"), "{told}");
}

/// What a description would send, where the environment has secrets of these names.
async fn sent(yaml: &str) -> String {
    let secrets = ["HOME", "GITHUB_TOKEN", "SERVER_GITHUB_TOKEN", "SERVER_APP_KEY"];
    let reader = secrets
        .iter()
        .fold(Reader::new(), |reader, secret| reader.variable(*secret, "hunter2"))
        .variable("API_TOKEN", "open-sesame");
    let description = match reader.read_yaml(yaml) {
        Ok(description) => description,
        Err(error) => return error.to_string(),
    };
    let pool =
        match description.api.clone().builder().and_then(vantage_api_pool::PoolBuilder::build) {
            Ok(pool) => pool,
            Err(error) => return error.to_string(),
        };
    let source = description.source(pool);
    let tables = description.tables.iter();
    let tables = tables.filter_map(|table| description.table(&table.name, &source));
    tables.map(|table| table.preview().to_string()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_specification_has_no_secret_sent_to_its_host() {
    let draft = |place: Value, path: &str| {
        let row = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
        let rows = json!({ "type": "array", "items": row });
        let answer =
            json!({ "schema": rows, "content": { "application/json": { "schema": rows } } });
        let page = json!({ "name": "page", "in": "query", "schema": { "type": "integer" } });
        let mut specification = json!({ "openapi": "3.1.0", "paths": { path: { "get": {
            "parameters": [page], "responses": { "200": answer },
        } } } });
        specification.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        let text = specification.to_string();
        from_openapi(&text, "spec.json", &Settings::default()).unwrap().to_yaml()
    };
    let server = |url: &str| json!({ "servers": [{ "url": url }] });
    let variable = |name: &str| {
        let variables = json!({ name: { "default": "x" } });
        json!({ "servers": [{ "url": format!("https://{{{name}}}.evil.io"), "variables": variables }] })
    };
    for (place, path) in [
        (server("https://evil.io/${HOME}"), "/rows"),
        (server("https://evil.io/$${HOME}"), "/rows"),
        (server("https://evil.io/$$${HOME}"), "/rows"),
        (server("https://${HOME}.evil.io"), "/rows"),
        (server("/${HOME}"), "/rows"),
        (server("${HOME}"), "/rows"),
        (server("https://evil.io"), "/a/${HOME}/rows"),
        (server("https://evil.io"), "/a/$${HOME}/rows"),
        (json!({ "basePath": "/${HOME}" }), "/rows"),
        (json!({ "basePath": "/$${HOME}" }), "/rows"),
        (json!({ "host": "evil.io", "basePath": "/${HOME}" }), "/rows"),
        (json!({ "host": "${HOME}.evil.io" }), "/rows"),
        (variable("HOME"), "/rows"),
        (variable("GITHUB_TOKEN"), "/rows"),
        (variable("APP_KEY"), "/rows"),
    ] {
        let yaml = draft(place, path);
        let sent = sent(&yaml).await;
        assert!(!sent.is_empty() && !sent.contains("hunter2"), "{yaml}\n{sent}");
    }
    // A variable would be seen here.
    let yaml = draft(server("https://evil.io"), "/rows");
    let read = sent(&yaml.replace("evil.io", "evil.io/${HOME}")).await;
    assert!(read.contains("https://evil.io/hunter2/rows"), "{yaml}\n{read}");
}

#[test]
fn a_terminal_obeys_nothing_of_a_specification() {
    let folder = tempfile::tempdir().unwrap();
    let row = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
    let rows = json!({ "type": "array", "items": row });
    let content = json!({ "application/json": { "schema": rows } });
    let specification = json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "https://h.example" }],
        "paths": {
            "/rows\u{1b}[2J": { "get": {
                "parameters": [{ "name": "page\u{9b}31m", "in": "query" }],
                "responses": { "200": { "content": content } },
            } },
            "/none\u{1b}]0;x\u{7}": { "get": { "responses": { "200": {} } } },
        },
    });
    fs::write(folder.path().join("spec.json"), specification.to_string()).unwrap();
    let arguments = ["init", "--openapi", "spec.json"];
    let (_, yaml, told) = printed(&apipool(folder.path(), &arguments));
    assert!(told.contains("left out: paths whose answers have no schema: /none"), "{told:?}");
    for text in [yaml, told] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}

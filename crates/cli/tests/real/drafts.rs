//! Drafts of the servers, read by `apipool read` and copied by `apipool run`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    rows::{self, assert_same},
    servers::{Program, Server},
};

/// The program, with the variables that the tests name.
fn apipool(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_apipool"));
    program.current_dir(folder).stdin(Stdio::null()).args(arguments);
    program.env("DJANGO_TOKEN", "open-sesame").env("WRONG_TOKEN", "sesame");
    program.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A draft, and what was told beside it.
struct Draft {
    folder: TempDir,
    yaml: String,
    told: String,
}

impl Draft {
    #[track_caller]
    fn of(url: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["init", url, "--output", "api.yaml"], more].concat();
        let output = apipool(folder.path(), &arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let yaml = fs::read_to_string(folder.path().join("api.yaml")).unwrap();
        let draft = Self { folder, yaml, told };
        assert!(draft.requests() <= 10, "{}", draft.told);
        draft
    }

    /// How many requests were made.
    fn requests(&self) -> usize {
        // Redirects count as well.
        let mut numbers = self.told.lines().filter_map(|line| line.strip_prefix("request "));
        let asked = numbers.next_back().unwrap().split(':').next().unwrap();
        let by_draft = self.told.split("read by the draft with ").nth(1).unwrap();
        asked.parse::<usize>().unwrap()
            + by_draft.split(' ').next().unwrap().parse::<usize>().unwrap()
    }

    fn table(&self) -> &str {
        let name = self.yaml.split("- name: ").nth(1).unwrap();
        name.lines().next().unwrap()
    }

    /// The rows that `apipool read` prints.
    #[track_caller]
    fn rows(&self) -> Vec<Value> {
        let arguments = ["read", "api.yaml", self.table(), "--format", "ndjson"];
        let output = apipool(self.folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output.stderr), self.yaml);
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asserts that the draft is as it should be, and that all rows are read and copied by it.
    #[track_caller]
    fn reads(&self, paging: &str, item: fn(&Value) -> Value) {
        assert!(self.yaml.contains(paging), "`{paging}` is not in\n{}", self.yaml);
        let expected: Vec<Value> = rows::all().iter().map(item).collect();
        assert_same(self.table(), &self.rows(), &expected);
        let output = apipool(self.folder.path(), &["run", "api.yaml"]);
        assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output.stderr), self.yaml);
        let database = self.folder.path().join(format!("{}.db", self.table()));
        let database = rusqlite::Connection::open(database).unwrap();
        let query =
            format!("SELECT count(*), count(DISTINCT id), max(id + 0) FROM \"{}\"", self.table());
        let counts: (i64, i64, i64) = database
            .query_row(&query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        assert_eq!(counts, (rows::COUNT, rows::COUNT, rows::COUNT), "{}", self.yaml);
    }
}

fn url(program: Program, path: &str) -> String {
    format!("{}/{path}", Server::shared(program).url())
}

/// The body of an answer.
fn fetch(port: u16, path: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(connection, "GET {path} HTTP/1.0\r\nHost: h\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn as_it_is(row: &Value) -> Value {
    row.clone()
}

/// As JavaScript has it, without the digits that its numbers cannot keep.
fn in_javascript(row: &Value) -> Value {
    let mut row = row.clone();
    row["big"] = json!(row["big"].as_i64().unwrap() as f64 as i64);
    row
}

#[test]
fn django_by_page() {
    let draft = Draft::of(&url(Program::Django, "api/page/"), &[]);
    draft.reads("by: page, param: page,", as_it_is);
    assert!(draft.yaml.contains("size_param: page_size, size: 100"), "{}", draft.yaml);
    assert!(draft.yaml.contains("item_endpoint: true # verified"), "{}", draft.yaml);
}

#[test]
fn django_by_page_without_its_slash() {
    Draft::of(&url(Program::Django, "api/page"), &[]).reads("endpoint: page/", as_it_is);
}

#[test]
fn django_by_offset() {
    Draft::of(&url(Program::Django, "api/offset/"), &[])
        .reads("by: offset, param: offset,", as_it_is);
}

#[test]
fn django_by_cursor() {
    Draft::of(&url(Program::Django, "api/cursor/"), &[])
        .reads("by: next_url, next: next,", as_it_is);
}

#[test]
fn django_with_a_token() {
    let url = url(Program::Django, "api/secret/");
    let draft = Draft::of(&url, &["--header-env", "Authorization=Token DJANGO_TOKEN"]);
    draft.reads("prefix: \"Token \"", as_it_is);
    assert!(!draft.yaml.contains("sesame") && !draft.told.contains("sesame"));
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (vec![], "the API answered 401"),
        (vec!["--header-env", "Authorization=Token WRONG_TOKEN"], "the API answered 401"),
        (vec!["--header-env", "Authorization=Token open-sesame"], "the name of a variable"),
        (vec!["--bearer-env", "open-sesame"], "the name of a variable"),
    ] {
        let output = apipool(folder.path(), &[&["init", &url], &arguments[..]].concat());
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
        assert!(told.contains(words) && !told.contains("sesame"), "{told}");
    }
}

#[test]
fn json_api() {
    let draft = Draft::of(&url(Program::Django, "jsonapi/rows"), &[]);
    assert!(draft.yaml.contains("path: attributes.nested"), "{}", draft.yaml);
    draft.reads("by: page, param: \"page[number]\",", |row| {
        let mut attributes = row.as_object().unwrap().clone();
        let id = attributes.remove("id").unwrap().to_string();
        json!({ "id": id, "attributes": attributes })
    });
}

#[test]
fn fastapi_by_page() {
    Draft::of(&url(Program::FastApi, "page"), &[]).reads("by: page, param: page,", as_it_is);
}

#[test]
fn fastapi_by_offset() {
    Draft::of(&url(Program::FastApi, "offset"), &[]).reads("by: offset, param: offset,", as_it_is);
}

#[test]
fn fastapi_by_cursor() {
    let draft = Draft::of(&url(Program::FastApi, "cursor"), &[]);
    draft.reads("by: cursor, param: cursor, next: next_page,", as_it_is);
}

#[test]
fn fastapi_with_links() {
    Draft::of(&url(Program::FastApi, "links"), &[]).reads("by: page, param: page,", as_it_is);
}

#[test]
fn datasette() {
    let draft = Draft::of(&url(Program::Datasette, "real/rows.json"), &[]);
    draft.reads("size_param: _size, size: 100", |row| {
        let mut row = row.clone();
        row["flag"] = json!(i64::from(row["flag"].as_bool().unwrap()));
        // Datasette has the text that was stored, in which the digits are those of Python.
        row.as_object_mut().unwrap().remove("nested");
        row
    });
}

#[test]
fn eve() {
    let draft = Draft::of(&url(Program::Eve, "rows"), &[]);
    draft.reads("size_param: max_results, size: 100", as_it_is);
}

#[test]
fn json_server_in_pages() {
    let draft = Draft::of(&url(Program::JsonServer, "rows?_page=1"), &[]);
    draft.reads("by: page, param: _page,", in_javascript);
    assert!(draft.yaml.contains("size_param: _limit, size: 100"), "{}", draft.yaml);
}

#[test]
fn json_server_at_once() {
    let draft = Draft::of(&url(Program::JsonServer, "rows"), &[]);
    draft.reads("{ by: none }", in_javascript);
    assert!(draft.yaml.contains("a guess: 1237 rows came"), "{}", draft.yaml);
}

/// `_limit` alone has no pages: fifty rows are not taken for all.
#[test]
fn json_server_with_a_size_alone() {
    let draft = Draft::of(&url(Program::JsonServer, "rows?_limit=50"), &[]);
    draft.reads("size_param: _limit", in_javascript);
}

#[test]
fn express_with_ranges() {
    let draft = Draft::of(&url(Program::Express, "rows"), &[]);
    draft.reads("by: range, unit: items, size: 50", in_javascript);
}

#[test]
fn graphql() {
    let draft = Draft::of(&url(Program::GraphQl, "graphql"), &[]);
    draft.reads("next: data.rows.pageInfo.endCursor,", |row| {
        let mut plain = row.clone();
        plain.as_object_mut().unwrap().retain(|name, _| name != "big" && name != "nested");
        plain["row"] = row.clone();
        plain
    });
}

#[test]
fn the_specification_of_fastapi_reads_its_rows() {
    let server = Server::shared(Program::FastApi);
    let folder = tempfile::tempdir().unwrap();
    let specification = fetch(server.port(), "/openapi.json");
    fs::write(folder.path().join("openapi.json"), specification).unwrap();
    let output = apipool(folder.path(), &["init", "--openapi", "openapi.json", "-o", "api.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let origin = format!("ORIGIN={}", server.url());
    for table in ["page", "offset", "cursor", "links"] {
        let arguments = ["read", "api.yaml", table, "--format", "ndjson", "--var", &origin];
        let output = apipool(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let read = text(&output.stdout);
        let read: Vec<Value> =
            read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_same(table, &read, &rows::all());
    }
}

/// With one page of what every server has, the draft would be a guess: it is a question.
#[test]
fn a_page_of_a_set_is_never_all_of_it() {
    for (program, path) in [
        (Program::JsonServer, "rows?_limit=50&_start=100"),
        (Program::FastApi, "page/7"),
        (Program::Django, "api/"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = apipool(folder.path(), &["init", &url(program, path)]);
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{path}: {told}");
        assert!(told.contains("  -> "), "{told}");
    }
}

//! What is served, and to whom.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Stdio,
    thread,
};

use serde_json::json;

use crate::support::{KEEPER, READER, Served, World, printed};

const BOTH: &str = r#"auth:
  tokens:
  - { id: reader, token: "${READER}" }
  - { id: keeper, roles: [keeper], sha256: "${KEEPER_DIGEST}" }
stats_roles: keeper
kv: { path: values.redb }
tables:
  live: { source: { api: countries }, cache_ttl: 1m }
  countries: { source: { job: world }, relations: [cities] }
  cities: { source: { job: world }, filterable: [country, is_capital], page_size: 5, max_page_size: 100 }
  notes: { operations: [insert, delete], writable: [text], writable_by: keeper }"#;

#[test]
fn tables_of_the_api_and_those_that_a_job_wrote_are_served() {
    let world = World::new(BOTH);
    world.copy();
    let served = world.serve();
    assert_eq!(served.said["tables"], json!(["live", "countries", "cities", "notes"]));
    assert_eq!(served.said["kv"], true);
    let live = served.get("/tables/live?per_page=10");
    let rows = live.rows();
    assert_eq!(rows.len(), 10, "{live:?}");
    let requests = world.api.requests();
    assert_eq!(served.get("/tables/live?per_page=10").rows(), rows);
    assert_eq!(world.api.requests(), requests, "it is given again");
    let latvia = served.get("/tables/countries/Latvia").json();
    assert_eq!(latvia, served.get("/tables/live/Latvia").json());
    assert_eq!(latvia["code"], "LV");
    let capital = served.get("/tables/cities?country=eq.Latvia&is_capital=is.true");
    assert_eq!(capital.rows()[0]["name"], "Riga", "{capital:?}");
    let page = served.get("/tables/cities?page=2&count=exact").json();
    assert_eq!(page["pagination"]["total"], 50 * 64);
    assert_eq!(page["data"][0]["id"], 6);
    let related = served.get("/tables/countries/Latvia/cities?per_page=100");
    assert_eq!(related.rows().len(), 64);
    assert_eq!(served.get("/tables/cities/1").json()["id"], 1);
    assert_eq!(served.get("/tables/cities/01").status, 404);
    assert_eq!(world.api.requests(), requests + 1, "what was copied is not asked for");
}

#[test]
fn who_may_do_what_is_as_described() {
    let world = World::new(BOTH);
    world.copy();
    let served = world.serve();
    let bearer = |token: &str| format!("Bearer {token}");
    let (reader, keeper) = (bearer(READER), bearer(KEEPER));
    let ask = |method: &str, path: &str, token: Option<&str>, body: &str| {
        let json = ("content-type", "application/json");
        match token {
            Some(token) => served.ask(method, path, &[("authorization", token), json], body),
            None => served.ask(method, path, &[json], body),
        }
    };
    for path in ["/tables", "/tables/cities", "/kv/a", "/stats", "/openapi.json"] {
        let answer = ask("GET", path, None, "");
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    }
    assert_eq!(ask("GET", "/tables", Some("Bearer another-token-altogether"), "").status, 401);
    assert_eq!(ask("GET", "/health", None, "").status, 200);
    let note = r#"{"text":"hello"}"#;
    let refused = ask("POST", "/tables/notes", Some(&reader), note);
    assert!(matches!(refused.status, 403 | 405), "{refused:?}");
    let inserted = ask("POST", "/tables/notes", Some(&keeper), note);
    assert_eq!(inserted.status, 201, "{inserted:?}");
    let refused = ask("POST", "/tables/cities", Some(&keeper), r#"{"name":"x"}"#);
    assert!(matches!(refused.status, 403 | 405), "{refused:?}");
    assert_eq!(ask("GET", "/stats", Some(&reader), "").status, 403);
    assert_eq!(ask("GET", "/stats", Some(&keeper), "").status, 200);
    let put = ask("PUT", "/kv/a/b", Some(&keeper), "1");
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(ask("GET", "/kv/a/b", Some(&reader), "").body, "1");
}

#[test]
fn without_authentication_the_loopback_alone_is_served() {
    let world = World::new("auth: none\ntables: { countries: {} }");
    let served =
        Served::start(world.program(&["serve", "world.yaml", "--json", "--bind", "127.0.0.2:0"]));
    assert_eq!(served.address.ip().to_string(), "127.0.0.2");
    assert_eq!(served.ask("GET", "/tables/countries?per_page=3", &[], "").rows().len(), 3);
    let output = world.program(&["serve", "world.yaml", "--bind", "0.0.0.0:0"]).output().unwrap();
    let (code, text, notes) = printed(&output);
    assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
    assert!(notes.contains("gateway.auth: without authentication"), "{notes}");
}

#[test]
fn a_client_is_told_which_value_is_of_another_type() {
    let tables = "tables: { countries: { source: { job: world }, filterable: [since] } }";
    let mut world = World::new(&format!("auth: none\n{tables}"));
    world.yaml = world.yaml.replace("population: int", "population: int, since: timestamp");
    world.copy();
    let refused = world.serve().ask("GET", "/tables/countries?since=eq.yesterday", &[], "");
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains(r#"\"yesterday\" is not of the type timestamp"#), "{refused:?}");
}

#[test]
fn why_a_table_failed_is_logged_and_not_told_to_clients() {
    let world = World::new("auth: none\ntables: { countries: {} }");
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = world.program(&["serve", "world.yaml", "--json"]);
    program.env("BASE", format!("http://{}", api.local_addr().unwrap()));
    thread::spawn(move || {
        for connection in api.incoming().map_while(Result::ok) {
            let _ =
                BufReader::new(&connection).lines().map_while(Result::ok).find(String::is_empty);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n";
            // Nobody may read it any more.
            let _ = (&connection).write_all(format!("{head}<html></html>").as_bytes());
        }
    });
    let served = Served::start(program);
    let failed = served.ask("GET", "/tables/countries", &[], "");
    assert_eq!(failed.status, 502, "{failed:?}");
    assert!(!failed.body.contains("HTML"), "{failed:?}");
    served.wait_for("the body is HTML or XML, and its content type is text/html");
}

#[test]
fn what_it_serves_is_said_in_one_line() {
    let world = World::new("auth: none\nkv: { path: values.redb }\ntables: { countries: {} }");
    let mut program = world.program(&["serve", "world.yaml"]);
    let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let start = "serving 1 table and a key-value store at http://127.0.0.1:";
    assert!(line.starts_with(start) && line.ends_with("/api/v1\n"), "{line}");
}

#[test]
fn a_key_value_store_takes_no_more_than_its_quota() {
    let kv = |settings: &str| format!("auth: none\nkv: {{ path: values.redb, {settings} }}");
    let world = World::new(&kv("quota: 3000, max_value_bytes: 100"));
    let served = world.serve();
    let put = |key: &str, value: &str| served.ask("PUT", &format!("/kv/{key}"), &[], value).status;
    assert_eq!(put("large", &"x".repeat(101)), 413);
    assert_eq!(["a", "b", "c"].map(|key| put(key, "1")), [201, 201, 507]);
    let world = World::new(&kv("quota: 0"));
    let (code, _, notes) = printed(&world.program(&["serve", "world.yaml"]).output().unwrap());
    assert_eq!(code, Some(2), "{notes}");
    assert!(notes.contains("gateway.kv.quota: must be at least 1 byte"), "{notes}");
}

//! Jobs that copy pages of HTML, XML, CSV and text.

#![cfg(test)]

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use vantage_api_ingest::{Job, description::Reader, report::Report};

const PAGES: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: html
    id: name
    columns: { name: text, population: int }
    api:
      endpoint: countries.html
      extract:
        css:
          items: tr.row
          fields:
            name: td.name
            population: { at: td.population, type: integer, required: true }
            source: { const: a page }
          next: a[rel=next]
          total: p.range b
  - name: xml
    id: name
    api:
      endpoint: countries.xml
      extract:
        xml:
          items: /rows/row
          fields: { name: name, population: { at: population, type: integer } }
          next: /rows/@next
  - name: csv
    id: name
    api:
      endpoint: countries.csv
      paging: { by: page }
      extract: { csv: {}, empty: after_first }
  - name: lines
    id: name
    api:
      endpoint: countries.txt
      paging: { by: link }
      extract: { lines: { matching: "\\| name=(?<name>[^|]*) \\| population=(?<population>\\d+)$" } }
jobs:
  pages:
    sink: { sqlite: "${DB}" }
    streams: [{ table: html }, { table: xml }, { table: csv }, { table: lines }]
"#;

async fn run(yaml: &str, variables: &[(&str, &str)]) -> Report {
    let reader = Reader::new();
    let reader =
        variables.iter().fold(reader, |reader, (name, value)| reader.variable(*name, *value));
    let description = reader.read_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    let job = Job::new(&description, "pages").unwrap();
    tokio::time::timeout(Duration::from_secs(180), job.run()).await.expect("the job ends")
}

fn all(db: &Path, query: &str) -> Vec<String> {
    let db = Connection::open(db).unwrap();
    let mut rows = db.prepare(query).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn every_format_is_copied_whole_and_in_order() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("pages.db");
    let variables =
        [("BASE", &*api.base_url()), ("ORIGIN", &*api.origin()), ("DB", db.to_str().unwrap())];
    let report = run(PAGES, &variables).await;
    assert!(report.is_complete(), "{report}");
    let names: Vec<String> =
        api.countries().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for table in ["html", "xml", "csv", "lines"] {
        assert_eq!(all(&db, &format!("select name from {table} order by rowid")), names, "{table}");
    }
    assert_eq!(all(&db, "select distinct source from html"), ["a page"]);
    let people: i64 = api.countries().iter().map(|row| row["population"].as_i64().unwrap()).sum();
    let sums = "select cast(sum(population) as text) from html union select cast(sum(population) as text) from xml";
    assert_eq!(all(&db, sums), [people.to_string()]);
}

const LINES: &str = r#"
api: { base_url: "${BASE}", max_attempts: 1 }
tables:
  - name: rows
    id: line
    api:
      paging: { by: page }
      extract: { lines: {}, empty: after_first }
jobs:
  pages: { sink: { sqlite: "${DB}" }, streams: [{ table: rows }] }
"#;

#[tokio::test]
async fn a_job_that_breaks_off_goes_on_in_the_middle_and_a_site_without_matches_fails() {
    let server = wiremock::MockServer::builder().start().await;
    let (is_away, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let (own_away, own_asked) = (Arc::clone(&is_away), Arc::clone(&asked));
    let answer = move |request: &wiremock::Request| {
        let page = request.url.query_pairs().find(|(name, _)| name == "page");
        let page: usize = page.map_or(1, |(_, page)| page.parse().unwrap());
        own_asked.lock().unwrap().push(page);
        if page >= 4 && own_away.load(Ordering::SeqCst) {
            return wiremock::ResponseTemplate::new(500);
        }
        let lines = match page {
            1..=6 => (0..10).map(|n| format!("row {:02}\n", (page - 1) * 10 + n)).collect(),
            _ => String::new(),
        };
        wiremock::ResponseTemplate::new(200).set_body_raw(lines, "text/plain")
    };
    wiremock::Mock::given(wiremock::matchers::path("/rows"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("pages.db");
    let base = server.uri();
    let variables = [("BASE", &*base), ("DB", db.to_str().unwrap())];
    let report = run(LINES, &variables).await;
    assert!(!report.is_complete(), "{report}");
    assert_eq!(all(&db, "select line from rows").len(), 30);

    is_away.store(false, Ordering::SeqCst);
    asked.lock().unwrap().clear();
    let report = run(LINES, &variables).await;
    assert!(report.is_complete(), "{report}");
    assert!(asked.lock().unwrap().iter().all(|page| *page >= 3), "{asked:?}");
    let rows: Vec<String> = (0..60).map(|n| format!("row {n:02}")).collect();
    assert_eq!(all(&db, "select line from rows order by rowid"), rows);

    let changed = LINES.replace("lines: {}", "lines: { matching: '^item (?<line>.*)$' }");
    let other = folder.path().join("other.db");
    let report = run(&changed, &[("BASE", &*base), ("DB", other.to_str().unwrap())]).await;
    assert!(!report.is_complete(), "{report}");
}

#[cfg(feature = "wasm")]
#[allow(dead_code)]
#[path = "../../extract/tests/wasm/guests.rs"]
mod guests;

/// A component, and a description that names it, in a folder of their own.
#[cfg(feature = "wasm")]
mod wasm {
    use std::fs;

    use super::*;

    const LINES: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: lines
    id: line
    api: { endpoint: countries.txt, paging: { by: link }, extract: { wasm: WASM } }
jobs:
  pages: { sink: { sqlite: "${DB}" }, streams: [{ table: lines }] }
"#;

    #[tokio::test]
    async fn a_component_beside_its_description_makes_rows_of_pages() {
        let api = DemoApi::start(DemoOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("guests")).unwrap();
        fs::write(folder.path().join("guests/lines.wasm"), guests::lines()).unwrap();
        let file = folder.path().join("lines.yaml");
        let reader = Reader::new().variable("BASE", api.base_url());
        let reader = reader.variable("ORIGIN", api.origin());
        let map = "{ file: guests/lines.wasm, memory: 1048576 }";
        for (wasm, db) in [("guests/lines.wasm", "text.db"), (map, "map.db")] {
            let db = folder.path().join(db);
            let reader = reader.clone().variable("DB", db.display().to_string());
            fs::write(&file, LINES.replace("WASM", wasm)).unwrap();
            let description = reader.read_file(&file).unwrap_or_else(|error| panic!("{error}"));
            let job = Job::new(&description, "pages").unwrap();
            let report = tokio::time::timeout(Duration::from_secs(180), job.run()).await.unwrap();
            assert!(report.is_complete(), "{report}");
            let rows: Vec<String> = all(&db, "select line from lines order by rowid");
            assert_eq!(rows.len(), api.countries().len());
        }
        let reader = reader.variable("DB", "none.db");
        fs::write(&file, LINES.replace("WASM", "guests/none.wasm")).unwrap();
        let error = reader.read_file(&file).unwrap_err().to_string();
        assert!(error.contains("none.wasm") && error.contains("tables[0].api"), "{error}");
    }
}

//! `apipool demo`.

use std::path::PathBuf;

use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use vantage_api_ingest::{Job, description::Reader};

use crate::{arguments::Demo, failure::Failure, output};

/// What the demo copies.
const DESCRIPTION: &str = r#"api:
  base_url: "${BASE_URL}"
  auth: { oauth2: { token_url: "${TOKEN_URL}", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
  - name: cities
    id: id
jobs:
  world:
    sink: { sqlite: "${DB}" }
    streams:
      - table: countries
      - table: cities
"#;

pub(crate) async fn run(demo: &Demo) -> Result<(), Failure> {
    let options = DemoOptions { fault_rate: 0.05, ..DemoOptions::default() };
    let api = DemoApi::start(options)?;
    let folder = tempfile::tempdir()?;
    let db = demo.db.clone().unwrap_or_else(|| folder.path().join("world.db"));
    output::line("A demo API runs on this machine: ten rows a page, behind a token, with faults.");
    output::line("It is copied into SQLite by this description:\n");
    output::line(DESCRIPTION);
    let reader = Reader::new()
        .variable("BASE_URL", api.base_url())
        .variable("TOKEN_URL", format!("{}/token", api.origin()))
        .variable("DB", db.to_string_lossy());
    let job = Job::new(&reader.read_yaml(DESCRIPTION)?, "world")?;
    let report = job.run().await;
    output::text(&report);
    if !report.is_complete() {
        return Err(Failure::incomplete([&report]));
    }
    output::line(format_args!("\n{} requests were answered. The largest cities:", api.requests()));
    show(&db)?;
    output::line("\nOnce more: what is there is merged, so nothing doubles.");
    output::text(&job.run().await);
    output::line(format_args!("{} cities", count(&db)?));
    if demo.db.is_some() {
        output::line(format_args!("\nThe database is {}", db.display()));
    }
    Ok(())
}

fn show(db: &PathBuf) -> Result<(), Failure> {
    let db = Connection::open(db).map_err(Failure::run)?;
    let largest = "select name, country, population from cities order by population desc limit 5";
    let mut rows = db.prepare(largest).map_err(Failure::run)?;
    let rows = rows.query_map([], |row| {
        let (name, country): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("  {name:20} {country:20} {:>12}", row.get::<_, i64>(2)?))
    });
    for row in rows.map_err(Failure::run)? {
        output::line(row.map_err(Failure::run)?);
    }
    Ok(())
}

fn count(db: &PathBuf) -> Result<i64, Failure> {
    let db = Connection::open(db).map_err(Failure::run)?;
    db.query_row("select count(*) from cities", [], |row| row.get(0)).map_err(Failure::run)
}

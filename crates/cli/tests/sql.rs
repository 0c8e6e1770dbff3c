//! `apipool sql` as it is run, and jobs that copy the rows of queries.

#![cfg(test)]
#![cfg(all(unix, feature = "sql"))]

mod terminal;

use std::{
    fs,
    io::{self, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use demo_api::{DemoApi, DemoOptions};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use terminal::Terminal;

const LONGEST: Duration = Duration::from_secs(180);

const WORLD: &str = r#"api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
    columns: { name: text, code: text, continent: text, population: int }
    api: { paging: { by: page, size_param: per_page, size: 10 }, envelope: { items: data, total: pagination.total } }
  - name: cities
    id: id
    columns: { id: int, name: text, country: text, population: int, is_capital: bool }
    api: { paging: { by: page, size_param: per_page, size: 10 }, envelope: { items: data, total: pagination.total } }
  - { name: nothing }
jobs:
  world: { sink: { sqlite: "${FOLDER}/world.db" }, streams: [{ table: countries }] }
  continents:
    sink: { sqlite: "${FOLDER}/continents.db" }
    streams:
      - sql: queries/continents.sql
        id: continent
      - sql: queries/largest.sql
        name: large
"#;

/// A demo API, and a folder with a description of it and queries.
struct World {
    api: DemoApi,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let api = DemoApi::start(DemoOptions::default()).unwrap();
        let world = Self { api, folder: tempfile::tempdir().unwrap() };
        world.write("world.yaml", WORLD);
        fs::create_dir(world.folder.path().join("queries")).unwrap();
        let continents = "SELECT continent, count(*) AS countries, sum(population) AS people \
                          FROM countries GROUP BY continent;";
        world.write("queries/continents.sql", continents);
        let largest = "-- Joins the API and what a job has written.\n\
                       SELECT c.name, c.population FROM countries c JOIN world.countries w \
                       ON c.name = w.name WHERE w.population > 1000000000 ORDER BY 2 DESC";
        world.write("queries/largest.sql", largest);
        world
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn program(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_apipool"));
        program.current_dir(self.folder.path()).stdin(Stdio::null());
        program.args([command, "world.yaml"]).args(arguments);
        program.env("BASE", self.api.base_url()).env("ORIGIN", self.api.origin());
        program.env("FOLDER", self.folder.path()).env("XDG_STATE_HOME", self.folder.path());
        program
    }

    /// The exit code, what is printed, and what is noted.
    fn sql(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        printed(&self.program("sql", arguments).output().unwrap())
    }

    fn sql_of(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut program = self.program("sql", arguments);
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn().unwrap();
        program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        printed(&program.wait_with_output().unwrap())
    }
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const PAGES: &str = r#"api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
    columns: { name: text, population: int }
    api:
      endpoint: countries.html
      filtering: local
      extract:
        css:
          items: tr.row
          fields: { name: td.name, population: { at: td.population, type: integer, required: true } }
          next: a[rel=next]
  - name: codes
    id: name
    columns: { name: text, code: text }
    api: { endpoint: "countries.csv?per_page=100", paging: { by: link }, filtering: local, extract: { csv: {} } }
  - name: wrong
    columns: { name: int }
    api:
      endpoint: countries.html
      extract: { css: { items: tr.row, fields: { name: { at: td.name, type: integer } }, next: "a[rel=next]" } }
  - name: rows
    id: name
    columns: { name: text, continent: text }
    api: { endpoint: countries, paging: { by: page }, envelope: { items: data, total: pagination.total } }
"#;

#[test]
fn pages_of_html_and_csv_are_tables_as_any_other() {
    let world = World::new();
    world.write("world.yaml", PAGES);
    let all = world.api.countries().len();
    let of = |sql: &str| {
        let (code, text, notes) = world.sql(&["--format=csv", sql]);
        assert_eq!((code, notes.as_str()), (Some(0), ""), "{sql}");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let joined = "SELECT count(*) FROM countries c JOIN codes d ON c.name = d.name \
                  JOIN rows r ON r.name = d.name WHERE c.population > 0 OR c.population IS NULL";
    assert_eq!(of(joined), [all.to_string()]);
    let people: i64 =
        world.api.countries().iter().filter_map(|country| country["population"].as_i64()).sum();
    assert_eq!(of("SELECT sum(population) FROM countries"), [people.to_string()]);
    let before = world.api.requests();
    assert_eq!(of("SELECT name FROM countries LIMIT 3").len(), 3);
    assert_eq!(world.api.requests() - before, 1, "one page has them");
    // What is evaluated here is not sent.
    let plan = of("EXPLAIN SELECT name FROM countries WHERE name = 'France'").join("\n");
    assert!(plan.contains("/countries.html") && !plan.contains("name=France"), "{plan}");
    let (code, _, notes) = world.sql(&["SELECT * FROM wrong"]);
    assert_eq!(code, Some(1), "{notes}");
    for part in ["`wrong`", "`name` of item 1", "page 1"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

const EUROPE: &str = "SELECT code, population FROM countries WHERE continent = 'Europe' \
                      AND population > 60000000 ORDER BY population DESC";

#[test]
fn rows_are_printed_in_the_format_that_is_asked_for() {
    let world = World::new();
    let of = |format: &str| {
        let (code, text, notes) = world.sql(&[EUROPE, "--format", format]);
        assert_eq!((code, notes.as_str()), (Some(0), ""), "{text}");
        text
    };
    let table = "code  population\n----  ----------\nDE      83280000\nGB      68350000\n\
                 FR      68170000\n(3 rows)\n";
    assert_eq!(of("table"), table);
    assert_eq!(of("csv"), "code,population\nDE,83280000\nGB,68350000\nFR,68170000\n");
    let first = json!({ "code": "DE", "population": 83_280_000 });
    let json: Vec<Value> = serde_json::from_str(&of("json")).unwrap();
    assert_eq!((json.len(), &json[0]), (3, &first));
    let lines = of("ndjson");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, json);
    // duckdb/duckdb#6514
    let (_, text, _) = world.sql(&["--format", "csv", EUROPE]);
    assert_eq!(text, of("csv"));
}

#[test]
fn all_rows_of_all_pages_come() {
    let world = World::new();
    let (code, text, notes) = world.sql(&["SELECT * FROM cities", "--format", "ndjson"]);
    assert_eq!(code, Some(0), "{notes}");
    let mut cities: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    cities.sort_by_key(|city| city["id"].as_u64());
    assert!(cities == world.api.cities(), "{} cities", cities.len());
}

#[test]
fn statements_are_run_until_one_fails() {
    let world = World::new();
    let statements = "SELECT 1 AS a; SELECT nope FROM countries; SELECT 2 AS b";
    let run = [
        world.sql(&[statements, "--format", "csv"]),
        world.sql_of(&["--format", "csv"], statements),
    ];
    world.write("three.sql", statements);
    for (code, text, notes) in
        run.into_iter().chain([world.sql(&["--file", "three.sql", "--format", "csv"])])
    {
        assert_eq!((code, text.as_str()), (Some(1), "a\n1\n"), "{notes}");
        assert!(notes.starts_with("apipool: ") && notes.contains("nope"), "{notes}");
        assert_eq!(notes.lines().count(), 1, "{notes}");
    }
}

// kuzudb/kuzu#5372, apache/datafusion#7071
#[test]
fn statements_are_read_from_the_standard_input_to_its_end() {
    let world = World::new();
    let input = "-- A comment;\nSELECT\n  ';' AS a\n; SELECT 2 AS b;\n/* ; */\nSELECT 3 AS c";
    let (code, text, notes) = world.sql_of(&["--format", "csv"], input);
    assert_eq!((code, text.as_str()), (Some(0), "a\n;\nb\n2\nc\n3\n"), "{notes}");
    for nothing in ["", "\n-- only a comment\n", ";"] {
        let (code, text, notes) = world.sql_of(&[], nothing);
        assert_eq!((code, text.as_str(), notes.as_str()), (Some(0), "", ""), "{nothing:?}");
    }
    let (code, _, notes) = world.sql_of(&[], "SELECT 'open");
    assert_eq!(code, Some(1));
    assert!(notes.contains("Unterminated string literal"), "{notes}");
    let commands = "\\d\n\\d countries\n\\format csv\n\\x\nSELECT 1 AS a;\n\\q\nSELECT 2;";
    let (code, text, notes) = world.sql_of(&[], commands);
    assert_eq!(code, Some(0), "{notes}");
    assert!(
        text.contains("public      cities\n") && text.contains("world       countries\n"),
        "{text}"
    );
    assert!(text.contains("population  int\n"), "{text}");
    assert!(text.ends_with("a\n1\n"), "{text}");
    let (code, _, notes) = world.sql_of(&[], "\\nothing\n");
    assert_eq!(code, Some(1));
    assert!(notes.contains("there is no `\\nothing`\n  -> \\? tells"), "{notes}");
}

#[test]
fn a_wrong_command_line_or_description_is_told_from_a_wrong_query() {
    let world = World::new();
    for (arguments, said) in [
        (&["SELECT 1", "--file", "a.sql"][..], "cannot be used with"),
        (&["--file", "none.sql"][..], "none.sql: No such file"),
        (&["SELECT 1", "--format", "xml"][..], "invalid value 'xml'"),
        (&["SELECT 1", "--max-rows", "few"][..], "invalid value 'few'"),
        (&["SELECT 1", "--var", "ORIGIN"][..], "has no `=`"),
    ] {
        let (code, text, notes) = world.sql(arguments);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
        assert!(notes.contains(said), "{notes}");
    }
    world.write("world.yaml", &WORLD.replace("id: name", "di: name"));
    let (code, _, notes) = world.sql(&["SELECT 1"]);
    assert_eq!(code, Some(2), "{notes}");
    assert!(notes.contains("world.yaml:6:5: tables[0].di: unknown key `di`"), "{notes}");
}

#[test]
fn an_error_is_one_line_that_names_the_table() {
    let world = World::new();
    for (query, said) in [
        ("SELECT * FROM town", "'apipool.public.town' not found"),
        ("SELEC 1", "Expected: an SQL statement, found: SELEC"),
        ("SELECT * FROM nothing", "table `nothing`: "),
        ("SELECT 1; SELECT 1 +", "Expected: an expression, found: EOF"),
    ] {
        let (code, _, notes) = world.sql(&[query]);
        assert_eq!(code, Some(1), "{notes}");
        assert!(notes.starts_with("apipool: ") && notes.contains(said), "{notes}");
        assert_eq!(notes.lines().filter(|line| !line.starts_with("  -> ")).count(), 1, "{notes}");
        assert!(!notes.contains("DataFusion") && !notes.contains("External error"), "{notes}");
    }
}

#[test]
fn a_number_of_rows_is_kept_to_and_asked_for() {
    let world = World::new();
    let (code, text, notes) =
        world.sql(&["SELECT id FROM cities", "--max-rows", "3", "--format", "csv"]);
    assert_eq!((code, text.lines().count()), (Some(0), 4), "{text}");
    assert_eq!(notes, "there may be more: --max-rows is 3\n");
    assert!(world.api.requests() < 10, "{} requests", world.api.requests());
    let (_, text, notes) = world.sql(&["SELECT 1 AS a", "--max-rows", "3", "--format", "csv"]);
    assert_eq!((text.as_str(), notes.as_str()), ("a\n1\n", ""));
    let explained = world.sql(&["EXPLAIN SELECT id FROM cities", "--max-rows", "1"]).1;
    assert!(
        explained.contains("logical_plan\n") && explained.contains("physical_plan\n"),
        "{explained}"
    );
}

#[test]
fn names_that_json_would_lose_are_refused_before_anything_is_sent() {
    let world = World::new();
    let twice = "SELECT a.name, b.name FROM countries a JOIN countries b ON a.code = b.code";
    let (code, text, notes) = world.sql(&[twice, "--format", "ndjson"]);
    assert_eq!((code, text.as_str()), (Some(1), ""), "{notes}");
    assert!(notes.contains("two columns are called `name`"), "{notes}");
    assert_eq!(world.api.requests(), 0);
    let (_, text, _) = world.sql(&[twice, "--format", "csv"]);
    assert_eq!(text.lines().count(), 51, "{text}");
}

#[test]
fn a_plan_shows_the_requests() {
    let world = World::new();
    let (code, text, notes) = world.sql(&["EXPLAIN SELECT name FROM cities LIMIT 3"]);
    assert_eq!(code, Some(0), "{notes}");
    assert!(text.contains("/v1/cities?"), "{text}");
    assert_eq!(world.api.requests(), 0);
}

#[test]
fn how_long_it_took_is_told_beside_the_rows() {
    let world = World::new();
    let (code, text, notes) = world.sql(&["SELECT 1 AS a", "--timing", "--format", "csv"]);
    assert_eq!((code, text.as_str()), (Some(0), "a\n1\n"), "{notes}");
    assert!(notes.starts_with("Time: ") && notes.ends_with("s\n"), "{notes}");
}

// medialab/xan#759
#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let world = World::new();
    for format in ["table", "json", "ndjson", "csv"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut program = world.program("sql", &["SELECT * FROM cities", "--format", format]);
        let (code, _, notes) = printed(&program.stdout(writer).output().unwrap());
        assert_eq!((code, notes.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn what_is_written_can_be_read_and_more_can_be_had_by_sql() {
    let world = World::new();
    let statements = format!(
        "CREATE VIEW large AS SELECT code, population FROM countries WHERE population > 300000000;
         COPY (SELECT * FROM large) TO '{0}/large.parquet';
         CREATE EXTERNAL TABLE copied STORED AS PARQUET LOCATION '{0}/large.parquet';
         SELECT count(*) AS n FROM copied",
        world.folder.path().display()
    );
    let (code, text, notes) = world.sql(&[&statements, "--format", "csv"]);
    assert_eq!((code, text.as_str()), (Some(0), "count\n3\nn\n3\n"), "{notes}");
}

/// An API that answers nobody, and who has asked it.
fn silent() -> (String, mpsc::Receiver<io::Result<TcpStream>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || listener.incoming().try_for_each(|stream| tell.send(stream)));
    (base, asked)
}

/// Waits for the end of a connection.
fn until_closed(stream: &TcpStream) {
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    let mut stream = stream;
    // What was asked for comes first.
    let end = io::copy(&mut stream, &mut io::sink());
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
}

const SILENT: &str = "api: { base_url: \"${BASE}\" }
tables: [{ name: rows, columns: { id: int }, api: { paging: { by: none } } }]
";

fn interrupt(process: u32) {
    let kill = format!("kill -INT {process}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

// cockroachdb/cockroach#76433
#[test]
fn an_interrupt_stops_a_query_and_what_it_asks_for() {
    let world = World::new();
    let (base, asked) = silent();
    world.write("world.yaml", SILENT);
    let mut program = world.program("sql", &["SELECT 1 AS a; SELECT * FROM rows; SELECT 2 AS b"]);
    program.env("BASE", base).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = program.spawn().unwrap();
    let stream = asked.recv_timeout(LONGEST).expect("it asks").unwrap();
    interrupt(program.id());
    until_closed(&stream);
    let (code, text, notes) = printed(&program.wait_with_output().unwrap());
    assert_eq!((code, notes.as_str()), (Some(1), "apipool: stopped\n"), "{text}");
    assert!(text.contains("(1 row)") && !text.contains('b'), "{text}");
}

#[test]
fn a_prompt_takes_statements_in_lines_and_goes_on_after_errors() {
    let world = World::new();
    let mut terminal = Terminal::start(world.program("sql", &[]));
    terminal.enter_at_prompt("SELECT code");
    terminal.enter_at_prompt("FROM countries WHERE name = 'Kenya';");
    terminal.wait_for("(1 row)");
    terminal.enter_at_prompt("SELECT nope;");
    terminal.wait_for("apipool: ");
    terminal.enter_at_prompt("\\x");
    terminal.enter_at_prompt("SELECT name, code FROM countries WHERE code = 'KE';");
    terminal.wait_for("name  Kenya");
    terminal.enter_at_prompt("\\timing");
    terminal.enter_at_prompt("\\format csv");
    terminal.enter_at_prompt("SELECT 7 AS seven; SELECT 8 AS eight;");
    terminal.wait_for("Time: ");
    terminal.wait_for("Time: ");
    terminal.enter_at_prompt(" SELECT 'private' AS a;");
    terminal.enter_at_prompt(" SELECT 'private',");
    terminal.enter_at_prompt("9 AS b;");
    terminal.enter_at_prompt("\\?");
    terminal.wait_for("Ctrl-D ends");
    terminal.enter_at_prompt("CREATE EXTERNAL TABLE t STORED AS API LOCATION 'http://h/t' OPTIONS ('api.auth.bearer' 'canary', 'columns.id' 'int');");
    terminal.enter_at_prompt("\\q");
    assert_eq!(terminal.end(), Some(0));
    let history = fs::read_to_string(world.folder.path().join("apipool/sql_history")).unwrap();
    assert!(history.contains("Kenya") && history.contains("SELECT 8"), "{history}");
    assert!(!history.contains("canary") && !history.contains("private"), "{history}");
}

// nao1215/sqly#832, GlareDB/glaredb#2427
#[test]
fn ctrl_c_drops_a_line_or_stops_a_query_and_the_prompt_stays() {
    let world = World::new();
    let (base, asked) = silent();
    world.write("world.yaml", SILENT);
    let mut program = world.program("sql", &[]);
    program.env("BASE", base);
    let mut terminal = Terminal::start(program);
    terminal.wait_for("sql=> ");
    terminal.enter("SELECT 'never closed");
    terminal.wait_for("sql-> ");
    terminal.press(b"\x03");
    terminal.wait_for("sql=> ");
    terminal.enter("SELECT * FROM rows;");
    let stream = asked.recv_timeout(LONGEST).expect("it asks").unwrap();
    interrupt(terminal.process());
    terminal.wait_for("apipool: stopped");
    until_closed(&stream);
    terminal.wait_for("sql=> ");
    terminal.enter("SELECT 40 + 2 AS answer;");
    terminal.wait_for("42");
    terminal.wait_for("sql=> ");
    terminal.press(b"\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_job_copies_the_rows_of_queries() {
    let world = World::new();
    for job in ["world", "continents", "continents"] {
        let (code, text, notes) = printed(&world.program("run", &[job]).output().unwrap());
        assert_eq!(code, Some(0), "{text}{notes}");
    }
    let db = Connection::open(world.folder.path().join("continents.db")).unwrap();
    let europe = "SELECT countries, people FROM continents WHERE continent = 'Europe'";
    let europe: (i64, i64) =
        db.query_row(europe, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let countries = world.api.countries().iter();
    let people = countries.filter(|country| country["continent"] == "Europe");
    let people: Vec<i64> = people.map(|country| country["population"].as_i64().unwrap()).collect();
    assert_eq!(europe, (people.len() as i64, people.iter().sum()));
    let all: i64 = db.query_row("SELECT count(*) FROM continents", [], |row| row.get(0)).unwrap();
    assert_eq!(all, 6, "the second run has merged them");
    let large: i64 = db.query_row("SELECT count(*) FROM large", [], |row| row.get(0)).unwrap();
    assert_eq!(large, 2);
    let (_, text, _) = printed(&world.program("status", &[]).output().unwrap());
    assert!(text.contains("continents.continents: run 2 is complete: 6 rows written"), "{text}");
    let joined = "SELECT c.continent FROM continents.continents c ORDER BY people DESC LIMIT 1";
    let (_, text, _) = world.sql(&[joined, "--format", "csv"]);
    assert_eq!(text, "continent\nAsia\n");
}

#[test]
fn a_query_that_changes_something_is_no_source() {
    let world = World::new();
    for (sql, said) in [
        ("DROP TABLE countries", "continents.sql: is not a query"),
        ("SELECT 1; SELECT 2", "continents.sql: "),
        ("SELECT 1 +", "continents.sql: Expected"),
        ("", "continents.sql: "),
    ] {
        world.write("queries/continents.sql", sql);
        for command in ["check", "run"] {
            let (code, text, notes) = printed(&world.program(command, &[]).output().unwrap());
            assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
            assert!(notes.contains(said), "{notes}");
        }
    }
    world.write("queries/continents.sql", "SELECT nope FROM countries");
    let (code, text, notes) = printed(&world.program("run", &["continents"]).output().unwrap());
    assert_eq!(code, Some(1), "{notes}");
    assert!(text.contains("continents: continents: FAILED: ") && text.contains("nope"), "{text}");
}

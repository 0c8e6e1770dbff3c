//! The program as it is run: what it prints, and its exit codes.

#![cfg(test)]
#![cfg(unix)]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use serde_json::Value;
use tempfile::TempDir;

const LONGEST: Duration = Duration::from_secs(180);

const WORLD: &str = r#"api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - { name: countries, id: name }
  - { name: nothing }
jobs:
  world: { sink: { sqlite: "${FOLDER}/world.db" }, streams: [{ table: countries }] }
  broken: { sink: { sqlite: "${FOLDER}/broken.db" }, streams: [{ table: nothing }] }
  few: { sink: { sqlite: "${FOLDER}/few.db" }, streams: [{ table: countries, checks: { rows: "<= 1" } }] }
  hourly: { sink: { sqlite: "${FOLDER}/hourly.db" }, streams: [{ table: countries }], every: 1h }
  yearly: { sink: { sqlite: "${FOLDER}/yearly.db" }, streams: [{ table: countries }], cron: "0 0 1 1 *" }
"#;

/// The program, beside a description of this text.
fn apipool(folder: &Path, yaml: &str) -> Command {
    fs::write(folder.join("world.yaml"), yaml).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_apipool"));
    program.current_dir(folder).stdin(Stdio::null());
    program
}

/// A demo API, and a folder that jobs copy it into.
struct World {
    api: DemoApi,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let api = DemoApi::start(DemoOptions::default()).unwrap();
        Self { api, folder: tempfile::tempdir().unwrap() }
    }

    /// What makes the program do something with the jobs.
    fn program(&self, command: &str, arguments: &[&str]) -> Command {
        let mut program = apipool(self.folder.path(), WORLD);
        program.args([command, "world.yaml"]).args(arguments);
        program.env("BASE", self.api.base_url()).env("ORIGIN", self.api.origin());
        program.env("FOLDER", self.folder.path());
        program
    }

    fn run(&self, arguments: &[&str]) -> Command {
        self.program("run", arguments)
    }
}

/// A standard output that nobody reads any more.
fn unread() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A program under way, which ends with the test.
struct Running {
    program: Child,
    notes: mpsc::Receiver<String>,
}

impl Running {
    fn start(mut program: Command) -> Self {
        let mut program =
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(program.stderr.take().unwrap()).lines();
        let (tell, notes) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may have ended.
                let _ = tell.send(line);
            }
        });
        Self { program, notes }
    }

    /// Waits for a line with these words.
    fn wait_for(&self, words: &str) {
        while !self.notes.recv_timeout(LONGEST).expect("there are more lines").contains(words) {}
    }

    fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.program.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end. Returns its exit code and what it printed.
    fn end(&mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LONGEST, "it does not end");
            thread::sleep(Duration::from_millis(20));
        };
        let mut text = String::new();
        self.program.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (status.code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.program.kill();
    }
}

#[test]
fn jobs_without_times_run_once_and_are_reported_as_they_end() {
    let world = World::new();
    let (code, text, notes) = printed(&world.run(&["world"]).output().unwrap());
    assert_eq!(code, Some(0), "{text}{notes}");
    assert!(text.starts_with("world: countries: complete; "), "{text}");
    assert!(world.folder.path().join("world.db").exists());
    let (code, text, notes) = printed(&world.run(&["world", "broken"]).output().unwrap());
    assert_eq!(code, Some(1), "{text}{notes}");
    assert!(text.contains("world: countries: complete; "), "{text}");
    assert!(text.contains("broken: nothing: FAILED: "), "{text}");
    let advice =
        "not everything is complete\n  -> broken.nothing: see whether `base_url` and `endpoint`";
    assert!(notes.contains(advice) && !notes.contains("run it again"), "{notes}");
    assert!(text.contains("(GET /v1/nothing)"), "{text}");
}

#[test]
fn it_is_said_why_attempts_fail_while_they_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let yaml = format!(
        "api: {{ base_url: \"http://{closed}\" }}
tables: [{{ name: rows }}]
jobs: {{ copy: {{ sink: {{ sqlite: copy.db }}, streams: [{{ table: rows }}] }} }}
"
    );
    let mut program = apipool(folder.path(), &yaml);
    program.args(["run", "world.yaml"]);
    // It ends with the test.
    Running::start(program).wait_for("copy.rows: begun, waits to try again after: connect");
}

#[test]
fn a_variable_that_the_description_does_not_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut program =
        apipool(folder.path(), "api: { base_url: \"${BASE:-http://localhost:1}\" }\n");
    program.args(["check", "world.yaml", "--var", "BASE=http://h", "--var", "TYPO=canary"]);
    let (code, text, notes) = printed(&program.output().unwrap());
    assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
    assert_eq!(notes, "apipool: --var TYPO: the description has no `${TYPO}`\n");
}

#[test]
fn reports_are_json_and_a_page_if_asked_for() {
    let world = World::new();
    let arguments = ["world", "--full-refresh", "--json", "--report", "report.html"];
    for number in [1, 2] {
        let (code, text, notes) = printed(&world.run(&arguments).output().unwrap());
        assert_eq!(code, Some(0), "{text}{notes}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["streams"][0]["outcome"], "complete", "{text}");
        assert_eq!(report["streams"][0]["run"], number, "{text}");
    }
    let page = fs::read_to_string(world.folder.path().join("report.html")).unwrap();
    assert!(page.contains("<h2>world</h2>"), "{page}");
}

#[test]
fn a_job_with_times_waits_for_the_next_one_unless_it_is_to_run_once() {
    let world = World::new();
    let (code, text, notes) =
        printed(&world.run(&["hourly", "yearly", "--once"]).output().unwrap());
    assert_eq!(code, Some(0), "{text}{notes}");
    for job in ["hourly", "yearly"] {
        assert!(text.contains(&format!("{job}: countries: complete; ")), "{text}");
    }
    assert!(!notes.contains("next run"), "{notes}");
    for (job, has_run) in [("hourly", true), ("yearly", false)] {
        let mut running = Running::start(world.run(&[job]));
        running.wait_for(&format!("{job}: next run at "));
        running.terminate();
        running.wait_for("stopping: ");
        let (code, text) = running.end();
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(text.contains("complete; "), has_run, "{text}");
    }
}

#[test]
fn a_run_under_way_is_stopped_by_a_signal() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let (tell, asked) = mpsc::channel();
    // Whoever asks is not answered.
    thread::spawn(move || silent.incoming().try_for_each(|stream| tell.send(stream)));
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!(
        "api: {{ base_url: \"http://{address}\" }}
tables: [{{ name: rows }}]
jobs: {{ copy: {{ sink: {{ sqlite: copy.db }}, streams: [{{ table: rows }}] }} }}
"
    );
    let mut program = apipool(folder.path(), &yaml);
    program.args(["run", "world.yaml"]);
    let mut running = Running::start(program);
    let _stream = asked.recv_timeout(LONGEST).expect("it asks").unwrap();
    running.wait_for("copy.rows: begun");
    running.terminate();
    running.wait_for("stopping: ");
    let (code, text) = running.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("copy: rows: stopped; "), "{text}");
}

#[test]
fn the_status_tells_how_the_last_run_ended() {
    let world = World::new();
    let (code, text, notes) = printed(&world.run(&["world", "few"]).output().unwrap());
    assert_eq!(code, Some(1), "{text}{notes}");
    let (code, text, notes) = printed(&world.program("status", &[]).output().unwrap());
    assert_eq!(code, Some(0), "{notes}");
    let of = |stream: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(stream));
        lines.collect::<Vec<_>>().concat()
    };
    assert!(of("world.countries: ").starts_with("run 1 is complete: "), "{text}");
    let failed = of("few.countries: ");
    assert!(failed.starts_with("run 1 FAILED: "), "{text}");
    assert!(failed.contains(" rows written, and `checks` expects at most 1: "), "{text}");
    assert_eq!(of("hourly.countries: "), "never run", "{text}");
}

#[test]
fn a_report_that_nobody_reads_ends_no_job() {
    let world = World::new();
    let mut jobs = world.run(&["world", "hourly", "--once"]);
    let (code, _, notes) = printed(&jobs.stdout(unread()).output().unwrap());
    assert_eq!(code, Some(0), "{notes}");
    assert_eq!(notes.matches("reports cannot be printed: Broken pipe").count(), 1, "{notes}");
    let (_, text, _) = printed(&world.program("status", &[]).output().unwrap());
    for job in ["world", "hourly"] {
        assert!(text.contains(&format!("{job}.countries: run 1 is complete: ")), "{text}");
    }
    let mut check = world.program("check", &[]);
    let (code, _, notes) = printed(&check.stdout(unread()).output().unwrap());
    assert_eq!((code, notes.as_str()), (Some(0), ""), "what is not reported may end");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_output_ends_no_job_and_is_no_success_of_others() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let world = World::new();
    let (code, _, notes) = printed(&world.run(&["world"]).stdout(full()).output().unwrap());
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("reports cannot be printed: No space left on device"), "{notes}");
    let mut check = world.program("check", &[]);
    let (code, _, notes) = printed(&check.stdout(full()).output().unwrap());
    assert_eq!(code, Some(1), "{notes}");
    let said = "apipool: the output cannot be written: No space left on device";
    assert!(notes.starts_with(said), "{notes}");
}

#[test]
fn what_is_wrong_is_shown_with_its_line_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let said = |yaml: &str, arguments: &[&str]| {
        let output = apipool(folder.path(), yaml).args(arguments).output().unwrap();
        let (code, text, notes) = printed(&output);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
        notes
    };
    let yaml = "api: { base_url: http://localhost:1 }
tables: [{ name: rows }]
jobs:
  copy:
    sink: { sqlite: copy.db }
    streams:
    - table: rows
      write: merg
";
    let notes = said(yaml, &["check", "world.yaml"]);
    assert!(notes.contains("world.yaml:8:14: jobs.copy.streams[0].write: "), "{notes}");
    assert!(notes.ends_with("   8 |       write: merg\n     |              ^\n"), "{notes}");
    let yaml = yaml.replace("      write: merg\n", "");
    let notes = said(&yaml, &["run", "world.yaml", "cpoy"]);
    assert!(notes.ends_with("no job `cpoy`\n  -> there is `copy`\n"), "{notes}");
    let notes = said(&yaml, &["read", "world.yaml", "row"]);
    assert!(notes.ends_with("no table `row`\n  -> there is `rows`\n"), "{notes}");
    let notes = said(&yaml, &["reset", "world.yaml", "copy", "row"]);
    assert!(notes.ends_with("no stream `row`\n  -> there is `rows`\n"), "{notes}");
}

#[cfg(not(feature = "sql"))]
#[test]
fn a_build_without_sql_says_so_where_a_stream_is_a_query() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("large.sql"), "SELECT 1").unwrap();
    let yaml = "api: { base_url: http://localhost:1 }
jobs: { copy: { sink: { sqlite: copy.db }, streams: [{ sql: large.sql }] } }
";
    for command in ["check", "run"] {
        let mut program = apipool(folder.path(), yaml);
        let (code, text, notes) = printed(&program.args([command, "world.yaml"]).output().unwrap());
        assert_eq!((code, text.as_str()), (Some(2), ""), "{notes}");
        let said =
            "the stream `large` is a query, large.sql, and this build has no SQL\n  -> build";
        assert!(notes.contains(said), "{notes}");
    }
}

#[test]
fn a_preview_shows_what_the_file_says_and_no_variable() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "api: { base_url: http://localhost:1 }
tables:
- name: rows
  api: { endpoint: \"rows?_shape=objects&of=${SECRET}\" }
";
    let mut program = apipool(folder.path(), yaml);
    program.args(["preview", "world.yaml", "--var", "SECRET=canary"]);
    let (code, text, notes) = printed(&program.output().unwrap());
    assert_eq!(code, Some(0), "{notes}");
    assert!(text.contains("/rows?_shape=objects&of=***"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

//! The program under way, and a client that sends what it is told.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use serde_json::Value;
use tempfile::TempDir;
use vantage_api_gateway::auth::Tokens;

/// The longest wait of a test.
pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) const READER: &str = "a-token-for-reading-alone";
pub(crate) const KEEPER: &str = "a-token-for-the-keeper";

pub(crate) const API: &str = r#"api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: countries
    id: name
    columns: { name: text, code: text, population: int }
    references: { cities: { table: cities, kind: has_many, foreign_key: country } }
    api: { item_endpoint: true }
  - { name: cities, id: id, columns: { id: int, name: text, country: text, is_capital: bool } }
  - name: notes
    id: id
    columns: { id: text, text: text }
    api: { item_endpoint: true, writes: { style: rest } }
jobs:
  world: { sink: { sqlite: "${FOLDER}/world.db" }, streams: [{ table: countries }, { table: cities }] }
"#;

/// The program in a folder, with the description `world.yaml` of this text.
pub(crate) fn apipool(folder: &Path, yaml: &str) -> Command {
    fs::write(folder.join("world.yaml"), yaml).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_apipool"));
    program.current_dir(folder).stdin(Stdio::null());
    program
}

/// The exit code, and what was printed.
pub(crate) fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A demo API, and a folder with a description of it.
pub(crate) struct World {
    pub(crate) api: DemoApi,
    pub(crate) folder: TempDir,
    pub(crate) yaml: String,
}

impl World {
    /// A world whose gateway has these lines, below `bind`.
    pub(crate) fn new(gateway: &str) -> Self {
        Self::with_api(DemoOptions::default(), gateway)
    }

    pub(crate) fn with_api(options: DemoOptions, gateway: &str) -> Self {
        let mut yaml = format!("{API}gateway:\n  bind: 127.0.0.1:0\n");
        for line in gateway.lines() {
            yaml += &format!("  {line}\n");
        }
        let api = DemoApi::start(options).unwrap();
        Self { api, folder: tempfile::tempdir().unwrap(), yaml }
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut program = apipool(self.folder.path(), &self.yaml);
        program.args(arguments);
        program.env("BASE", self.api.base_url()).env("ORIGIN", self.api.origin());
        program.env("FOLDER", self.folder.path()).env("READER", READER);
        program.env("KEEPER_DIGEST", Tokens::digest_of(KEEPER));
        program
    }

    /// Copies the API into SQLite.
    pub(crate) fn copy(&self) {
        let (code, text, notes) = printed(&self.program(&["run", "world.yaml"]).output().unwrap());
        assert_eq!(code, Some(0), "{text}{notes}");
    }

    pub(crate) fn serve(&self) -> Served {
        Served::start(self.program(&["serve", "world.yaml", "--json"]))
    }
}

/// A program that serves, which ends with the test.
pub(crate) struct Served {
    program: Child,
    notes: mpsc::Receiver<String>,
    pub(crate) address: SocketAddr,
    /// What it said when it began.
    pub(crate) said: Value,
}

impl Served {
    pub(crate) fn start(mut program: Command) -> Self {
        let mut program =
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let notes = lines(program.stderr.take().unwrap());
        let first = lines(program.stdout.take().unwrap()).recv_timeout(LONG);
        let Ok(first) = first else {
            let _ = program.kill();
            panic!("it does not serve: {:?}", notes.iter().collect::<Vec<_>>());
        };
        let said: Value = serde_json::from_str(&first).unwrap();
        let address = said["address"].as_str().unwrap().parse().unwrap();
        Self { program, notes, address, said }
    }

    /// Asks below `/api/v1` on a connection of its own.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut asking = Asking::begin(self.address, method, path, fields, body);
        asking.answer()
    }

    /// Gets what the reader may see.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {READER}"))], "")
    }

    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.program.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for a line with these words.
    pub(crate) fn wait_for(&self, words: &str) {
        while !self.notes.recv_timeout(LONG).expect("there are more lines").contains(words) {}
    }

    /// Waits for its end. Returns its exit code and what it noted since.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LONG, "it does not end");
            thread::sleep(Duration::from_millis(10));
        };
        (status.code(), self.notes.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed or has nothing to say of its end.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // The test may have ended.
            let _ = tell.send(line);
        }
    });
    told
}

/// A request that waits for its answer.
pub(crate) struct Asking(TcpStream);

impl Asking {
    pub(crate) fn begin(
        address: SocketAddr,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let mut stream = TcpStream::connect_timeout(&address, LONG).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let length = body.len();
        let mut head = format!("{method} /api/v1{path} HTTP/1.1\r\nhost: gateway\r\n");
        head += &format!("connection: close\r\ncontent-length: {length}\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        Self(stream)
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The rows of a list.
    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["data"].as_array().unwrap().clone()
    }
}

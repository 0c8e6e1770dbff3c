//! A world of one test: a slow API, a PostgreSQL, workers, and a gateway that shows them.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::{self, Answer},
    process::{LONG, Process},
    server::Server,
};

/// What must not be shown anywhere.
pub(crate) const PASSWORD: &str = "s3cret-of-the-database";

/// Markup, where somebody makes names of texts that others wrote (Parallels/rq-dashboard#526,
/// sidekiq/sidekiq#1297, resque/resque#1946, statianzo/que-web#9).
pub(crate) const JOB: &str = "<img src=x onerror=\"document.title='taken'\"><script>1</script>";

const YAML: &str = r#"api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - { name: cities, id: id }
jobs:
  JOB:
    sink: { postgres: "${APIPOOL_URL}" }
    streams: [{ table: cities, name: first }, { table: cities, name: second }, { table: cities, name: third }]
gateway:
  bind: 127.0.0.1:0
  kv: { path: "${KV}" }
"#;

pub(crate) const OPEN: &str = "  auth: none\n";
pub(crate) const CLOSED: &str = "  auth:
    tokens:
    - { id: reader, token: a-token-of-a-reader }
    - { id: keeper, roles: [keeper], token: a-token-of-the-keeper }
  stats_roles: keeper\n";

pub(crate) struct World {
    pub(crate) server: Server,
    api: DemoApi,
    folder: TempDir,
    url: String,
}

impl World {
    pub(crate) fn new(gateway: &str) -> Self {
        let server = Server::start();
        let config = server.config("postgres");
        let socket = config.strip_prefix("host=").unwrap().split(' ').next().unwrap();
        let socket = socket.replace('/', "%2F");
        let options = DemoOptions { latency: Duration::from_millis(500), ..DemoOptions::default() };
        let world = Self {
            server,
            api: DemoApi::start(options).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            url: format!("postgres://postgres:{PASSWORD}@{socket}:5432/postgres"),
        };
        let job = serde_json::to_string(JOB).unwrap();
        let yaml = YAML.replace("JOB", &job);
        fs::write(world.path("world.yaml"), yaml + gateway).unwrap();
        world
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The program with its description, and the URL of the database in its environment.
    fn start(&self, url: &str, command: &str, more: &[&str]) -> Process {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut arguments = vec![
            "env".to_owned(),
            format!("APIPOOL_URL={url}"),
            format!("BASE={}", self.api.base_url()),
            format!("ORIGIN={}", self.api.origin()),
            // One that serves has it open.
            format!("KV={}", self.path(&format!("{number}.redb"))),
            env!("CARGO_BIN_EXE_apipool").to_owned(),
            command.to_owned(),
            self.path("world.yaml"),
        ];
        arguments.extend(more.iter().map(|&text| text.to_owned()));
        Process::start(arguments)
    }

    /// A worker of one slot, with its name.
    pub(crate) fn worker(&self) -> (Process, String) {
        let worker = self.start(&self.url, "worker", &["--slots", "1", "--heartbeat", "0.4"]);
        let name = worker.line(|line| line.strip_suffix(" works").map(str::to_owned));
        (worker, name)
    }

    /// Begins the job, and follows it.
    pub(crate) fn run(&self) -> Process {
        self.start(&self.url, "run", &["--url"])
    }

    pub(crate) fn serve(&self) -> Gateway {
        self.serve_over(&self.url)
    }

    pub(crate) fn start_serving(&self, url: &str) -> Process {
        self.start(url, "serve", &["--json", "--url"])
    }

    pub(crate) fn serve_over(&self, url: &str) -> Gateway {
        let process = self.start_serving(url);
        let address = process.line(|line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said["address"].as_str()?.parse().ok()
        });
        Gateway { process, address }
    }

    /// What `apipool status --url --json` says.
    pub(crate) fn status(&self) -> Value {
        let status = Command::new(env!("CARGO_BIN_EXE_apipool"))
            .args(["status", "--json", "--url", &self.url])
            .current_dir(Path::new(env!("CARGO_TARGET_TMPDIR")))
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
        serde_json::from_slice(&status.stdout).unwrap()
    }
}

pub(crate) struct Gateway {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Gateway {
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn get_as(&self, token: &str, path: &str) -> Answer {
        let fields = [("authorization".to_owned(), format!("Bearer {token}"))];
        let fields = if token.is_empty() { &[][..] } else { &fields[..] };
        http::send(self.address, "GET", &format!("/api/v1{path}"), fields, "")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_as("", path)
    }

    /// Waits until what is told of the jobs is so.
    pub(crate) fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get("/stats");
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(!answer.body.contains(PASSWORD), "{}", answer.body);
            let stats = answer.json();
            assert!(stats["gateway"]["routes"].is_array(), "{stats}");
            if is_so(&stats["jobs"]) {
                return stats["jobs"].clone();
            }
            assert!(begun.elapsed() < LONG, "{stats}\n{}", self.process.written());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What an overview says of a worker.
pub(crate) fn worker<'a>(overview: &'a Value, name: &str) -> &'a Value {
    let workers = overview["workers"].as_array().map(Vec::as_slice).unwrap_or_default();
    workers.iter().find(|worker| worker["name"] == name).unwrap_or(&Value::Null)
}

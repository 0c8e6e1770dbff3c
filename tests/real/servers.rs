//! The servers as child processes: each on a free port of 127.0.0.1, with a folder of its
//! own, and gone when its handle is dropped or this program ends, however it ends.

use std::{
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex, OnceLock,
        atomic::{AtomicU16, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::rows;

/// How long a server may take to start, on a machine that is busy with other things.
const START: Duration = Duration::from_secs(120);

/// A program that serves the rows. Each of the programs that have this as a module starts some.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Django,
    FastApi,
    Datasette,
    Eve,
    JsonServer,
    Signed,
    Express,
    GraphQl,
    /// In front of the server at this port.
    Nginx(u16),
}

/// A running server.
pub struct Server {
    program: Program,
    port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts the program and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start; the message has what it printed.
    pub fn start(program: Program) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let name = format!("{program:?}").to_lowercase().replace(['(', ')'], "-");
        let name = format!("{name}-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let folder = SCRATCH.join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut server = Self { program, port: free_port(), folder, child: None };
        server.prepare();
        server.restart();
        server
    }

    /// One server of its kind for all tests that only read.
    pub fn shared(program: Program) -> &'static Self {
        static DJANGO: OnceLock<Server> = OnceLock::new();
        static FAST_API: OnceLock<Server> = OnceLock::new();
        static DATASETTE: OnceLock<Server> = OnceLock::new();
        static EVE: OnceLock<Server> = OnceLock::new();
        static JSON_SERVER: OnceLock<Server> = OnceLock::new();
        static EXPRESS: OnceLock<Server> = OnceLock::new();
        static GRAPH_QL: OnceLock<Server> = OnceLock::new();
        let cell = match program {
            Program::Django => &DJANGO,
            Program::FastApi => &FAST_API,
            Program::Datasette => &DATASETTE,
            Program::Eve => &EVE,
            Program::JsonServer => &JSON_SERVER,
            Program::Express => &EXPRESS,
            Program::GraphQl => &GRAPH_QL,
            Program::Signed | Program::Nginx(_) => panic!("each test has one of its own"),
        };
        cell.get_or_init(|| Self::start(program))
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the program at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the program again, on the same port and with what it has stored.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::create(self.log()).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(self.command());
        if self.program == Program::Express {
            command.env("NODE_PATH", installed("node/node_modules"));
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(spawn(command).expect("`setpriv` starts programs"));
        self.wait();
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            if ended.is_some() || start.elapsed() > START {
                let log = fs::read(self.log()).unwrap_or_default();
                let log = String::from_utf8_lossy(&log);
                panic!("{:?} did not start ({ended:?}):\n{log}", self.program);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes the files that the program is started with.
    fn prepare(&self) {
        match self.program {
            Program::JsonServer => {
                let database = json!({ "rows": rows::all(), "notes": [] });
                fs::write(self.folder.join("db.json"), database.to_string()).unwrap();
            }
            Program::Nginx(behind) => {
                let conf = fs::read_to_string(here().join("servers/nginx.conf")).unwrap();
                let conf = conf
                    .replace("@PORT@", &self.port.to_string())
                    .replace("@BEHIND@", &behind.to_string());
                fs::write(self.folder.join("nginx.conf"), conf).unwrap();
            }
            _ => {}
        }
    }

    fn command(&self) -> Vec<String> {
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let python = |script: &str| {
            vec![
                installed("venv/bin/python"),
                path(here().join("servers").join(script)),
                path(SCRATCH.join("rows.json")),
                self.port.to_string(),
                path(self.folder.clone()),
            ]
        };
        match self.program {
            Program::Django => python("django_app.py"),
            Program::FastApi => python("fastapi_app.py"),
            Program::Datasette => python("datasette_app.py"),
            Program::Eve => python("eve_app.py"),
            Program::Signed => python("signed_app.py"),
            Program::GraphQl => python("graphql_app.py"),
            Program::Express => {
                let script = path(here().join("servers/express_app.js"));
                vec!["node".into(), script, path(SCRATCH.join("rows.json")), self.port.to_string()]
            }
            Program::JsonServer => {
                let script = installed("node/node_modules/json-server/lib/cli/bin.js");
                let port = self.port.to_string();
                ["node", &script, "--host", "127.0.0.1", "--port", &port, "--quiet", "db.json"]
                    .map(str::to_owned)
                    .to_vec()
            }
            Program::Nginx(_) => {
                let found = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
                let found = found.iter().find(|path| Path::new(path).exists());
                let folder = path(self.folder.clone());
                [found.unwrap_or(&"nginx"), "-p", &folder, "-c", "nginx.conf", "-e", "error.log"]
                    .map(str::to_owned)
                    .to_vec()
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A free port below those that Linux gives to outgoing connections, one of which could else
/// have it when the server is started again.
fn free_port() -> u16 {
    static ASKED: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 200 * 75) as u16;
    let port = || 15_000 + first.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % 15_000;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let free = std::iter::repeat_with(port).take(15_000).find(is_free);
    free.expect("a port of 15,000 is free")
}

/// The root of the workspace, also for members that have these servers as a module.
fn root() -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut roots = folders.filter(|folder| folder.join("tests/real/servers").exists());
    roots.next().expect("this file is in the workspace").to_path_buf()
}

/// This folder.
fn here() -> PathBuf {
    root().join("tests/real")
}

/// A file that `tests/real/run` installed.
fn installed(path: &str) -> String {
    let default = root().join("target/real");
    let folder = std::env::var_os("REAL_SERVERS").map_or(default, PathBuf::from);
    let file = folder.join(path);
    assert!(file.exists(), "{} is missing: run `tests/real/run setup` first", file.display());
    file.to_str().unwrap().to_owned()
}

/// Starts a program on a thread that lives as long as this process. Linux ends a child that
/// asked for a signal at its parent's death when the thread ends that started it.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, received) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in received {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = mpsc::channel();
    STARTER.lock().unwrap().send((command, reply)).unwrap();
    child.recv().unwrap()
}

/// The folder of this run, with the rows in it.
static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let folders = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real");
    let _ = fs::create_dir_all(&folders);
    for old in fs::read_dir(&folders).unwrap().flatten() {
        // What a run left that has ended since.
        let process = Path::new("/proc").join(old.file_name());
        if !process.exists() {
            let _ = fs::remove_dir_all(old.path());
        }
    }
    let folder = folders.join(std::process::id().to_string());
    fs::create_dir_all(&folder).unwrap();
    let rows = serde_json::Value::from(rows::all());
    fs::write(folder.join("rows.json"), rows.to_string()).unwrap();
    folder
});

//! Programs as child processes, which end with their handle, or with this process, however it ends.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::http::{self, Answer};

/// The longest wait of a test, on a machine that is busy with other things.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A program that runs, and what it writes.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    written: Arc<Mutex<String>>,
}

impl Process {
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .args(arguments)
            // For what they write.
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`setpriv` starts programs");
        let (sender, lines) = mpsc::channel();
        let written = Arc::new(Mutex::new(String::new()));
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let (sender, written) = (sender.clone(), Arc::clone(&written));
            thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    written.lock().unwrap().push_str(&format!("{line}\n"));
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, written }
    }

    /// Waits for the line in which `find` finds something.
    pub(crate) fn line<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let start = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(LONG.saturating_sub(start.elapsed())) {
            if let Some(found) = find(&line) {
                return found;
            }
        }
        panic!("the line did not come:\n{}", self.written());
    }

    pub(crate) fn written(&self) -> String {
        self.written.lock().unwrap().clone()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended, and says whether it was well.
    pub(crate) fn ended(&mut self, within: Duration) -> bool {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(start.elapsed() < within, "it did not end:\n{}", self.written());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example `served`, running.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    secret: Option<&'static str>,
}

impl Served {
    /// For everybody, or for those who have the secret.
    pub(crate) fn start(secret: Option<&'static str>) -> Self {
        let built = env::current_exe().unwrap();
        let folder = built.parent().and_then(|folder| folder.parent()).unwrap();
        let program = folder.join("examples/served");
        assert!(program.exists(), "build it: cargo build -p vantage-api-gateway --example served");
        let mut arguments = vec![program.into_os_string(), "127.0.0.1:0".into()];
        arguments.extend(secret.map(Into::into));
        let process = Process::start(arguments);
        let address = process
            .line(|line| line.strip_prefix("http://")?.strip_suffix("/api/v1/docs")?.parse().ok());
        Self { process, address, secret }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a path below the prefix.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.origin())
    }

    /// Sends a request as one who may.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut fields = vec![("content-type".to_owned(), "application/json".to_owned())];
        fields.extend(
            self.secret.map(|secret| ("authorization".to_owned(), format!("Bearer {secret}"))),
        );
        http::send(self.address, method, &format!("/api/v1{path}"), &fields, body)
    }

    /// That it has not failed inside.
    pub(crate) fn check(&self) {
        assert_eq!(self.send("GET", "/health", "").status, 200);
        let written = self.process.written();
        assert!(!written.contains("panicked"), "{written}");
    }
}

/// Where `run` has installed what PyPI has.
pub(crate) fn installed(program: &str) -> PathBuf {
    let folder = env::var_os("GATEWAY_OTHERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/others"),
        PathBuf::from,
    );
    let path = folder.join("venv/bin").join(program);
    assert!(path.exists(), "{} is missing: crates/gateway/tests/others/run setup", path.display());
    path
}

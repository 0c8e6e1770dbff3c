//! A store in a process of its own: a test of this binary that does nothing unless it is started as
//! one, and tells what it does line by line.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The file of the store, in the environment of such a process.
const FILE: &str = "GATEWAY_KV_FILE";
/// What a line begins with: others are the harness's.
const MARK: &str = "@@";

/// The file, in such a process.
pub(crate) fn file() -> Option<String> {
    env::var(FILE).ok()
}

/// Tells the parent something.
pub(crate) fn tell(what: &str) {
    println!("\n{MARK}{what}");
}

/// Waits for a line from the parent.
pub(crate) fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// Such a process. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Runs a test as a process, behind the commands of a shell.
    pub(crate) fn start(test: &str, file: &Path, before: &str) -> Self {
        let script = format!("{before} exec \"$0\" --exact {test} --nocapture --test-threads 1");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(env::current_exe().unwrap())
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next thing that it tells, until it ends.
    pub(crate) fn hears(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line that was cut off was not told.
            if let (Some(told), true) = (line.trim_end().strip_prefix(MARK), line.ends_with('\n')) {
                return Some(told.to_owned());
            }
        }
    }

    pub(crate) fn told(&mut self, what: &str) {
        assert_eq!(self.hears().as_deref(), Some(what));
    }

    pub(crate) fn tells(&mut self, what: &str) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    /// Ends it at once, by the signal that cannot be caught.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

//! What this process holds in threads, sockets and memory, as Linux tells it; elsewhere
//! it seems to hold nothing.

use std::{
    fs,
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Runs one test at a time; one that waits for its turn holds no runtime yet.
pub fn alone(test: impl Future<Output = ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

/// What the process holds at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// Threads of actix and of pools; those of the test harness come and go.
    pub threads: usize,
    pub sockets: usize,
}

impl Held {
    pub fn now() -> Self {
        let entries = |folder| fs::read_dir(folder).into_iter().flatten().flatten();
        // A thread may end, and a file be closed, while it is looked at.
        let names = entries("/proc/self/task")
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        let files = entries("/proc/self/fd").filter_map(|file| fs::read_link(file.path()).ok());
        let is_ours = |name: &String| name.starts_with("actix") || name.starts_with("vantage");
        Self {
            threads: names.filter(is_ours).count(),
            sockets: files.filter(|file| file.to_string_lossy().starts_with("socket")).count(),
        }
    }

    /// Waits until no more is held than this.
    pub async fn is_all_again(self, what: &str) {
        let started = Instant::now();
        while Self::now().threads > self.threads || Self::now().sockets > self.sockets {
            let now = Self::now();
            assert!(
                started.elapsed() < Duration::from_secs(180),
                "{what}: {self:?} became {now:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The resident memory of this process in bytes.
pub fn memory() -> usize {
    status("VmRSS:")
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let digits = line.trim_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<usize>().unwrap_or_default() * 1024
}

/// How far the memory of this process rose above what it was.
pub struct Peak {
    before: usize,
}

impl Peak {
    /// Counts from what is in use at the moment.
    pub fn from_here() -> Self {
        // Makes the system forget the peaks of the past.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { before: memory() }
    }

    /// The most that was in use since then, in bytes beyond what was.
    pub fn bytes(&self) -> usize {
        status("VmHWM:").saturating_sub(self.before)
    }
}

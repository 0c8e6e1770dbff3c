//! Worker processes: the program of these tests, started once more.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use tokio::{net::TcpListener, sync::oneshot};
use vantage_api_ingest::description::Description;
use vantage_api_sql::{ApiSession, distributed::SqlWorker};

const DESCRIPTION: &str = "SQL_WORKER_DESCRIPTION";
const TOKEN: &str = "SQL_WORKER_TOKEN";
const LISTENS: &str = "the worker listens at ";

/// A process, which ends with this value.
pub(crate) struct WorkerProcess {
    child: Child,
    url: String,
    /// The process ends when this is closed, whatever becomes of the tests.
    _stdin: ChildStdin,
}

impl WorkerProcess {
    /// A worker over the API of a description.
    pub(crate) fn start(description: &str, token: Option<&str>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "process::a_worker", "--ignored", "--nocapture"])
            .env(DESCRIPTION, description)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(token) = token {
            command.env(TOKEN, token);
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, url) = line.split_once(LISTENS)?;
            Some(url.to_owned())
        });
        thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("the worker has ended"), _stdin: stdin }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it, so that its connections stay open and nobody answers.
    #[cfg(unix)]
    pub(crate) fn freeze(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "a process of the other tests"]
fn a_worker() {
    let Ok(description) = env::var(DESCRIPTION) else { return };
    let description = Description::from_yaml(&description).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let session = ApiSession::new().unwrap();
        session.add("public", &description).unwrap();
        let mut worker = SqlWorker::new(session);
        if let Ok(token) = env::var(TOKEN) {
            worker = worker.token(token.into());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{LISTENS}http://{}", listener.local_addr().unwrap());
        let (closed, stop) = oneshot::channel::<()>();
        thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            drop(closed);
        });
        let stop = async {
            let _ = stop.await;
        };
        worker.serve(listener, stop).await.unwrap();
    });
    std::process::exit(0);
}

//! Workers in processes of their own.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use vantage_api_cluster::Worker;

use crate::{
    api::{Api, kill},
    file::{Files, described, settings, soon},
};

/// Make a test the process of a worker.
const URL: &str = "APIPOOL_CLUSTER_URL";
const BASE: &str = "APIPOOL_CLUSTER_BASE";
const FILE: &str = "APIPOOL_CLUSTER_FILE";
const STREAM: &str = "APIPOOL_CLUSTER_STREAM";
const JOB: &str = "APIPOOL_CLUSTER_JOB";

/// The worker, in a process that is killed. Does nothing unless it is started as one.
#[tokio::test(flavor = "multi_thread")]
async fn worker() {
    let [Ok(url), Ok(base), Ok(file), Ok(stream), Ok(job)] =
        [URL, BASE, FILE, STREAM, JOB].map(env::var)
    else {
        return;
    };
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let worker = Worker::start(settings(&url), described(&base, &file, &stream, &job)).await;
    let worker = match worker {
        Ok(worker) => worker,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(3);
        }
    };
    // It ends with the process that has started it.
    let mut input = tokio::io::stdin();
    let mut byte = [0];
    tokio::select! {
        _ = input.read(&mut byte) => {}
        _ = terminated.recv() => worker.stop().await,
    }
    std::process::exit(0);
}

/// A process, killed when it is dropped.
pub(crate) struct Worked(Child);

impl Worked {
    /// Starts a worker, whose job `copy` has a stream with these lines.
    pub(crate) fn start(files: &Files, api: &Api, stream: &str) -> Self {
        Self::start_with(files, api, stream, "", &[])
    }

    pub(crate) fn start_with(
        files: &Files,
        api: &Api,
        stream: &str,
        job: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child::worker"])
            .envs([(URL, files.url()), (BASE, api.base_url())])
            .env(FILE, files.path("rows.db"))
            .envs([(STREAM, stream), (JOB, job)])
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub(crate) fn signal(&self, signal: i32) {
        kill(i32::try_from(self.0.id()).unwrap(), signal);
    }

    /// The end of its name in the cluster is random.
    pub(crate) fn named(&self) -> String {
        format!("%-{}-%", self.0.id())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Has it stop, and waits until it has. Its input stays open, whose end would end it as well.
    pub(crate) async fn stop(mut self) {
        self.signal(libc::SIGTERM);
        soon(async {
            while self.is_running() {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

impl Drop for Worked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

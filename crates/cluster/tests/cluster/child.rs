//! Workers in processes of their own.

use std::{
    env,
    process::{Child, Command, Stdio},
};

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};
use vantage_api_cluster::Worker;

use crate::{
    api::Api,
    database::{Database, description},
};

/// Make a test the process of a worker.
const URL: &str = "APIPOOL_CLUSTER_URL";
const BASE: &str = "APIPOOL_CLUSTER_BASE";

/// The worker, in a process that is killed. Does nothing unless it is started as one.
#[tokio::test]
async fn worker() {
    let [Ok(url), Ok(base)] = [URL, BASE].map(env::var) else { return };
    let description = description(&Api::at(&base), &url, "write: append");
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let worker = loop {
        // Its database may be down just now.
        match Worker::start(Database::at(&url).settings(), description.clone()).await {
            Ok(worker) => break worker,
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
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

/// Starts a worker in a process of its own.
pub(crate) fn start(api: &Api, database: &Database) -> Worked {
    start_with(api, database, &[])
}

/// The same, with other [settings](crate::database::setting).
pub(crate) fn start_with(api: &Api, database: &Database, settings: &[(&str, u64)]) -> Worked {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child::worker"])
        .envs([(URL, database.url.clone()), (BASE, api.base_url())])
        .envs(settings.iter().map(|(name, value)| (name, value.to_string())))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Worked(child)
}

/// A process, killed when it is dropped.
pub(crate) struct Worked(Child);

impl Worked {
    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn wait(&mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Worked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! Whole jobs into PostgreSQL: a sink that blocks beside an API that is awaited.

use std::{future::Future, thread, time::Duration};

use demo_api::{DemoApi, DemoOptions};
use tokio::{runtime::Builder, time::timeout};
use vantage_api_ingest::{Job, description::Reader, report::Outcome};

use crate::{
    database::{Database, PostgresSchema},
    server::Server,
};

const DESCRIPTION: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: cities
jobs:
  cities:
    sink: { postgres: "${DB}" }
    streams:
      - table: cities
        write: append
        commit: { rows: 50 }
"#;

fn job(api: &DemoApi, place: &str) -> Job {
    let description = Reader::new()
        .variable("BASE", api.base_url())
        .variable("ORIGIN", api.origin())
        .variable("DB", place)
        .read_yaml(DESCRIPTION)
        .unwrap();
    Job::new(&description, "cities").unwrap()
}

/// Waits on a runtime that no query runs on: those block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(180), future).await.expect("it ends") })
}

#[test]
fn a_job_goes_on_when_its_server_is_back() {
    let options = DemoOptions { latency: Duration::from_millis(50), ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
    let mut server = Server::start();
    let database = PostgresSchema::in_server(&server);
    let job = job(&api, database.config());
    let mut progress = job.progress();
    let restart = thread::spawn(move || {
        progress.blocking_recv().unwrap();
        server.stop_at_once();
        server.start_again();
        server
    });
    let report = wait(job.run());
    let _server = restart.join().unwrap();
    assert!(report.is_complete(), "{report}");
    let counted = &database.query("SELECT count(*), count(DISTINCT id) FROM cities")[0];
    let rows = Some(api.cities().len().to_string());
    assert_eq!(*counted, [rows.clone(), rows]);
}

#[test]
fn what_a_job_has_done_is_asked_for_and_forgotten() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let database = PostgresSchema::new();
    let job = job(&api, database.config());
    wait(async {
        assert!(job.last_run().await.unwrap().is_none());
        let report = job.run().await;
        assert!(report.is_complete(), "{report}");
        let states = job.status().await.unwrap();
        assert_eq!((states[0].1.run, states[0].1.is_finished), (1, true));
        assert!(job.last_run().await.unwrap().unwrap().is_complete());
        job.reset(None, true).await.unwrap();
        assert_eq!(job.status().await.unwrap()[0].1.run, 0);
    });
}

#[test]
fn a_server_that_lets_nobody_in_is_in_the_report() {
    let api = DemoApi::start(DemoOptions::default()).unwrap();
    let job = job(&api, &Server::shared().config("nobody_of_this_name"));
    wait(async {
        let report = job.run().await;
        let Outcome::Failed(error) = &report.streams[0].outcome else { panic!("{report}") };
        assert!(error.contains("nobody_of_this_name"), "{error}");
        assert!(job.status().await.is_err() && job.reset(None, false).await.is_err());
    });
}

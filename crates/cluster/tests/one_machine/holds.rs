//! Runs that are paused, cancelled and capped, and workers that stop.

use std::time::Duration;

use tokio::time::sleep;
use vantage_api_cluster::{Cluster, Error, RunState, Worker};

use crate::{
    api::Api,
    child::Worked,
    file::{Files, soon},
};

const SLOW: Duration = Duration::from_millis(60);

/// Which units somebody has.
const TAKEN: &str = "SELECT count(*) FROM _apipool_unit WHERE owner IS NOT NULL AND NOT done";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stands_still_and_goes_on_where_it_was() {
    let (api, files) = (Api::start(15_000, SLOW), Files::new());
    let all = files.description(&api, "write: append", "");
    let _workers = [
        Worked::start(&files, &api, "write: append"),
        Worked::start(&files, &api, "write: append"),
    ];
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    assert!(matches!(cluster.pause("copy").await, Err(Error::NoRun(_))));
    let run = cluster.begin(&all, "copy").await.unwrap();
    files.rows_reach(1).await;
    cluster.pause("copy").await.unwrap();
    assert_eq!(cluster.ended(run).await.unwrap(), Some(RunState::Paused));
    // What was read by then is committed; once no page is asked for any more, there is no more.
    let (mut asked, mut quiet) = (api.requests(), 0);
    soon(async {
        while quiet < 20 {
            sleep(SLOW).await;
            quiet = if api.requests() == asked { quiet + 1 } else { 0 };
            asked = api.requests();
        }
    })
    .await;
    let held = files.rows();
    assert!(held.0 < 15_000 && held.0 == held.1, "{held:?}");
    assert_eq!(files.number(TAKEN), 0);

    cluster.resume("copy").await.unwrap();
    files.rows_reach(held.0 + 1).await;
    cluster.cancel("copy").await.unwrap();
    assert_eq!(cluster.ended(run).await.unwrap(), Some(RunState::Cancelled));
    assert!(matches!(cluster.resume("copy").await, Err(Error::NoRun(_))));
    assert_eq!(cluster.begin(&all, "copy").await.unwrap(), run);
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (15_000, 15_000));
}

/// janbjorge/pgqueuer#474: what the dead had took a place for ever.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_a_cap_are_worked_on_and_the_dead_take_no_place() {
    let (api, files) = (Api::start(1_000, Duration::from_millis(20)), Files::new());
    let names = ["second", "third", "fourth", "fifth"];
    let more = names.map(|name| format!("}}, {{ table: items, name: {name}, write: append"));
    let all = files.description(&api, &format!("write: append {}", more.concat()), "");
    let cluster = Cluster::connect(&files.patient()).await.unwrap();
    assert!(matches!(cluster.cap("copy", Some(2)).await, Err(Error::NoJob(_))));
    assert!(matches!(cluster.cap("copy", Some(0)).await, Err(Error::Settings(_))));
    let run = cluster.begin(&all, "copy").await.unwrap();
    cluster.cap("copy", Some(2)).await.unwrap();
    files.change("UPDATE _apipool_unit SET owner = 'gone', since = 0 WHERE stream <> 'items'");
    let workers = [
        Worker::start(files.patient(), all.clone()).await.unwrap(),
        Worker::start(files.patient(), all.clone()).await.unwrap(),
    ];
    let mut most = 0;
    soon(async {
        let alive = "SELECT count(*) FROM _apipool_unit u JOIN _apipool_worker w ON w.id = u.owner";
        while files.number("SELECT count(*) FROM _apipool_unit WHERE NOT done") > 0 {
            most = most.max(files.number(alive));
            sleep(Duration::from_millis(3)).await;
        }
    })
    .await;
    assert!((1..=2).contains(&most), "{most} at a time");
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(cluster.overview().await.unwrap().runs[0].cap, Some(2));
    cluster.cap("copy", None).await.unwrap();
    assert_eq!(cluster.overview().await.unwrap().runs[0].cap, None);
    assert_eq!(files.rows(), (1_000, 1_000));
    for worker in workers {
        soon(worker.stop()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_hands_over_at_once_and_one_that_comes_later_finds_the_file() {
    let (api, files) = (Api::start(10_000, SLOW), Files::new());
    let all = files.description(&api, "write: append", "");
    // Nobody would be missed.
    let settings = files.patient();
    let first = Worker::start(settings.clone(), all.clone()).await.unwrap();
    let cluster = Cluster::connect(&settings).await.unwrap();
    let run = cluster.begin(&all, "copy").await.unwrap();
    files.rows_reach(1).await;
    let second = Worker::start(settings.clone(), all.clone()).await.unwrap();
    soon(first.stop()).await;
    let committed = files.rows().0;
    files.rows_reach(committed + 1).await;
    soon(second.stop()).await;
    // All have ended, and the run has not.
    drop(cluster);
    let cluster = Cluster::connect(&settings).await.unwrap();
    assert_eq!(cluster.overview().await.unwrap().runs[0].state, RunState::Running);
    let third = Worker::start(settings, all).await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    assert_eq!(files.rows(), (10_000, 10_000));
    soon(third.stop()).await;
}

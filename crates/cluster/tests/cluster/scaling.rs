//! What several processes are worth, and how soon others go on where one ends. On request only: a busy
//! machine shows other figures.

use std::time::{Duration, Instant};

use vantage_api_cluster::{Cluster, RunState};

use crate::{
    api::{Api, kill},
    child::{self, Worked},
    database::{COMMIT, Database, HEARTBEAT, IN_FLIGHT, PAGES, description, setting, soon},
};

const ROWS: u64 = 20_000;

/// How long so many processes need for 2,000 pages of an API, each with 16 requests in flight.
async fn time(processes: usize, latency: Duration) -> Duration {
    let (api, database) = (Api::in_pages(ROWS, 10, latency), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let settings = [(HEARTBEAT, 10_000), (PAGES, 50), (COMMIT, 500), (IN_FLIGHT, 16)];
    let _workers: Vec<Worked> =
        (0..processes).map(|_| child::start_with(&api, &database, &settings)).collect();
    let there = i64::try_from(processes).unwrap();
    database.reaches("SELECT count(*) FROM _apipool_worker", there).await;
    let begun = Instant::now();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    let took = begun.elapsed();
    assert_eq!(database.rows(), (ROWS as i64, ROWS as i64));
    println!("{processes}: {took:.2?}, {:.0} pages/s", 2_000.0 / took.as_secs_f64());
    took
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn two_processes_are_almost_twice_as_fast_as_one_and_four_more_than_three_times() {
    let latency = Duration::from_millis(setting("APIPOOL_LATENCY").unwrap_or(50));
    let one = time(1, latency).await;
    for (processes, least) in [(2, 1.8), (4, 3.2)] {
        let times = one.as_secs_f64() / time(processes, latency).await.as_secs_f64();
        println!("{processes} processes: {times:.2} times as fast as one");
        assert!(times >= least, "{times:.2} of {least}");
    }
}

/// How long it takes until another process, which is idle, has the four units of the first one, in
/// heartbeats.
async fn handed_over(signal: i32) -> f64 {
    const MILLIS: u64 = 4_000;
    let (api, database) = (Api::in_pages(800, 10, Duration::from_secs(1)), Database::new());
    let all = description(&api, &database.url, "write: append");
    let cluster = Cluster::connect(&database.patient()).await.unwrap();
    let settings = [(HEARTBEAT, MILLIS), (PAGES, 20)];
    let first = child::start_with(&api, &database, &settings);
    cluster.begin(&all, "copy").await.unwrap();
    let taken = "SELECT count(*) FROM _apipool_unit WHERE is_part AND owner IS NOT NULL";
    database.reaches(taken, 4).await;
    let _second = child::start_with(&api, &database, &settings);
    database.reaches("SELECT count(*) FROM _apipool_worker", 2).await;
    let own = database.query("SELECT owner FROM _apipool_unit WHERE is_part AND NOT done");
    assert_eq!(own.len(), 4, "the first one was too quick");
    let own: String = own[0].get(0);
    kill(first.id(), signal);
    let ended = Instant::now();
    let by_others =
        format!("SELECT count(*) FROM _apipool_unit WHERE is_part AND owner <> '{own}'");
    database.reaches(&by_others, 4).await;
    ended.elapsed().as_secs_f64() / Duration::from_millis(MILLIS).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn others_go_on_within_three_heartbeats_of_a_death_and_one_of_a_word() {
    let dead = handed_over(libc::SIGKILL).await;
    println!("killed: its units are with others after {dead:.2} heartbeats");
    assert!(dead <= 3.0, "{dead:.2}");
    let drained = handed_over(libc::SIGTERM).await;
    println!("drained: its units are with others after {drained:.2} heartbeats");
    assert!(drained < 1.0, "{drained:.2}");
}

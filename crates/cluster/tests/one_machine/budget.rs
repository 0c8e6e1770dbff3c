//! One budget for several processes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{task::JoinHandle, time::sleep};
use vantage_api_cluster::{Cluster, Member, RunState};
use vantage_api_pool::PoolConfig;

use crate::{
    api::Api,
    child::Worked,
    file::{Files, soon},
};

/// A member whose pool asks for pages as fast as it may, 16 at a time.
struct Asking {
    member: Member,
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

impl Asking {
    async fn start(api: &Api, files: &Files, rate_limit: &str) -> Self {
        let yaml =
            format!("base_url: {}\nworkers: 1\nmax_attempts: 1\n{rate_limit}", api.base_url());
        let config = PoolConfig::from_yaml(&yaml).unwrap();
        let member = Member::join(files.settings(), config).await.unwrap();
        let (sent, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let call = || {
            let (pool, sent, is_over) = (member.pool().clone(), sent.clone(), is_over.clone());
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    if pool.get("items?page=1").await.is_ok_and(|answer| answer.status() == 200) {
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let callers = (0..16).map(|_| call()).collect();
        Self { member, sent, is_over, callers }
    }

    async fn answers(&self, more: u64) {
        let enough = self.sent.load(Ordering::Relaxed) + more;
        soon(async {
            while self.sent.load(Ordering::Relaxed) < enough {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        join_all(self.callers).await;
        drop(self.member);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_keep_to_one_limit_and_one_goes_on_when_the_other_has_ended() {
    const LIMIT: f64 = 20.0;
    let (api, files) = (Api::start(100, Duration::from_millis(2)), Files::new());
    let began = Instant::now();
    let one = Asking::start(&api, &files, "rate_limit: 20").await;
    let other = Asking::start(&api, &files, "rate_limit: 20").await;
    // Each alone would send as many in half of the time. Blocks that were granted ahead are a part of
    // those of a second.
    let keeps_to_it = || {
        let (sent, most) = (api.requests() as f64, LIMIT * (began.elapsed().as_secs_f64() + 1.0));
        assert!(sent <= most, "{sent} requests, and no more than {most} are granted");
    };
    one.answers(1).await;
    other.answers(1).await;
    while api.requests() < 80 {
        one.answers(1).await;
        keeps_to_it();
    }
    soon(other.stop()).await;
    one.answers(15).await;
    keeps_to_it();
    soon(one.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_work_keep_to_the_limit_of_the_description() {
    let (api, files) = (Api::start(8_000, Duration::from_millis(2)), Files::new());
    let stream = "write: append }, { table: items, name: second, write: append";
    let (limited, all) = ("", files.description(&api, stream, ""));
    let cluster = Cluster::connect(&files.settings()).await.unwrap();
    files.change(&format!(
        "INSERT INTO _apipool_budget (key, told, told_until, granted, counted_since)
         VALUES ('{}', 20, 4000000000000000, 0, 0)",
        api.base_url()
    ));
    let start = || Worked::start_with(&files, &api, stream, limited, &[]);
    let _workers = [start(), start()];
    let began = Instant::now();
    let run = cluster.begin(&all, "copy").await.unwrap();
    assert_eq!(soon(cluster.ended(run)).await.unwrap(), Some(RunState::Complete));
    // 160 pages.
    let (requests, seconds) = (api.requests() as f64, began.elapsed().as_secs_f64());
    assert!(requests <= 20.0 * (seconds + 1.0), "{requests} requests in {seconds} s");
    assert_eq!(files.rows(), (8_000, 8_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_nobody_knows_holds_for_all_of_them_once_one_has_met_it() {
    let (api, files) = (Api::start(100, Duration::from_millis(2)), Files::new());
    api.limit(100.0);
    let one = Asking::start(&api, &files, "").await;
    let other = Asking::start(&api, &files, "").await;
    let limits = "SELECT count(*) FROM _apipool_budget WHERE peak IS NOT NULL";
    files.reaches(limits, 1).await;
    assert!(api.refused() > 0);
    for asking in [&one, &other] {
        asking.answers(50).await;
    }
    assert_eq!(files.number(limits), 1);
    soon(one.stop()).await;
    soon(other.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_one_is_told_holds_for_all() {
    let (api, files) = (Api::start(100, Duration::from_millis(2)), Files::new());
    api.tell_quota();
    let one = Asking::start(&api, &files, "").await;
    one.answers(10).await;
    files.reaches("SELECT count(told) FROM _apipool_budget", 1).await;
    let rate = files.number("SELECT CAST(round(told) AS INTEGER) FROM _apipool_budget");
    assert!((90..=110).contains(&rate), "{rate}");
    soon(one.stop()).await;
}

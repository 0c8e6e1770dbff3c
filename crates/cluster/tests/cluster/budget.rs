//! One budget for several processes. What depends on how busy the machine is, how much of a limit is used
//! and how it is shared, is measured on request only:
//! `crates/cluster/tests/cluster/run budget -- --ignored --nocapture`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{task::JoinHandle, time::sleep};
use vantage_api_cluster::{Cluster, Member};
use vantage_api_pool::PoolConfig;

use crate::{
    api::Api,
    database::{Database, soon},
    server::Server,
};

/// A member whose pool asks for pages as fast as it may, 16 at a time.
struct Asking {
    member: Member,
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

impl Asking {
    async fn start(api: &Api, database: &Database, rate_limit: &str) -> Self {
        let yaml =
            format!("base_url: {}\nworkers: 1\nmax_attempts: 1\n{rate_limit}", api.base_url());
        let config = PoolConfig::from_yaml(&yaml).unwrap();
        let member = Member::join(database.settings(), config).await.unwrap();
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

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        join_all(self.callers).await;
        drop(self.member);
    }
}

/// How many requests per second are answered over some time.
async fn rate(asking: &[&Asking], time: Duration) -> f64 {
    let sent = || asking.iter().map(|own| own.sent()).sum::<u64>();
    let (before, began) = (sent(), Instant::now());
    sleep(time).await;
    (sent() - before) as f64 / began.elapsed().as_secs_f64()
}

/// Waits for so many more answers.
async fn answers(asking: &Asking, more: u64) {
    let enough = asking.sent() + more;
    soon(async {
        while asking.sent() < enough {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_keep_to_one_limit_and_one_goes_on_when_the_other_has_ended() {
    const LIMIT: f64 = 20.0;
    let (api, database) = (Api::start(100, Duration::from_millis(2)), Database::new());
    let began = Instant::now();
    let one = Asking::start(&api, &database, "rate_limit: 20").await;
    let other = Asking::start(&api, &database, "rate_limit: 20").await;
    // Each alone would send as many in half of the time. Blocks that were granted ahead are a part of
    // those of a second.
    let keeps_to_it = || {
        let (sent, most) = (api.requests() as f64, LIMIT * (began.elapsed().as_secs_f64() + 1.0));
        assert!(sent <= most, "{sent} requests, and no more than {most} are granted");
    };
    answers(&one, 1).await;
    answers(&other, 1).await;
    while api.requests() < 100 {
        answers(&one, 1).await;
        keeps_to_it();
    }
    soon(other.stop()).await;
    answers(&one, 60).await;
    keeps_to_it();
    soon(one.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_nobody_knows_holds_for_all_of_them_once_one_has_met_it() {
    let (api, database) = (Api::start(100, Duration::from_millis(2)), Database::new());
    api.limit(100.0);
    let one = Asking::start(&api, &database, "").await;
    let other = Asking::start(&api, &database, "").await;
    let limits = "SELECT count(*) FROM _apipool_budget WHERE peak IS NOT NULL";
    database.reaches(limits, 1).await;
    assert!(api.refused() > 0);
    for asking in [&one, &other] {
        answers(asking, 50).await;
    }
    assert_eq!(database.number(limits), 1);
    soon(one.stop()).await;
    soon(other.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_and_quotas_wait_for_no_disk() {
    let (api, mut server) = (Api::start(100, Duration::from_millis(2)), Server::start());
    api.tell_quota();
    let database = Database::in_server(&server);
    drop(Cluster::connect(&database.settings()).await.unwrap());
    let key = api.base_url();
    database.query(&format!("INSERT INTO _apipool_budget (key, most) VALUES ('{key}', 20)"));
    // What waits for the disk waits for another server as well, from now on: for ever.
    database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.stop_at_once();
    server.start_again();
    let one = Asking::start(&api, &database, "rate_limit: 20").await;
    answers(&one, 40).await;
    database.reaches("SELECT count(told) FROM _apipool_budget", 1).await;
    answers(&one, 40).await;
    assert_eq!(database.number("SELECT count(*) FROM _apipool_budget"), 1);
    soon(one.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn two_pools_share_all_of_a_limit_and_the_one_that_is_left_has_it() {
    let (api, database) = (Api::start(100, Duration::from_millis(2)), Database::new());
    // So low that a busy machine keeps up with it.
    api.limit(20.0);
    let one = Asking::start(&api, &database, "rate_limit: 20").await;
    let other = Asking::start(&api, &database, "rate_limit: 20").await;
    sleep(Duration::from_secs(1)).await;
    let both = rate(&[&one, &other], Duration::from_secs(5)).await;
    println!(
        "both: {both}/s, of which {} and {}; {} refused",
        one.sent(),
        other.sent(),
        api.refused()
    );
    assert!((10.0..=22.0).contains(&both), "{both}");
    let (less, more) = (one.sent().min(other.sent()), one.sent().max(other.sent()));
    assert!(less * 4 > more, "{less} and {more}");
    soon(other.stop()).await;
    // Two heartbeats are 800 ms.
    sleep(Duration::from_millis(800)).await;
    let left = rate(&[&one], Duration::from_secs(3)).await;
    println!("one: {left}/s");
    // More than the half that it had.
    assert!((14.0..=22.0).contains(&left), "{left}");
    soon(one.stop()).await;
    assert!(api.refused() * 30 <= api.requests(), "{} were refused", api.refused());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_limit_that_nobody_knows_is_found_by_all_of_them() {
    let (api, database) = (Api::start(100, Duration::from_millis(2)), Database::new());
    api.limit(100.0);
    let one = Asking::start(&api, &database, "").await;
    let other = Asking::start(&api, &database, "").await;
    sleep(Duration::from_secs(15)).await;
    let refused = api.refused();
    let both = rate(&[&one, &other], Duration::from_secs(20)).await;
    let refused = (api.refused() - refused) as f64 / (both * 20.0);
    println!("both: {both}/s of 100/s, {:.2} % refused", refused * 100.0);
    assert!((60.0..=110.0).contains(&both), "{both}");
    assert!(refused < 0.03, "{refused}");
    soon(one.stop()).await;
    soon(other.stop()).await;
}

/// What the row of a budget says, with its last refusal so long ago.
fn curve(database: &Database, seconds: f64) -> i64 {
    // In one statement, in which no time passes.
    database.number(&format!(
        "UPDATE _apipool_budget b SET cut = clock_timestamp() - interval '{seconds} seconds'
         RETURNING round(_apipool_rate(b))::bigint"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_cuts_the_rate_which_goes_back_lingers_and_tries_for_more() {
    let database = Database::new();
    let _cluster = Cluster::connect(&database.settings()).await.unwrap();
    database.query("INSERT INTO _apipool_budget (key, peak) VALUES ('a', 1000)");
    assert!((850..=950).contains(&curve(&database, 0.0)));
    assert!((1_000..=1_050).contains(&curve(&database, 7.3)));
    assert!(curve(&database, 30.0) > 2_000);
    // An hour after that it is beyond all that is sent, and a refusal falls back on what is.
    database.query(
        "UPDATE _apipool_budget SET cut = now() - interval '1 hour',
             counted = 300, counted_since = clock_timestamp() - interval '2 seconds'",
    );
    database.query("SELECT _apipool_cut('a', 100, 0.01)");
    let peak = database.number("SELECT round(peak)::bigint FROM _apipool_budget");
    // 400 in two seconds, and a tenth more; less on a machine that takes its time.
    assert!((88..=220).contains(&peak), "{peak}");
    // One that was sent before then cuts nothing.
    database.query("SELECT _apipool_cut('a', 0, 3600)");
    assert_eq!(database.number("SELECT round(peak)::bigint FROM _apipool_budget"), peak);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_anything_was_measured_is_no_measure() {
    let database = Database::new();
    let _cluster = Cluster::connect(&database.settings()).await.unwrap();
    // However long it takes, it is in the first second.
    database.query(
        "INSERT INTO _apipool_budget (key, counted_since) VALUES ('a', now() + interval '1 hour')",
    );
    assert_eq!(database.number("SELECT count(permits) FROM _apipool_grant('a', 10)"), 0);
    database.query("SELECT _apipool_cut('a', 10, 0.01)");
    // At least what was accepted, and soon more.
    let rate = "SELECT round(_apipool_rate(b))::bigint FROM _apipool_budget b";
    assert!(database.number(rate) >= 10, "{}", database.number(rate));
    database.query("UPDATE _apipool_budget SET cut = cut - interval '6 seconds'");
    assert!(database.number(rate) >= 80, "{}", database.number(rate));
}

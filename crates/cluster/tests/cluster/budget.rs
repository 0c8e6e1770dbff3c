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
use vantage_api_cluster::{Cluster, Member};
use vantage_api_pool::PoolConfig;

use crate::{
    api::Api,
    database::{Database, soon},
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

#[tokio::test(flavor = "multi_thread")]
async fn two_pools_keep_to_one_limit_and_the_one_that_is_left_has_all_of_it() {
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
    database.query(&format!(
        "UPDATE _apipool_budget SET cut = clock_timestamp() - interval '{seconds} seconds'"
    ));
    database.number("SELECT round(_apipool_rate(b))::bigint FROM _apipool_budget b")
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

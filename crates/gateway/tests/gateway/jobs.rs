//! What jobs do, as the status tells it: asked once for all, and in the way of nothing.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    status::Watcher,
    support::{ADA, BOB, Served, closed, open, until},
};

const STATS: &str = "/api/v1/stats";

fn overview() -> Value {
    json!({ "workers": [], "runs": [{ "id": 1, "job": "<b>world</b>" }] })
}

/// The first of the jobs' states that is as wanted.
fn wait(watcher: &mut Watcher, is_wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..120 {
        let sample = watcher.sample();
        assert!(sample["gateway"]["routes"].is_array(), "{sample}");
        if is_wanted(&sample["jobs"]) {
            return sample["jobs"].clone();
        }
    }
    panic!("it did not come to that");
}

// A question for each viewer, or one while nobody looks, is a load of its own (OctopusDeploy/Issues#2850,
// pgadmin-org/pgadmin4#3649, garrytan/gbrain#5061, KeeperHub/keeperhub#2315).
#[test]
fn they_are_asked_for_once_for_all_who_look_and_not_before() {
    let asked = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&asked);
    let served = Served::start(open().jobs(move || {
        counts.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, ()>(overview()) }
    }));
    served.get("/api/v1/ready");
    served.get("/api/v1/status");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody looks");
    let mut watchers = [(); 4].map(|()| Watcher::open(&served));
    for _ in 0..3 {
        for watcher in &mut watchers {
            assert!(watcher.sample()["jobs"]["state"].is_string());
        }
    }
    let asked = asked.load(Ordering::Relaxed);
    // Its first sample is not an older than that.
    let (samples, _) = Watcher::open(&served).numbered();
    assert!((1..=samples).contains(&asked), "{asked} times for {samples} samples");
}

#[test]
fn one_who_asks_once_is_told_what_is_so_now() {
    let served = Served::start(open().jobs(|| async { Ok::<_, ()>(overview()) }));
    until(|| {
        let jobs = served.get(STATS).json()["jobs"].clone();
        if jobs["state"] == "known" {
            assert_eq!(jobs["overview"], overview());
        }
        jobs["state"] == "known"
    });
    let without = Served::start(open()).get(STATS).json();
    assert_eq!(without.get("jobs"), None);
}

#[test]
fn they_are_for_those_who_run_the_gateway() {
    let jobs = || async { Ok::<_, ()>(overview()) };
    let served = Served::start(closed().stats_roles(["editor"]).jobs(jobs));
    assert_eq!(served.get(STATS).status, 401);
    assert_eq!(served.send("GET", STATS, &[BOB], "").status, 403);
    assert!(served.send("GET", STATS, &[ADA], "").json()["jobs"].is_object());
}

#[test]
fn a_source_that_never_answers_delays_nothing_and_is_told() {
    let served = Served::start(open().jobs(future::pending::<Result<Value, ()>>));
    let mut watcher = Watcher::open(&served);
    assert_eq!(watcher.sample()["jobs"]["state"], "asking");
    let jobs = wait(&mut watcher, |jobs| jobs["state"] == "unavailable");
    assert_eq!((&jobs["overview"], &jobs["age"]), (&Value::Null, &Value::Null));
    assert_eq!(served.get(STATS).json()["jobs"]["state"], "unavailable");
    assert_eq!(served.get("/api/v1/ready").status, 200);
}

#[test]
fn a_source_that_fails_or_panics_is_told_with_what_was_known_and_asked_again() {
    let turn = Arc::new(AtomicU64::new(0));
    let now = Arc::clone(&turn);
    let served = Served::start(open().jobs(move || {
        let turn = now.load(Ordering::Relaxed);
        async move {
            match turn {
                0 | 3 => Ok(overview()),
                1 => Err("postgres://u:s3cret@h/d"),
                _ => panic!("s3cret"),
            }
        }
    }));
    let mut watcher = Watcher::open(&served);
    let known = wait(&mut watcher, |jobs| jobs["state"] == "known");
    assert_eq!(known["overview"], overview());
    for (number, state) in [(1, "unavailable"), (3, "known"), (2, "unavailable"), (3, "known")] {
        turn.store(number, Ordering::Relaxed);
        let told = wait(&mut watcher, |jobs| jobs["state"] == state);
        assert_eq!(told["overview"], overview());
        assert!(!told.to_string().contains("s3cret"));
        assert!(told["age"].as_f64().unwrap() >= 0.0);
    }
}

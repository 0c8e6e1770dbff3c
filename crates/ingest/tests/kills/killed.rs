//! A job whose process is killed at random moments, again and again, until it has ended.

use std::{
    collections::BTreeSet,
    env,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use demo_api::{DemoApi, DemoOptions};
use fastrand::Rng;
use vantage_api_ingest::{Job, description::Reader};

/// How many pages a read has in flight; of how many more a commit has rows, and as many may wait for
/// it; the one that is being decoded, and the request for a token.
const UNCOMMITTED: u64 = 8 + 5 + 5 + 2;
/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(180);

const DESCRIPTION: &str = r#"
api:
  base_url: "${BASE}"
  auth: { oauth2: { token_url: "${ORIGIN}/token", client_id: demo, client_secret: demo } }
tables:
  - name: cities
jobs:
  cities:
    sink: { ${KIND}: "${PLACE}" }
    streams:
      - table: cities
        write: append
        commit: { rows: 50 }
"#;
/// Makes a test the process with the job: the key of its sink, and the value.
const KIND: &str = "INGEST_KILLS_KIND";
const PLACE: &str = "INGEST_KILLS_PLACE";
const BASE: &str = "INGEST_KILLS_BASE";
const ORIGIN: &str = "INGEST_KILLS_ORIGIN";

/// A sink that is new.
pub(crate) struct New {
    /// What follows its key in the description.
    pub(crate) place: String,
    /// The ids of the rows that are there.
    pub(crate) ids: Box<dyn Fn() -> Vec<i64>>,
}

fn job(kind: &str, place: &str, base: &str, origin: &str) -> Job {
    let reader = Reader::new().variable("PLACE", place).variable("BASE", base);
    let yaml = DESCRIPTION.replace("${KIND}", kind);
    let description = reader.variable("ORIGIN", origin).read_yaml(&yaml).unwrap();
    Job::new(&description, "cities").unwrap()
}

/// The job, in a process that is killed. Does nothing unless it is started as one.
pub(crate) async fn run() {
    let [Ok(kind), Ok(place), Ok(base), Ok(origin)] = [KIND, PLACE, BASE, ORIGIN].map(env::var)
    else {
        return;
    };
    let report = job(&kind, &place, &base, &origin).run().await;
    assert!(report.is_complete(), "{report}");
}

/// Whether the run of a job has ended, though its process perhaps has not.
fn has_ended(api: &DemoApi, kind: &str, place: &str) -> bool {
    let job = job(kind, place, &api.base_url(), &api.origin());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(job.status()).unwrap().iter().all(|(_, state)| state.is_finished)
}

/// Kills jobs into sinks of a kind, whose process runs `test`, and checks that every row is there once.
pub(crate) fn kill_again_and_again(test: &str, kind: &str, new: impl Fn() -> New) {
    let kills = setting("APIPOOL_KILLS").unwrap_or(10);
    let seed = setting("APIPOOL_SEED").unwrap_or_else(|| fastrand::u64(..10_000));
    println!("{kind}: seed {seed}");
    let mut dice = Rng::with_seed(seed);
    let options = DemoOptions { latency: Duration::from_millis(20), ..DemoOptions::default() };
    let api = DemoApi::start(options).unwrap();
    let rows = api.cities().len();
    let pages = rows.div_ceil(10) as u64;
    let mut killed = 0;
    while killed < kills {
        let sink = new();
        let start = || start(test, &api, kind, &sink.place);
        let (asked, before) = (api.requests(), killed);
        let mut child = start();
        let began = Instant::now();
        loop {
            // Some die before they have begun, most in the middle of a read or a commit.
            thread::sleep(Duration::from_millis(dice.u64(0..400)));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{kind}, seed {seed}");
                break;
            }
            if killed < kills {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
                if has_ended(&api, kind, &sink.place) {
                    // Another run would append all of them once more.
                    break;
                }
                check(&(sink.ids)(), None, seed);
                child = start();
            }
            assert!(began.elapsed() < PATIENCE, "{kind}, seed {seed}: it never ends");
        }
        check(&(sink.ids)(), Some(rows), seed);
        let again = api.requests() - asked - pages;
        let most = (killed - before) * UNCOMMITTED;
        println!("{} kills, {again} of {pages} pages asked for again", killed - before);
        assert!(again <= most, "{kind}, seed {seed}: {again} pages were asked for again");
    }
}

fn start(test: &str, api: &DemoApi, kind: &str, place: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test])
        .envs([(KIND, kind), (PLACE, place)])
        .envs([(BASE, api.base_url()), (ORIGIN, api.origin())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Checks that no row is there twice, and that there are so many.
fn check(ids: &[i64], rows: Option<usize>, seed: u64) {
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), different.len(), "seed {seed}: rows are doubled");
    if let Some(rows) = rows {
        assert_eq!(ids.len(), rows, "seed {seed}: rows are lost");
    }
}

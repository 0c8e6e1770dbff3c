//! A job that reads the newest rows first and appends them. It writes the newest ones first, so that a
//! kill leaves older ones out, and rows that come meanwhile push those that it has read onto later pages.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use rusqlite::Connection;
use serde_json::json;
use vantage_api_ingest::{Job, description::Reader};

use crate::killed::setting;

const PATIENCE: Duration = Duration::from_secs(300);
const PAGE: usize = 10;
/// The rows of the first run, and of the one that is killed.
const FIRST: usize = 200;
const LATER: usize = 1200;

/// Makes a test the process with the job: its database, and the API.
const DB: &str = "INGEST_NEWEST_DB";
const BASE: &str = "INGEST_NEWEST_BASE";

const DESCRIPTION: &str = "
api: { base_url: '${BASE}' }
tables:
  - { name: rows, id: id }
jobs:
  copy:
    sink: { sqlite: '${DB}' }
    streams:
      - table: rows
        write: append
        incremental: { field: at, order: newest_first, format: unix }
        prefetch: 2
        commit: { rows: 20 }
";

fn job(db: &Path, base: &str) -> Job {
    let reader = Reader::new().variable("DB", db.to_str().unwrap()).variable("BASE", base);
    Job::new(&reader.read_yaml(DESCRIPTION).unwrap(), "copy").unwrap()
}

#[tokio::test]
async fn child() {
    let [Ok(db), Ok(base)] = [DB, BASE].map(env::var) else { return };
    let report = job(Path::new(&db), &base).run().await;
    assert!(report.is_complete(), "{report}");
    assert!(!report.to_string().contains("newest first"), "{report}");
}

/// Serves rows 1 to `last`, the newest first; returns where.
fn serve(last: &Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let last = Arc::clone(last);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let last = Arc::clone(&last);
            // A client that was killed does not mind.
            thread::spawn(move || stream.and_then(|stream| answer(&stream, &last)));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: &TcpStream, last: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let page = request.split_once("page=").map_or("1", |(_, rest)| rest);
        let digits = page.find(|c: char| !c.is_ascii_digit()).unwrap_or(page.len());
        let page: usize = page[..digits].parse().unwrap();
        // So that a kill comes in the middle of a read.
        thread::sleep(Duration::from_millis(10));
        let last = last.load(Ordering::SeqCst);
        let rows = (1..=last).rev().skip((page - 1) * PAGE).take(PAGE);
        let rows: Vec<_> =
            rows.map(|id| json!({ "id": id, "at": 1_700_000_000 + id / 3 })).collect();
        let body = json!({ "data": rows, "pagination": { "total": last } }).to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
    Ok(())
}

fn ids(db: &Path) -> Vec<usize> {
    let db = Connection::open(db).unwrap();
    let mut ids = db.prepare("SELECT id FROM rows ORDER BY id").unwrap();
    let ids = ids.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    ids.map(|id| usize::try_from(id.unwrap()).unwrap()).collect()
}

fn run(db: &Path, base: &str) {
    let status = start(db, base).wait().unwrap();
    assert!(status.success());
}

fn start(db: &Path, base: &str) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "newest_first::child"])
        .envs([(DB, db.to_str().unwrap()), (BASE, base)])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_kill_leaves_neither_a_gap_nor_doubles() {
    let kills = setting("APIPOOL_KILLS").unwrap_or(10);
    let seed = setting("APIPOOL_SEED").unwrap_or_else(|| fastrand::u64(..10_000));
    println!("newest first: seed {seed}");
    let mut dice = Rng::with_seed(seed);
    let mut killed = 0;
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("copy.db");
        let last = Arc::new(AtomicUsize::new(FIRST));
        let base = serve(&last);
        run(&db, &base);
        last.store(LATER, Ordering::SeqCst);
        let began = Instant::now();
        loop {
            let mut child = start(&db, &base);
            thread::sleep(Duration::from_millis(dice.u64(0..900)));
            let is_over = child.try_wait().unwrap().is_some();
            if is_over || killed == kills {
                assert!(child.wait().unwrap().success(), "seed {seed}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            let now = ids(&db);
            assert!(now.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: {now:?}");
            // They push what was read onto other pages.
            last.fetch_add(dice.usize(0..25), Ordering::SeqCst);
            assert!(began.elapsed() < PATIENCE, "seed {seed}: it never ends");
        }
        run(&db, &base);
        let expected: Vec<usize> = (1..=last.load(Ordering::SeqCst)).collect();
        assert_eq!(ids(&db), expected, "seed {seed}");
    }
}

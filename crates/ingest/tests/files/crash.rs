//! A process that is killed while it commits leaves whole commits and nothing else.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use vantage_api_ingest::{
    description::WriteMode,
    sink::{FileFormat, Reject, Sink},
    state::StreamState,
};

use crate::support::{
    FORMATS, assert_no_stray_items, assert_no_strays, commit_with, files, ids, ids_batch, items,
    listed, next_row, read_ndjson, state_at,
};

const TEST: &str = "crash::a_process_that_is_killed_leaves_whole_commits";
/// Makes the test the process that commits: the folder.
const FOLDER: &str = "INGEST_FILES_FOLDER";
/// Which seed the process goes by, and which process in the folder it is.
const SEED: &str = "INGEST_FILES_SEED";
const LIFE: &str = "INGEST_FILES_LIFE";
/// What the process says after each commit.
const COMMITTED: &str = "committed";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many processes in a row are killed in one folder.
const LIVES: u64 = 3;
/// How many rows a run has that replaces the table.
const ROWS_OF_RUN: i64 = 400;
/// How far the numbers of rows of one run are from those of the next.
const OF_RUN: i64 = 1_000_000;

/// What a seed stands for.
struct Plan {
    rng: Rng,
    format: FileFormat,
    mode: WriteMode,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let mode = if seed.is_multiple_of(2) { WriteMode::Append } else { WriteMode::Replace };
        Self { rng: Rng::with_seed(seed), format: FORMATS[(seed / 2 % 3) as usize], mode }
    }
}

#[test]
fn a_process_that_is_killed_leaves_whole_commits() {
    if let Some(folder) = env::var_os(FOLDER) {
        let number = |name| env::var(name).unwrap().parse().unwrap();
        return commit_until_killed(Path::new(&folder), number(SEED), number(LIFE));
    }
    let first = fastrand::u64(..u64::MAX / 2);
    for seed in first..first + kills() {
        eprintln!("seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let mut plan = Plan::of(seed);
        for life in 0..LIVES {
            let child = Process::start(folder.path(), seed, life);
            child.wait_for_commits(plan.rng.u32(1..15));
            thread::sleep(Duration::from_micros(plan.rng.u64(..3000)));
            drop(child);
            check(folder.path(), &plan);
        }
    }
}

/// How many processes are killed: `APIPOOL_KILLS`, or ten.
fn kills() -> u64 {
    env::var("APIPOOL_KILLS").map_or(10, |kills| kills.parse().unwrap())
}

/// Rows carry the number of their run.
fn rows_of(run: u64, rows: std::ops::Range<i64>) -> impl Iterator<Item = i64> {
    let base = i64::try_from(run).unwrap() * OF_RUN;
    rows.map(move |row| base + row)
}

/// The child table that has the items of a run: each begins one.
fn items_of(run: u64) -> String {
    format!("cities_items{run}")
}

/// What the process does.
fn commit_until_killed(folder: &Path, seed: u64, life: u64) {
    let Plan { format, mode, .. } = Plan::of(seed);
    let mut rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(life));
    let mut sink = files(folder, format, mode);
    let mut state = sink.open().unwrap();
    let mut rejected = rejected(&state);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let begins = state.run == 0 || state.is_finished;
        let run = if begins { state.run + 1 } else { state.run };
        let from = if begins { 0 } else { next_row(&state) };
        let to = (from + rng.i64(1..100)).min(ROWS_OF_RUN);
        let rejects = vec![reject(); rng.usize(..3)];
        rejected += rejects.len() as u64;
        let batches = [ids_batch(rows_of(run, from..to))];
        state = state_at(run, to == ROWS_OF_RUN, to);
        state.units[0].counts.rejected = rejected;
        let (last, own) = (items_of(run - 1), items_of(run));
        let parents: Vec<i64> = rows_of(run, from..to).collect();
        let children = [(&*last, vec![]), (&*own, parents)];
        commit_with(&mut sink, &batches, &children, &rejects, &state).unwrap();
        writeln!(io::stdout(), "{COMMITTED} {run} {to}").unwrap();
    }
}

fn reject() -> Reject {
    Reject { reason: "it has no key".into(), row: "{}".into() }
}

fn rejected(state: &StreamState) -> u64 {
    state.units.values().map(|unit| unit.counts.rejected).sum()
}

/// Checks that the files have the rows that the state speaks of.
fn check(folder: &Path, plan: &Plan) {
    let state = files(folder, plan.format, plan.mode).open().unwrap();
    let (run, rows) = (state.run, 0..next_row(&state));
    assert!(run > 0);
    let full = |run| rows_of(run, 0..ROWS_OF_RUN);
    let (parts, pending): (Vec<_>, Vec<_>) = match plan.mode {
        WriteMode::Append => ((1..run).flat_map(full).chain(rows_of(run, rows)).collect(), vec![]),
        _ if state.is_finished => (full(run).collect(), vec![]),
        _ => {
            let last = (run > 1).then(|| full(run - 1)).into_iter().flatten();
            (last.collect(), rows_of(run, rows).collect())
        }
    };
    assert_eq!(ids(folder, "parts"), parts);
    assert_eq!(ids(folder, "pending"), pending);
    // That of the next run may have been begun.
    for run in 1..=state.run + 1 {
        let table = items_of(run);
        for (list, rows) in [("parts", &parts), ("pending", &pending)] {
            let is_own = |row: &&i64| u64::try_from(**row / OF_RUN).unwrap() == run;
            let expected: Vec<_> = rows.iter().filter(is_own).copied().collect();
            assert_eq!(items(folder, &table, list), expected, "{table}");
        }
        assert_no_stray_items(folder, &table);
    }
    let lines =
        listed(folder, "rejects").iter().map(|file| read_ndjson(file).len() as u64).sum::<u64>();
    assert_eq!(lines, rejected(&state));
    assert_no_strays(folder);
}

/// A process that commits.
struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    fn start(folder: &Path, seed: u64, life: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, folder)
            .env(SEED, seed.to_string())
            .env(LIFE, life.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            // It ends with the process, or with whoever listens.
            for line in stdout.lines().map_while(Result::ok) {
                if line.contains(COMMITTED) && sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn wait_for_commits(&self, commits: u32) {
        for _ in 0..commits {
            self.lines.recv_timeout(PATIENCE).expect("the process commits");
        }
    }
}

impl Drop for Process {
    /// Kills it, with no chance to do anything about it.
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

//! Processes that are killed, and servers that are stopped, while rows are committed: the rows are
//! those that the state speaks of.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use vantage_api_ingest::{
    description::WriteMode::{self, Append, Merge, Replace, Sync},
    schema::ColumnType::{Int, Text},
    sink::{Child as ChildTable, Sink, SinkError},
    state::StreamState,
};

use crate::{
    database::{Database, PostgresSchema, SqliteFile},
    server::Server,
    support::{batch, cities, commit, commit_children, ended, ints, schema, state, texts, written},
};

const TEST: &str = "crash::the_process_that_is_killed";
/// Makes that test the process that commits: which database it is, where, and the way to write.
const KIND: &str = "INGEST_DATABASE_KIND";
const PLACE: &str = "INGEST_DATABASE_PLACE";
const MODE: &str = "INGEST_DATABASE_MODE";
const SEED: &str = "INGEST_DATABASE_SEED";
/// Lets that process end with an error that may pass.
const ENDS: &str = "INGEST_DATABASE_ENDS";
/// What the process says after each commit.
const COMMITTED: &str = "committed";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);
const MODES: [WriteMode; 4] = [Append, Merge, Replace, Sync];

fn rows_of(run: u64) -> u64 {
    200 + run * 37 % 100
}

/// The value of a row of a run.
fn value(run: u64, id: u64) -> u64 {
    run * 1_000_000 + id
}

/// The items of a row: its id, their places and their values.
fn items_of(id: u64, value: u64) -> impl Iterator<Item = [u64; 3]> {
    (0..value % 3).map(move |index| [id, index, value])
}

/// Commits a few rows after those of `before` with their items, and returns the state then.
fn commit_some(
    sink: &mut dyn Sink,
    before: &StreamState,
    rng: &mut Rng,
) -> Result<StreamState, SinkError> {
    let begins = before.run == 0 || before.is_finished;
    let (run, from) = if begins { (before.run + 1, 0) } else { (before.run, written(before)) };
    let to = (from + rng.u64(1..120)).min(rows_of(run));
    let columns = schema(&[("id", Int), ("value", Int)]);
    let after =
        if to == rows_of(run) { ended(run, &columns, to) } else { state(run, &columns, to) };
    let ids = ints((from..to).map(|id| id as i64));
    let values = ints((from..to).map(|id| value(run, id) as i64));
    let rows = batch(&[("id", ids), ("value", values)]);
    let below = schema(&[("_cities_id", Int), ("_index", Int), ("value", Int)]);
    let items: Vec<_> = (from..to).flat_map(|id| items_of(id, value(run, id))).collect();
    let column = |number: usize| ints(items.iter().map(move |item| item[number] as i64));
    let items = [batch(&[("_cities_id", column(0)), ("_index", column(1)), ("value", column(2))])];
    let children = [ChildTable::new("cities_items", &below, &items)];
    commit_children(sink, &after, &[rows], &children)?;
    Ok(after)
}

/// The rows that there are after the commit of a state.
fn expected(mode: WriteMode, state: &StreamState) -> Vec<(u64, u64)> {
    let of = |run: u64, to: u64| (0..to).map(move |id| (id, value(run, id)));
    let whole = |run: u64| of(run, rows_of(run));
    let (run, to) = (state.run, written(state));
    let current = of(run, to);
    match mode {
        Append => {
            let mut rows: Vec<_> = (1..run).flat_map(whole).chain(current).collect();
            rows.sort_unstable();
            rows
        }
        Merge => {
            let rows: BTreeMap<_, _> = (1..run).flat_map(whole).chain(current).collect();
            rows.into_iter().collect()
        }
        Replace if state.is_finished => current.collect(),
        Replace if run == 1 => Vec::new(),
        Replace => whole(run - 1).collect(),
        Sync if state.is_finished || run == 1 => current.collect(),
        _ => current.chain(whole(run - 1).skip(to as usize)).collect(),
    }
}

/// Checks the rows and their items against the state.
fn check(database: &dyn Database, mode: WriteMode, state: &StreamState) {
    let is_there = mode != Replace || state.run > 1 || state.is_finished;
    let query = |sql: &str| if is_there { numbers(database, sql) } else { Vec::new() };
    let place = format!("{mode:?}, run {}, {}", state.run, written(state));
    let rows = expected(mode, state);
    let items = rows.iter().flat_map(|(id, value)| items_of(*id, *value));
    let items: Vec<Vec<u64>> = items.map(Vec::from).collect();
    let rows: Vec<Vec<u64>> = rows.iter().map(|(id, value)| vec![*id, *value]).collect();
    assert!(state.run > 0);
    assert_eq!(query("SELECT id, value FROM cities ORDER BY id, value"), rows, "{place}");
    let found = query(
        "SELECT _cities_id, _index, value FROM cities_items ORDER BY _cities_id, value, _index",
    );
    assert_eq!(found, items, "{place}");
}

fn numbers(database: &dyn Database, sql: &str) -> Vec<Vec<u64>> {
    let number = |value: &Option<String>| value.as_deref().unwrap().parse::<u64>().unwrap();
    database.query(sql).iter().map(|row| row.iter().map(number).collect()).collect()
}

#[test]
fn the_process_that_is_killed() {
    let Some(kind) = env::var_os(KIND) else { return };
    let place = env::var(PLACE).unwrap();
    let database: Box<dyn Database> = match kind.to_str() {
        Some("sqlite") => Box::new(SqliteFile::at(&place)),
        _ => Box::new(PostgresSchema::at(&place)),
    };
    let number = |name| env::var(name).unwrap().parse::<u64>().unwrap();
    let mut rng = Rng::with_seed(number(SEED));
    let mut sink = database.sink(cities(MODES[number(MODE) as usize]));
    let mut state = sink.open().unwrap();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        state = match commit_some(&mut *sink, &state, &mut rng) {
            Err(error) if env::var_os(ENDS).is_some() && !error.is_lasting() => return,
            committed => committed.unwrap(),
        };
        writeln!(io::stdout(), "{COMMITTED}").unwrap();
    }
}

/// How many processes are killed: `APIPOOL_KILLS`, or ten.
fn kills() -> u64 {
    env::var("APIPOOL_KILLS").map_or(10, |kills| kills.parse().unwrap())
}

/// Kills processes that commit, one after another, and checks what each has left.
fn kill_processes(kind: &str, new: fn() -> Box<dyn Database>) {
    let first = fastrand::u64(..u64::MAX / 2);
    let databases: Vec<_> = MODES.iter().map(|_| new()).collect();
    for seed in first..first + kills() {
        eprintln!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mode = (seed % 4) as usize;
        let database = &*databases[mode];
        let child = Process::start(kind, &database.place(), mode, seed);
        child.wait_for_commits(rng.u32(1..12));
        thread::sleep(Duration::from_micros(rng.u64(..8000)));
        drop(child);
        let state = database.sink(cities(MODES[mode])).open().unwrap();
        check(database, MODES[mode], &state);
    }
}

#[test]
fn a_process_that_is_killed_leaves_whole_commits_in_sqlite() {
    kill_processes("sqlite", || Box::new(SqliteFile::new()));
}

#[test]
fn a_process_that_is_killed_leaves_whole_commits_in_postgres() {
    kill_processes("postgres", || Box::new(PostgresSchema::new()));
}

#[test]
fn a_disk_that_is_full_is_waited_for() {
    for (mode, number) in MODES.into_iter().zip(0_u32..) {
        let file = SqliteFile::new();
        // A file that cannot grow looks like a disk that is full.
        let limited = ["-c", "trap '' XFSZ; ulimit -f 600; exec \"$@\"", "sh"];
        let output = Command::new("sh")
            .args(limited)
            .arg(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .envs([(KIND, "sqlite"), (PLACE, file.path().to_str().unwrap()), (ENDS, "1")])
            .envs([(MODE, number.to_string()), (SEED, "1".into())])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(COMMITTED), "{output:?}");
        let mut sink = file.sink(cities(mode));
        let state = sink.open().unwrap();
        check(&file, mode, &state);
        let after = commit_some(&mut *sink, &state, &mut Rng::with_seed(2)).unwrap();
        check(&file, mode, &after);
    }
}

#[test]
fn a_full_disk_of_a_server_is_waited_for() {
    let server = Server::start();
    let database = PostgresSchema::in_server(&server);
    let mut rng = Rng::with_seed(1);
    // Neither compressed nor in a file of the log, each of which has 16 MiB.
    let mut large = |rows: u32| -> Vec<String> {
        let mut text = || (0..1 << 20).map(|_| rng.alphanumeric()).collect();
        (0..rows).map(|_| text()).collect()
    };
    let columns = schema(&[("id", Int), ("value", Text)]);
    for mode in MODES {
        let mut sink = database.sink(cities(mode));
        sink.open().unwrap();
        let rows = |ids: std::ops::Range<u64>, values: &[String]| {
            let ids = ints(ids.map(|id| id as i64));
            batch(&[("id", ids), ("value", texts(values.iter().map(String::as_str)))])
        };
        let few = large(2);
        commit(&mut *sink, &state(1, &columns, 2), &[rows(0..2, &few)]).unwrap();
        // It has no room for half a page more.
        server.limit_files("17829888");
        assert_eq!(sink.open().unwrap(), state(1, &columns, 2));
        let many = large(24);
        let rest = rows(2..26, &many);
        let refused = commit(&mut *sink, &ended(1, &columns, 26), std::slice::from_ref(&rest));
        assert!(!refused.unwrap_err().is_lasting(), "{mode:?}");
        server.limit_files("unlimited");
        assert_eq!(sink.open().unwrap(), state(1, &columns, 2));
        commit(&mut *sink, &ended(1, &columns, 26), &[rest]).unwrap();
        let count = database.query("SELECT count(*), count(DISTINCT value) FROM cities");
        assert_eq!(count, [[Some("26".to_owned()), Some("26".to_owned())]], "{mode:?}");
        sink.reset(true).unwrap();
    }
}

#[test]
fn a_server_that_is_stopped_leaves_whole_commits() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut server = Server::start();
    let databases: Vec<_> = MODES.iter().map(|_| PostgresSchema::in_server(&server)).collect();
    let (committed, commits) = mpsc::channel();
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for (database, mode) in databases.iter().zip(MODES) {
            let (committed, ends, seed) = (committed.clone(), &ends, rng.u64(..));
            scope.spawn(move || commit_until(database, mode, ends, &committed, seed));
        }
        for _ in 0..5 {
            // Those of before the server was stopped as well.
            while commits.try_recv().is_ok() {}
            for _ in 0..rng.u32(5..40) {
                commits.recv_timeout(PATIENCE).expect("rows are committed");
            }
            thread::sleep(Duration::from_micros(rng.u64(..8000)));
            server.stop_at_once();
            server.start_again();
        }
        ends.store(true, Ordering::Relaxed);
    });
    for (database, mode) in databases.iter().zip(MODES) {
        let state = database.sink(cities(mode)).open().unwrap();
        assert!(state.run > 0);
        check(database, mode, &state);
    }
}

/// Commits, and opens the sink again after each error, until told to end.
fn commit_until(
    database: &PostgresSchema,
    mode: WriteMode,
    ends: &AtomicBool,
    committed: &mpsc::Sender<()>,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    let mut sink = database.sink(cities(mode));
    let start = Instant::now();
    let mut last = None;
    while !ends.load(Ordering::Relaxed) {
        assert!(start.elapsed() < PATIENCE, "{last:?}");
        let mut state = sink.open();
        while !ends.load(Ordering::Relaxed) {
            let after = state.and_then(|state| commit_some(&mut *sink, &state, &mut rng));
            state = match after {
                Ok(after) => {
                    let _ = committed.send(());
                    Ok(after)
                }
                Err(error) => {
                    assert!(!error.is_lasting(), "{error:?}");
                    last = Some(error);
                    break;
                }
            };
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A process that commits.
struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    fn start(kind: &str, place: &str, mode: usize, seed: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(KIND, kind)
            .env(PLACE, place)
            .env(MODE, mode.to_string())
            .env(SEED, seed.to_string())
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

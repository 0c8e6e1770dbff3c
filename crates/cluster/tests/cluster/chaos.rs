//! Workers that are killed, frozen and cut off at random, until enough was done to them: every row is
//! there once.

use std::{
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use vantage_api_cluster::{Cluster, RunState};

use crate::{
    api::{Api, kill},
    child::{self, Worked},
    database::{Database, PATIENCE, description, runtime, setting},
    server::Server,
};

const ROWS: u64 = 120_000;

/// How many pages a process may have read and not committed: those in flight on its eight connections,
/// and for each of its four slots those of a commit, as many that wait for it, and the ones that are
/// decoded.
const UNCOMMITTED: u64 = 8 + 4 * (2 + 2 + 2);

/// What is done to workers.
struct Chaos {
    server: Server,
    api: Api,
    database: Database,
    workers: Vec<Worked>,
    /// Those that are frozen, and until when.
    frozen: Vec<(usize, Instant)>,
    dice: Rng,
    /// For how many processes pages may be asked for again.
    losses: u64,
}

impl Chaos {
    fn thaw(&mut self, all: bool) {
        let now = Instant::now();
        for (place, until) in std::mem::take(&mut self.frozen) {
            if all || until <= now {
                kill(self.workers[place].id(), libc::SIGCONT);
            } else {
                self.frozen.push((place, until));
            }
        }
    }

    fn inject(&mut self) -> &'static str {
        let place = self.dice.usize(..self.workers.len());
        let is_frozen = self.frozen.iter().any(|(frozen, _)| *frozen == place);
        match self.dice.u8(..11) {
            0..4 if !is_frozen => {
                self.losses += 1;
                self.workers[place] = child::start(&self.api, &self.database);
                "killed"
            }
            4..8 if !is_frozen => {
                self.losses += 1;
                kill(self.workers[place].id(), libc::SIGSTOP);
                let time = Duration::from_millis(self.dice.u64(500..3_000));
                self.frozen.push((place, Instant::now() + time));
                "frozen"
            }
            8 => {
                self.losses += self.workers.len() as u64;
                self.server.stop_at_once();
                thread::sleep(Duration::from_millis(self.dice.u64(..500)));
                self.server.start_again();
                "database restarted"
            }
            9 => {
                self.api.set_down(true);
                thread::sleep(Duration::from_millis(self.dice.u64(200..1_500)));
                self.api.set_down(false);
                // What fails again and again is given up, with the pages that came meanwhile.
                self.losses += self.workers.len() as u64;
                "API down"
            }
            10 if !is_frozen => {
                self.losses += 1;
                kill(self.workers[place].id(), libc::SIGTERM);
                self.workers[place].wait();
                self.workers[place] = child::start(&self.api, &self.database);
                "drained"
            }
            _ => {
                kill(self.workers[place].id(), libc::SIGKILL);
                self.workers[place].wait();
                self.frozen.retain(|(frozen, _)| *frozen != place);
                self.losses += 1;
                self.workers[place] = child::start(&self.api, &self.database);
                "killed while frozen"
            }
        }
    }
}

/// Does so many things to workers, in as many runs as that takes.
fn hold_out(processes: usize, injections: u64) {
    let seed = setting("APIPOOL_SEED").unwrap_or_else(|| fastrand::u64(..10_000));
    println!("{processes} processes, {injections} injections, seed {seed}");
    let mut dice = Rng::with_seed(seed);
    let mut injected = 0;
    while injected < injections {
        let server = Server::start();
        let database = Database::in_server(&server);
        let api = Api::start(ROWS, Duration::from_millis(100));
        let all = description(&api, &database.url, "write: append");
        let begin = async {
            let cluster = Cluster::connect(&database.settings()).await.unwrap();
            cluster.begin(&all, "copy").await.unwrap()
        };
        let run = runtime().block_on(begin);
        let workers = (0..processes).map(|_| child::start(&api, &database)).collect();
        let (frozen, own) = (Vec::new(), dice.fork());
        let mut chaos = Chaos { server, api, database, workers, frozen, dice: own, losses: 0 };
        let began = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(chaos.dice.u64(100..800)));
            chaos.thaw(false);
            let sql =
                format!("SELECT count(*) FROM _apipool_run WHERE id = {run} AND ended IS NULL");
            if chaos.database.number(&sql) == 0 {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "seed {seed}: it never ends");
            if injected < injections {
                let what = chaos.inject();
                injected += 1;
                println!("{injected}: {what}");
            }
        }
        chaos.thaw(true);
        let state = runtime().block_on(async {
            let cluster = Cluster::connect(&chaos.database.settings()).await.unwrap();
            cluster.ended(run).await.unwrap()
        });
        assert_eq!(state, Some(RunState::Complete), "seed {seed}");
        let rows = chaos.database.rows();
        assert_eq!(rows, (ROWS as i64, ROWS as i64), "seed {seed}");
        let again = chaos.api.requests().saturating_sub(ROWS / 100);
        let most = chaos.losses * UNCOMMITTED + 20;
        println!("{again} pages asked for again, of {most} that may be, in {:?}", began.elapsed());
        assert!(again <= most, "seed {seed}: {again} pages were asked for again, of {most}");
    }
}

#[test]
fn two_processes_write_each_row_once_whatever_is_done_to_them() {
    hold_out(2, setting("APIPOOL_CHAOS").unwrap_or(8));
}

#[test]
fn four_processes_write_each_row_once_whatever_is_done_to_them() {
    hold_out(4, setting("APIPOOL_CHAOS").unwrap_or(7));
}

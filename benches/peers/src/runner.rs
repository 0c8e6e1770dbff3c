//! Runs clients as processes of their own against a server of its own: pinned, in turns, several
//! rounds. Knows what to run, not what it means.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::Context;

use crate::clients::{Client, forerunners};
use kit::{
    data::Shape,
    job::{Job, Outcome},
    measure,
};

/// The conditions under which clients are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    pub shape: Shape,
    pub in_flight: usize,
    /// Milliseconds before each answer.
    pub latency: u64,
    /// Cores for the client.
    pub cores: usize,
}

/// What came of each client in each round, in the order in which they ran.
#[derive(Default)]
pub struct Results {
    rounds: HashMap<(Setting, Client), Vec<Outcome>>,
}

impl Results {
    /// One outcome for each round.
    pub fn of(&self, setting: Setting, client: Client) -> &[Outcome] {
        self.rounds.get(&(setting, client)).map_or(&[], Vec::as_slice)
    }
}

/// A server process, which ends with this.
pub struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts one on the first core.
    pub fn start() -> anyhow::Result<Self> {
        let mut process = own(&["serve", "--cores", "0"])?.stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("no output of the server")?;
        let mut port = String::new();
        BufReader::new(output).read_line(&mut port)?;
        Ok(Self { process, port: port.trim().parse().context("the server has no port")? })
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The cores for a client: not the server's, as long as there are others.
pub fn client_cores(wanted: usize) -> anyhow::Result<Vec<usize>> {
    let there = measure::cores();
    anyhow::ensure!(there > wanted || (there == 2 && wanted == 2), "too few cores: {there}");
    Ok(if there > wanted { (1..=wanted).collect() } else { (0..wanted).collect() })
}

/// This program, to be started again.
pub fn own(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args);
    Ok(command)
}

/// How long and how often to run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Pages of a job in shape A; in shape B it is five times as many.
    pub pages: u64,
}

impl Effort {
    /// Latency bounds a job to about a second a round.
    fn pages(self, setting: Setting, client: Client) -> u64 {
        let pages = match setting.shape {
            Shape::A => self.pages,
            Shape::B => 5 * self.pages,
        };
        let in_time = (1000 * setting.in_flight as u64).checked_div(setting.latency);
        pages.min(in_time.unwrap_or(u64::MAX).max(20)).min(client.page_limit())
    }
}

/// Runs every client under `setting`, in turns.
///
/// # Errors
/// A client that fails, or that delivers other items than the rest.
pub fn compare(
    server: &Server,
    setting: Setting,
    clients: &[Client],
    effort: Effort,
    results: &mut Results,
) -> anyhow::Result<()> {
    if clients.iter().any(|client| client.is_forerunner()) {
        // Built before anything is measured.
        forerunners::program()?;
    }
    let mut checksums = HashMap::new();
    for round in 0..effort.rounds {
        for client in clients {
            let pages = effort.pages(setting, *client);
            let job = Job {
                base: server.base(),
                items_per_page: setting.shape.items_per_page(),
                pages,
                in_flight: setting.in_flight,
                latency: setting.latency,
                cores: client_cores(setting.cores)?,
            };
            let began = Instant::now();
            let outcome = run(*client, &job)?;
            anyhow::ensure!(
                outcome.items == pages * job.items_per_page,
                "{client:?} delivered {} items of {pages} pages",
                outcome.items
            );
            if client.reads_items() {
                let expected = *checksums.entry(pages).or_insert(outcome.checksum);
                anyhow::ensure!(expected == outcome.checksum, "{client:?} delivered other items");
            }
            eprintln!(
                "round {} {client:?}: {:.0} µs a page ({:.1?})",
                round + 1,
                outcome.cpu_us / pages as f64,
                began.elapsed()
            );
            results.rounds.entry((setting, *client)).or_default().push(outcome);
        }
    }
    Ok(())
}

/// Does one job in a process of its own.
pub fn run(client: Client, job: &Job) -> anyhow::Result<Outcome> {
    use clap::ValueEnum;
    let name = client.to_possible_value().context("a client without a name")?;
    let output = own(&["client", name.get_name()])?
        .args(job.arguments())
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "{client:?} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Numbers as an argument.
pub fn list(cores: &[usize]) -> String {
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

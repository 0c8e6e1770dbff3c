//! The pool side by side with its peers. See README.md.

mod clients;
mod limit;
mod memory;
mod report;
mod runner;
mod scenarios;
mod server;

use clap::{Parser, Subcommand};

use clients::Client;
use kit::{data::Shape, job, load::Load, measure};
use runner::{Effort, Results, Server, Setting};

#[derive(Parser)]
#[command(about = "The pool side by side with its peers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares clients and prints tables of medians.
    Run(Run),
    /// One request in flight: what the pool adds to a page.
    Latency(Depth),
    /// 200 pages of 50 ms, 32 ahead.
    Prefetch(Depth),
    /// Two client cores against one.
    Cores(Depth),
    /// Memory of idle connections, of streams that nobody reads, and of a long read.
    Memory {
        /// Connections and streams.
        #[arg(long, default_value_t = 1000)]
        count: u64,
        /// Items of the long read.
        #[arg(long, default_value_t = 2_000_000)]
        items: u64,
    },
    /// A limit that the API does not tell: what is used of it, refused and lost.
    Limit {
        /// Requests per second.
        #[arg(long, default_value_t = 50)]
        rate: u32,
        #[arg(long, default_value_t = 64)]
        callers: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Serves pages until it is killed; prints its port. Started by the other commands.
    Serve {
        #[arg(long, value_delimiter = ',')]
        cores: Vec<usize>,
    },
    /// Does one job with one client; prints what it took as JSON. Started by the other commands.
    Client {
        client: Client,
        #[command(flatten)]
        job: job::Job,
    },
    /// Puts the pool under load; prints what became of the calls as JSON. Started by `limit`.
    Load(Load),
    /// Measures its own memory; prints it as JSON. Started by the other commands.
    Probe {
        #[arg(long)]
        base: String,
        #[arg(long, value_delimiter = ',')]
        cores: Vec<usize>,
        #[command(subcommand)]
        probe: memory::Probe,
    },
}

/// How long a scenario runs.
#[derive(clap::Args)]
struct Depth {
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Pages of a job in shape A; five times as many in shape B.
    #[arg(long, default_value_t = 2000)]
    pages: u64,
}

impl Depth {
    fn effort(&self) -> Effort {
        Effort { rounds: self.rounds, pages: self.pages }
    }
}

#[derive(clap::Args)]
struct Run {
    /// A look that takes less than a minute: few pages, three rounds, 32 in flight.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Every table and scenario, and the targets. Takes about 25 minutes.
    #[arg(long)]
    full: bool,
    #[arg(long, value_delimiter = ',', default_value = "a,b")]
    shape: Vec<Shape>,
    #[arg(long, value_delimiter = ',', default_value = "32")]
    in_flight: Vec<usize>,
    /// Milliseconds before each answer.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    latency: Vec<u64>,
    /// Cores for the client.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    cores: Vec<usize>,
    /// All but `old-pool-stream`, unless given.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<Client>,
    #[command(flatten)]
    depth: Depth,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Run(run) if run.full => full(),
        Command::Run(run) if run.quick => {
            let effort = Effort { rounds: 3, pages: 400 };
            let results = tables(&Server::start()?, &run, &Client::DEFAULT, effort)?;
            report::targets(&report::cpu_targets(&results));
            Ok(())
        }
        Command::Run(run) => {
            let clients = match run.clients.as_slice() {
                [] => &Client::DEFAULT,
                clients => clients,
            };
            let results = tables(&Server::start()?, &run, clients, run.depth.effort())?;
            report::targets(&report::cpu_targets(&results));
            Ok(())
        }
        Command::Latency(depth) => judged(scenarios::latency(&Server::start()?, depth.effort())),
        Command::Prefetch(depth) => judged(scenarios::prefetch(&Server::start()?, depth.rounds)),
        Command::Cores(depth) => judged(scenarios::cores(&Server::start()?, depth.effort())),
        Command::Memory { count, items } => {
            judged(scenarios::memory(&Server::start()?, count, items))
        }
        Command::Limit { rate, callers, seconds } => limit::compare(rate, callers, seconds),
        Command::Load(load) => {
            println!("{}", serde_json::to_string(&limit::pool(&load)?)?);
            Ok(())
        }
        Command::Serve { cores } => {
            measure::pin(&cores)?;
            server::serve()
        }
        Command::Client { client, job } => {
            measure::pin(&job.cores)?;
            println!("{}", serde_json::to_string(&client.run(&job)?)?);
            Ok(())
        }
        Command::Probe { base, cores, probe } => {
            measure::pin(&cores)?;
            memory::run(&base, &probe)
        }
    }
}

fn judged(targets: anyhow::Result<Vec<report::Target>>) -> anyhow::Result<()> {
    report::targets(&targets?);
    Ok(())
}

/// A table for each combination of settings.
fn tables(
    server: &Server,
    run: &Run,
    clients: &[Client],
    effort: Effort,
) -> anyhow::Result<Results> {
    let mut results = Results::default();
    for shape in &run.shape {
        for in_flight in &run.in_flight {
            for latency in &run.latency {
                for cores in &run.cores {
                    let (in_flight, latency, cores) = (*in_flight, *latency, *cores);
                    let setting = Setting { shape: *shape, in_flight, latency, cores };
                    runner::compare(server, setting, clients, effort, &mut results)?;
                    report::table(&results, setting, clients);
                }
            }
        }
    }
    Ok(results)
}

/// What the targets are judged by, and the tables around them.
fn full() -> anyhow::Result<()> {
    let server = Server::start()?;
    let (main, side) = (Effort { rounds: 9, pages: 4000 }, Effort { rounds: 3, pages: 2000 });
    let run = |in_flight, latency| Run {
        quick: false,
        full: true,
        shape: vec![Shape::A, Shape::B],
        in_flight,
        latency,
        cores: vec![1],
        clients: Vec::new(),
        depth: Depth { rounds: 0, pages: 0 },
    };
    let results = tables(&server, &run(vec![32], vec![0]), &Client::DEFAULT, main)?;
    let mut targets = report::cpu_targets(&results);
    tables(&server, &run(vec![1, 8, 128], vec![0]), &Client::DEFAULT, side)?;
    tables(&server, &run(vec![32, 128], vec![5, 50]), &Client::DEFAULT, side)?;
    targets.extend(scenarios::latency(&server, main)?);
    targets.extend(scenarios::prefetch(&server, main.rounds)?);
    targets.extend(scenarios::cores(&server, main)?);
    targets.extend(scenarios::memory(&server, 1000, 2_000_000)?);
    report::targets(&targets);
    Ok(())
}

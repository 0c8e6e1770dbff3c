//! The ingestion side by side with its peers. See README.md.

mod api;
mod copies;
mod interrupted;
mod limited;
mod measure;
mod place;
mod postgres;
mod report;
mod runner;
mod tools;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use runner::{Bench, Effort};
use tools::Tools;

#[derive(Parser)]
#[command(about = "The ingestion side by side with its peers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares the tools and prints tables of medians.
    Compare(Compare),
    /// Runs a command and writes what it took as JSON. Started by `compare`.
    Measure {
        /// The file that it is written to.
        #[arg(long)]
        to: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(clap::Args)]
struct Compare {
    /// The program `apipool`.
    #[arg(long)]
    apipool: PathBuf,
    /// The Python that has dlt.
    #[arg(long)]
    python: PathBuf,
    /// The program `faucet`, if it is compared.
    #[arg(long)]
    faucet: Option<PathBuf>,
    /// 20,000 rows in one round, in place of 200,000 in three.
    #[arg(long)]
    quick: bool,
    /// How many rounds.
    #[arg(long)]
    rounds: Option<usize>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().command {
        Command::Compare(args) => compare(args).map(|()| ExitCode::SUCCESS),
        Command::Measure { to, command } => measure::run(&command, &to),
    }
}

fn compare(Compare { apipool, python, faucet, quick, rounds }: Compare) -> anyhow::Result<()> {
    let mut effort = match quick {
        true => Effort { rows: 20_000, rounds: 1 },
        false => Effort { rows: 200_000, rounds: 3 },
    };
    effort.rounds = rounds.unwrap_or(effort.rounds);
    let bench = Bench::new(Tools { apipool, python, faucet }, effort)?;
    report::copies(&copies::compare(&bench));
    report::interrupted(&interrupted::compare(&bench), bench.book.pages());
    report::limited(&limited::compare(&bench), limited::LIMIT);
    Ok(())
}

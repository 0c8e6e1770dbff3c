//! vantage-api-client and the pool that had this name before: one job or load, one client, one
//! process.

mod old_pool;
mod vantage_client;

use clap::{Parser, ValueEnum};
use kit::{job::Job, load::Load};

#[derive(Parser)]
enum Args {
    /// Reads pages.
    Read {
        client: Client,
        #[command(flatten)]
        job: Job,
    },
    /// Keeps callers busy.
    Load {
        client: Client,
        #[command(flatten)]
        load: Load,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Client {
    #[value(name = "vantage-api-client")]
    Vantage,
    OldPool,
    OldPoolStream,
}

fn main() -> anyhow::Result<()> {
    match Args::parse() {
        Args::Read { client, job } => {
            kit::measure::pin(&job.cores)?;
            let outcome = match client {
                Client::Vantage => vantage_client::run(&job),
                Client::OldPool => old_pool::requests(&job),
                Client::OldPoolStream => old_pool::stream(&job),
            }?;
            println!("{}", serde_json::to_string(&outcome)?);
        }
        Args::Load { client, load } => {
            let fate = match client {
                Client::OldPool => old_pool::load(&load),
                Client::Vantage | Client::OldPoolStream => {
                    anyhow::bail!("it makes no single calls")
                }
            }?;
            println!("{}", serde_json::to_string(&fate)?);
        }
    }
    Ok(())
}

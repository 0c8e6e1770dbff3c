//! vantage-api-client and the pool that had this name before: one job, one client, one process.

mod old_pool;
mod vantage_client;

use clap::{Parser, ValueEnum};
use kit::job::Job;

#[derive(Parser)]
struct Args {
    client: Client,
    #[command(flatten)]
    job: Job,
}

#[derive(Clone, Copy, ValueEnum)]
enum Client {
    #[value(name = "vantage-api-client")]
    Vantage,
    OldPool,
    OldPoolStream,
}

fn main() -> anyhow::Result<()> {
    let Args { client, job } = Args::parse();
    kit::measure::pin(&job.cores)?;
    let outcome = match client {
        Client::Vantage => vantage_client::run(&job),
        Client::OldPool => old_pool::requests(&job),
        Client::OldPoolStream => old_pool::stream(&job),
    }?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

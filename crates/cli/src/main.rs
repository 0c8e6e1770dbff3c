//! `apipool`: copies REST APIs into databases and files, and serves them.

mod allocator;
mod arguments;
mod commands;
mod failure;
mod follow;
mod history;
mod html;
mod interrupts;
mod output;
mod pace;
#[cfg(feature = "sql")]
mod sql;
mod terminal;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

fn main() -> ExitCode {
    allocator::give_back_soon();
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // Who serves sees why, since those who ask do not.
    #[cfg(feature = "gateway")]
    let least = match arguments.command {
        Command::Serve(_) => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    };
    #[cfg(not(feature = "gateway"))]
    let least = LevelFilter::ERROR;
    let filter = EnvFilter::builder().with_default_directive(least.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.with_env_var("APIPOOL_LOG").from_env_lossy())
        .with_writer(|| output::Log)
        .init();
    let done = match arguments.command {
        Command::Demo(demo) => commands::demo::run(&demo).await,
        Command::Connectors(connectors) => commands::connectors::run(&connectors),
        Command::Init(init) => commands::init::run(&init).await,
        Command::Check(check) => commands::check::run(&check),
        Command::Preview(preview) => commands::preview::run(&preview),
        Command::Read(read) => commands::read::run(&read).await,
        Command::Run(run) => commands::run::run(&run).await,
        Command::Status(status) => commands::status::run(&status).await,
        Command::Reset(reset) => commands::reset::run(&reset).await,
        #[cfg(feature = "cluster")]
        Command::Worker(worker) => commands::cluster::work(&worker).await,
        #[cfg(feature = "cluster")]
        Command::Pause(hold) => commands::cluster::pause(&hold).await,
        #[cfg(feature = "cluster")]
        Command::Resume(hold) => commands::cluster::resume(&hold).await,
        #[cfg(feature = "cluster")]
        Command::Cap(cap) => commands::cluster::cap(&cap).await,
        #[cfg(feature = "cluster")]
        Command::Cancel(hold) => commands::cluster::cancel(&hold).await,
        #[cfg(feature = "sql")]
        Command::Sql(sql) => commands::sql::run(&sql).await,
        #[cfg(feature = "distributed")]
        Command::SqlWorker(worker) => commands::sql_worker::run(&worker).await,
        #[cfg(feature = "gateway")]
        Command::Serve(serve) => commands::serve::run(&serve).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.code()
        }
    }
}

//! What a request costs the gateway, beside bare actix-web in the same run: the processor time of
//! the server's process by the requests it answered, requests per second, latency, and the memory
//! of idle connections. For Linux.
//!
//! ```text
//! cargo bench -p vantage-api-gateway --bench gateway
//! ```
//!
//! Servers are processes of their own with one worker. Each figure is the best of five rounds, in
//! which the servers take turns, so that other work on the machine disturbs all of them alike.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod load;
mod memory;
mod server;

use std::{env, time::Duration};

use load::{Figures, idle, measure};
use mimalloc::MiMalloc;
use server::Server;

/// That of `apipool`, for both servers.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const IDLE: usize = 10_000;

/// What is measured: its name, the server, the path, and the most that it may cost beside the first.
const TARGETS: [(&str, &str, &str, Option<f64>); 6] = [
    ("bare actix-web, one row", "bare", "/row", None),
    ("bare actix-web, 20 rows", "bare", "/rows", None),
    ("gateway, /health", "gateway", "/api/v1/health", None),
    ("gateway, one cached row", "gateway", "/api/v1/tables/cached/7", Some(1.6)),
    ("gateway, cached page of 20", "gateway", "/api/v1/tables/cached", Some(1.6)),
    ("gateway, 20 rows uncached", "gateway", "/api/v1/tables/rows", Some(2.5)),
];

fn main() {
    if let Ok(which) = env::var(server::VARIABLE) {
        return server::serve(&which);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let servers = ["bare", "gateway"].map(Server::start);
    let server = |which: &str| servers.iter().find(|server| server.which == which).unwrap();
    let mut best = vec![Figures::WORST; TARGETS.len()];
    for _ in 0..ROUNDS {
        for (best, (_, which, path, _)) in best.iter_mut().zip(TARGETS) {
            *best = best.better(measure(server(which), path, ROUND).await);
        }
    }
    println!(
        "{:28} {:>9} {:>7} {:>7} {:>12} {:>9} {:>7}",
        "", "us of CPU", "x bare", "at most", "requests/s", "p50 of 8", "x bare"
    );
    let bare = best[0];
    for (figures, (name, _, _, most)) in best.iter().zip(TARGETS) {
        println!(
            "{name:28} {:>9.2} {:>7.2} {:>7} {:>12.0} {:>6.0} us {:>7.2}",
            figures.cpu,
            figures.cpu / bare.cpu,
            most.map_or_else(String::new, |most| most.to_string()),
            figures.rate,
            figures.p50,
            figures.p50 / bare.p50,
        );
    }
    for (server, (name, path)) in
        servers.iter().zip([("bare actix-web", "/row"), ("gateway", "/api/v1/tables/cached/7")])
    {
        let each = idle(server, path, IDLE).await;
        println!("{IDLE} idle connections, {name}: {each:.1} KiB each");
    }
}

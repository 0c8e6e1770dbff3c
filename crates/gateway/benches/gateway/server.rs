//! The servers: this program, started again.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Serialize;
use vantage_api_gateway::{
    Gateway, Limits, TableConfig,
    auth::{Principal, Tokens},
};
use vantage_api_pool::limits::{RateLimitPolicy, RateLimitPolicyEnforcer};

use super::memory;

/// Says which server to be.
pub(crate) const VARIABLE: &str = "GATEWAY_BENCH_SERVER";
pub(crate) const TOKEN: &str = "a-token-of-the-bench";
/// More than any load reaches.
const UNLIMITED: u32 = 100_000_000;

/// A server in a process of its own.
pub(crate) struct Server {
    pub(crate) which: &'static str,
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Server {
    pub(crate) fn start(which: &'static str) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .env(VARIABLE, which)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { which, address: line.trim().parse().unwrap(), process }
    }

    /// The processor time that it has taken so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // The name of the program, in parentheses, may have spaces.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 =
            [11, 12].map(|nth: usize| fields[nth].parse::<u64>().unwrap()).iter().sum();
        Duration::from_millis(ticks * 10)
    }

    /// What it has in memory, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is a server, until it is killed.
pub(crate) fn serve(which: &str) {
    actix_web::rt::System::new().block_on(async {
        match which {
            "bare" => bare().await,
            _ => gateway().await,
        }
    });
}

fn tell(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
}

#[derive(Serialize)]
struct Row {
    id: String,
    name: &'static str,
    country: &'static str,
    population: usize,
}

async fn bare() {
    let row = |id: usize| Row {
        id: id.to_string(),
        name: memory::NAME,
        country: memory::COUNTRY,
        population: memory::POPULATION + id,
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let one = serde_json::to_string(&row(7)).unwrap();
    let server = HttpServer::new(move || {
        let one = one.clone();
        let json = || {
            let mut response = HttpResponse::Ok();
            response.content_type("application/json");
            response
        };
        App::new()
            .route(
                "/row",
                web::get().to(move || {
                    let one = one.clone();
                    async move { json().body(one) }
                }),
            )
            .route(
                "/rows",
                web::get().to(move || async move {
                    let rows: Vec<Row> = (0..memory::ROWS).map(row).collect();
                    json().body(serde_json::to_vec(&rows).unwrap())
                }),
            )
    })
    .workers(1)
    .max_connections(25_000)
    .listen(listener)
    .unwrap();
    tell(address);
    server.run().await.unwrap();
}

async fn gateway() {
    let policy = RateLimitPolicy::token_bucket("principal", UNLIMITED, Duration::from_secs(1));
    let tokens = [(Tokens::digest_of(TOKEN), Principal::new("ada").with_role("reader"))];
    let limits = Limits {
        max_in_flight: 10_000,
        max_in_flight_per_principal: 10_000,
        max_connections_per_worker: 25_000,
        keep_alive_timeout: Duration::from_secs(600),
        ..Limits::default()
    };
    let rows = || TableConfig::new(memory::table()).page_size(memory::ROWS, 100);
    let gateway = Gateway::builder()
        .bind(([127, 0, 0, 1], 0))
        .workers(1)
        .limits(limits)
        .auth(Tokens::digests(tokens).unwrap())
        .limit_principals(RateLimitPolicyEnforcer::new([policy]).unwrap())
        .table("cached", rows().cache_ttl(Duration::from_secs(3600)))
        .table("rows", rows())
        .build()
        .unwrap();
    let handle = gateway.handle();
    actix_web::rt::spawn(async move { tell(handle.address().await.unwrap()) });
    gateway.run().await.unwrap();
}

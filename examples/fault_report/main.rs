//! What this pool, bare awc and reqwest do with misbehaving servers, side by side: the outcome,
//! whether data was wrong or a credential leaked, whether the client hangs, and its peak memory.
//! Each cell of the table is a process of its own.
//!
//! ```text
//! cargo run --release --example fault_report
//! ```
//!
//! Fails if the pool has wrong data, a leak or a hang in any row.

#![allow(clippy::print_stdout)]

mod clients;
mod faults;

use std::{
    env,
    error::Error,
    fs, io,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clients::CLIENTS;
use faults::{FAULTS, Fault, Job, Server};

/// After this time a process that has not ended is killed.
const PATIENCE: Duration = Duration::from_secs(15);

/// One cell of the table.
struct Cell {
    outcome: String,
    wrong: bool,
    hangs: bool,
    leaked: bool,
    peak_mib: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [client, fault, url] = &arguments[..] {
        let fault = &FAULTS[fault.parse::<usize>()?];
        let outcome = clients::run(client, fault.job, fault.right, url);
        println!("{}\t{}\t{}\t{}", outcome.wrong, outcome.hangs, peak_mib(), outcome.text);
        return Ok(());
    }
    println!(
        "{:<27} {:<17} {:<44} {:<10} {:<5} {:>8}",
        "fault", "client", "outcome", "wrong data", "hang", "peak MiB"
    );
    let mut failures = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        for (at, client) in CLIENTS.iter().enumerate() {
            let cell = cell(number, fault, client)?;
            let wrong = match (cell.wrong, cell.leaked) {
                (_, true) => "LEAK",
                (true, _) => "YES",
                _ => "no",
            };
            println!(
                "{:<27} {:<17} {:<44} {:<10} {:<5} {:>8}",
                if at == 0 { fault.name } else { "" },
                client,
                cell.outcome.chars().take(44).collect::<String>(),
                wrong,
                if cell.hangs { "YES" } else { "no" },
                cell.peak_mib,
            );
            if at == 0 && (wrong != "no" || cell.hangs) {
                failures.push(fault.name);
            }
        }
    }
    match failures[..] {
        [] => Ok(()),
        _ => Err(format!("the pool failed at: {}", failures.join(", ")).into()),
    }
}

/// Runs a client against the fault, in a process of its own.
fn cell(number: usize, fault: &'static Fault, client: &str) -> io::Result<Cell> {
    let server = Server::start(fault)?;
    let url = match fault.job {
        Job::BadPort => "http://127.0.0.1:99999/".to_owned(),
        _ => format!("http://{}/", server.address),
    };
    let mut child = Command::new(env::current_exe()?)
        .args([client, &number.to_string(), &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let started = Instant::now();
    while child.try_wait()?.is_none() && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    // Fails if it has already ended.
    let _ = child.kill();
    let output = String::from_utf8_lossy(&child.wait_with_output()?.stdout).into_owned();
    let mut fields = output.trim_end().splitn(4, '\t');
    let mut field = || fields.next().unwrap_or_default();
    let (wrong, hangs, peak, outcome) = (field(), field(), field(), field());
    Ok(Cell {
        outcome: if outcome.is_empty() { "the process did not end" } else { outcome }.into(),
        wrong: wrong == "true",
        hangs: hangs == "true" || outcome.is_empty(),
        leaked: server.has_leaked(),
        peak_mib: peak.parse().unwrap_or(0),
    })
}

/// The peak memory of this process as Linux reports it; 0 elsewhere.
fn peak_mib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    usize::div_ceil(kib, 1024)
}

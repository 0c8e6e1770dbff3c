//! What a long value costs in memory, in a process of its own.

use std::fs;

use vantage_api_gateway::Limits;

use crate::{
    process::{self, Process, tell},
    raw::{Connection, request, with_body},
    served::Served,
    store::settings,
};

const SIZE: usize = 8 << 20;

/// A number of the status of this process, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() << 10
}

fn put(client: &mut Connection) {
    client.send(request("PUT", "/kv/largest", &[("Content-Length", &SIZE.to_string())]));
    let piece = [7; 64 << 10];
    for _ in 0..SIZE / piece.len() {
        client.send(piece);
    }
    assert!(matches!(client.receive(true).status, 201 | 204));
}

fn get(client: &mut Connection) {
    client.send(request("GET", "/kv/largest", &[]));
    assert_eq!(client.receive_head(), 200);
    client.skip(SIZE);
}

#[test]
fn child() {
    if process::file().is_none() {
        return;
    }
    let served = Served::with(settings().with_cache_bytes(1 << 20), Limits::default());
    let mut client = served.connect();
    client.ask(with_body("PUT", "/kv/short", &[], "x"));
    client.ask(request("GET", "/kv/short", &[]));
    // Forgets the peak until now.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    for _ in 0..2 {
        put(&mut client);
        tell(&(status("VmHWM:") - before).to_string());
        get(&mut client);
        tell(&(status("VmHWM:") - before).to_string());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_value_takes_at_most_three_times_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start("memory::child", folder.path(), "");
    let mut peaks = Vec::new();
    while let Some(peak) = process.hears() {
        peaks.push(peak.parse::<usize>().unwrap());
    }
    println!("{peaks:?}");
    assert_eq!(peaks.len(), 4);
    assert!(peaks.iter().all(|peak| *peak <= 3 * SIZE), "{peaks:?}");
}

//! Every client delivers the same items in the same order. Nothing here is about time.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const VALUES: [&str; 14] = [
    "pool-values",
    "pool-pages",
    "pool-typed",
    "pool-records-stream",
    "pool-records-list",
    "vantage-api-client",
    "old-pool",
    "old-pool-stream",
    "reqwest-values",
    "reqwest-typed",
    "hyper-values",
    "hyper-typed",
    "awc-values",
    "awc-inline",
];

struct Server {
    process: Child,
    base: String,
}

impl Server {
    fn start() -> Self {
        let mut process = peers().arg("serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, base: format!("http://127.0.0.1:{}", port.trim()) }
    }

    fn read(&self, client: &str, items_per_page: u64, pages: u64, in_flight: u64) -> Value {
        let output = peers()
            .args(["client", client, "--base", &self.base, "--latency", "0"])
            .args(["--items-per-page", &items_per_page.to_string()])
            .args(["--pages", &pages.to_string()])
            .args(["--in-flight", &in_flight.to_string()])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{client} failed: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn peers() -> Command {
    Command::new(env!("CARGO_BIN_EXE_peers"))
}

#[test]
fn every_client_delivers_the_same_items_in_the_same_order() {
    let server = Server::start();
    for (items_per_page, pages, in_flight) in [(100, 3, 2), (10, 21, 8), (1, 5, 1)] {
        let expected = server.read("hyper-values", items_per_page, pages, in_flight);
        assert_eq!(expected["items"], items_per_page * pages);
        assert_ne!(expected["checksum"], 0);
        for client in VALUES {
            let outcome = server.read(client, items_per_page, pages, in_flight);
            for field in ["items", "checksum"] {
                assert_eq!(outcome[field], expected[field], "{field} of {client}");
            }
        }
    }
}

#[test]
fn the_floor_fetches_as_many_pages_and_looks_at_nothing() {
    let outcome = Server::start().read("floor", 10, 21, 8);
    assert_eq!(outcome["items"], 210);
    assert_eq!(outcome["checksum"], 0);
}

#[test]
fn other_pages_have_another_checksum() {
    let server = Server::start();
    let checksum = |pages| server.read("hyper-typed", 10, pages, 2)["checksum"].clone();
    assert_ne!(checksum(3), checksum(4));
}

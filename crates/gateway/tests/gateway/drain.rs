//! The end of a server: in order, and without losing what was accepted.

use std::time::Duration;

use vantage_api_gateway::TableConfig;

use crate::support::{Connection, Gate, LONG, Served, cities, open, until};

const TABLE: &str = "/api/v1/tables/cities";

#[test]
fn ready_says_no_before_requests_are_refused() {
    let gate = Gate::shut();
    let builder = open().table("cities", TableConfig::new(gate.before(cities())));
    let served = Served::with_drain(builder, LONG, LONG);
    assert_eq!(served.get("/api/v1/ready").status, 200);
    served.handle.drain(LONG);
    let refused = served.get("/api/v1/ready");
    assert_eq!((refused.status, refused.kind().as_str()), (503, "draining"));
    assert!(served.handle.stats().draining);
    // Everything else goes on.
    assert_eq!(served.get("/api/v1/health").status, 200);
    assert_eq!(served.get("/api/v1/tables").status, 200);
    // The notice is a minute, which nobody waits for.
    std::mem::forget(served);
}

#[test]
fn what_is_being_worked_on_is_answered() {
    let gate = Gate::shut();
    let builder = open().table("cities", TableConfig::new(gate.before(cities())));
    let served = Served::with_drain(builder, Duration::ZERO, LONG);
    let mut working = Connection::open(served.address);
    working.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    gate.wait_for_reads(1);
    served.handle.drain(LONG);
    // No more connections are accepted.
    until(|| std::net::TcpStream::connect(served.address).is_err());
    gate.set_open(true);
    assert_eq!(working.answer("GET").status, 200);
    drop(served);
}

#[test]
fn the_deadline_ends_what_does_not_end() {
    let gate = Gate::shut();
    let builder = open().table("cities", TableConfig::new(gate.before(cities())));
    let served = Served::with_drain(builder, Duration::ZERO, Duration::from_millis(100));
    let mut working = Connection::open(served.address);
    working.write(format!("GET {TABLE} HTTP/1.1\r\nhost: x\r\n\r\n"));
    gate.wait_for_reads(1);
    // Dropped, it ends by its own deadline.
    drop(served);
    let answer = working.answer("GET");
    assert_eq!((answer.status, answer.kind().as_str()), (503, "shutting_down"));
}

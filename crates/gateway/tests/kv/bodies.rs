//! Bodies that are too large, too slow, or not what they say.

use std::{
    thread,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use vantage_api_gateway::{Limits, kv::Put};

use crate::{
    clock::{Clock, PATIENCE},
    raw::{Connection, request, with_body},
    served::Served,
    store::{bytes, key, settings},
};

fn small() -> Served {
    Served::with(settings().with_max_value_bytes(100_000), Limits::default())
}

#[test]
fn a_declared_body_that_is_too_large_is_refused_before_it_is_read() {
    let served = small();
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Content-Length", "100001")]));
    let refused = client.receive(true);
    assert_eq!((refused.status, refused.problem().as_str()), (413, "body_too_large"));
    assert_eq!(client_status(&served), 404);
}

fn client_status(served: &Served) -> u16 {
    served.connect().ask(request("GET", "/kv/a", &[])).status
}

#[test]
fn a_body_that_becomes_too_large_is_refused_while_it_is_read() {
    let served = small();
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Transfer-Encoding", "chunked")]));
    let chunk = [b"4000\r\n".as_slice(), &[7; 0x4000], b"\r\n"].concat();
    // It never ends by itself.
    let refused = thread::scope(|scope| {
        let mut sender = client.clone();
        scope.spawn(move || while sender.send_anyway(&chunk) {});
        let refused = client.receive(true);
        client.close();
        refused
    });
    assert_eq!((refused.status, refused.problem().as_str()), (413, "body_too_large"));
    assert_eq!(client_status(&served), 404);
}

#[test]
fn a_body_in_chunks_is_a_value() {
    let served = small();
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Transfer-Encoding", "chunked")]));
    let value = bytes(90_000, 5);
    for chunk in value.chunks(7_000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.receive(true).status, 201);
    assert!(client.ask(request("GET", "/kv/a", &[])).body == value);
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let limits = Limits { body_idle_timeout: Duration::from_millis(300), ..Limits::default() };
    let served = Served::with(settings(), limits);
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Content-Length", "10")]));
    client.send("12345");
    let refused = client.receive(true);
    assert_eq!((refused.status, refused.problem().as_str()), (408, "body_too_slow"));
    assert!(client.is_closed());
    assert_eq!(client_status(&served), 404);
}

#[test]
fn a_body_that_trickles_is_given_up_as_a_whole() {
    let limits = Limits {
        body_idle_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let served = Served::with(settings(), limits);
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Content-Length", "1000000")]));
    let refused = thread::scope(|scope| {
        let mut sender = client.clone();
        scope.spawn(move || {
            while sender.send_anyway(b"x") {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let refused = client.receive(true);
        client.close();
        refused
    });
    assert_eq!((refused.status, refused.problem().as_str()), (408, "body_too_slow"));
}

#[test]
fn a_client_that_leaves_in_the_middle_has_written_nothing() {
    let served = Served::start();
    let mut client = served.connect();
    client.send(request("PUT", "/kv/a", &[("Content-Length", "200000")]));
    client.send(bytes(150_000, 1));
    drop(client);
    assert_eq!(client_status(&served), 404);
    // Its room is free again: the next ones need all of it.
    let mut client = served.connect();
    for _ in 0..10 {
        let put = client.ask(with_body("PUT", "/kv/b", &[], bytes(8 << 20, 1)));
        assert!(matches!(put.status, 201 | 204));
    }
}

#[test]
fn codings_and_parts_are_refused() {
    let served = Served::start();
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a", &[("Content-Encoding", "gzip")], "x"));
    assert_eq!((put.status, put.problem().as_str()), (415, "unsupported_coding"));
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a", &[("Content-Range", "bytes 0-0/2")], "x"));
    assert_eq!((put.status, put.problem().as_str()), (400, "partial_put"));
    let mut client = served.connect();
    let put = client.ask(with_body("PUT", "/kv/a", &[("Content-Encoding", "identity")], "x"));
    assert_eq!(put.status, 201);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let served = Served::start();
    let mut client = served.connect();
    let fields = [("Expect", "100-continue"), ("Content-Length", "5")];
    client.send(request("PUT", "/kv/a", &fields));
    assert_eq!(client.receive_interim(), 100);
    client.send("hello");
    assert_eq!(client.receive(true).status, 201);
}

#[test]
fn a_store_that_does_not_answer_is_told_of_in_time() {
    let clock = Clock::new();
    let settings = clock.settings().with_max_value_bytes(1 << 20).with_max_in_flight_bytes(1 << 20);
    let served = Served::with(settings.with_timeout(Duration::from_secs(1)), Limits::default());
    let mut client = served.connect();
    let held_writer = clock.hold();
    clock.wait_for_writer();
    let unknown = client.ask(with_body("PUT", "/kv/a", &[], "x"));
    assert_eq!((unknown.status, unknown.problem().as_str()), (504, "outcome_unknown"));
    // Most of the room is taken.
    let mut long = served.kv.put(key("long"), Put::new(bytes((1 << 20) - 65_536, 1))).boxed_local();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(async { long.as_mut().now_or_never() }).is_none());
    let busy = client.ask(with_body("PUT", "/kv/a", &[], bytes(100_000, 1)));
    assert_eq!((busy.status, busy.problem().as_str()), (503, "store_busy"));
    assert_eq!(busy.field("retry-after"), Some("1"));
    // Reads go on.
    assert_eq!(client.ask(request("GET", "/kv/a", &[])).status, 404);
    drop(held_writer);
    drop(long);
    // All the room is free again.
    let begun = Instant::now();
    while client.ask(with_body("PUT", "/kv/a", &[], bytes(1 << 20, 1))).status > 204 {
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[test]
fn answers_that_are_not_read_are_bounded_and_do_not_stop_others() {
    let settings =
        settings().with_max_in_flight_bytes(16 << 20).with_timeout(Duration::from_secs(2));
    let served = Served::with(settings, Limits::default());
    let mut client = served.connect();
    let begun = Instant::now();
    for (path, size) in [("/kv/largest", 8 << 20), ("/kv/short", 1)] {
        while client.ask(with_body("PUT", path, &[], bytes(size, 1))).status > 204 {
            assert!(begun.elapsed() < PATIENCE);
        }
    }
    let mut idle: Vec<_> = (0..8)
        .map(|_| {
            let mut client = served.connect();
            client.send(request("GET", "/kv/largest", &[]));
            client
        })
        .collect();
    // Short values need no room.
    assert_eq!(client.ask(request("GET", "/kv/short", &[])).status, 200);
    let statuses: Vec<u16> = idle.iter_mut().map(Connection::receive_head).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    drop(idle);
    while client.ask(request("GET", "/kv/largest", &[])).status != 200 {
        assert!(begun.elapsed() < PATIENCE);
    }
}

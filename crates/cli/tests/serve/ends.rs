//! How it ends.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use demo_api::DemoOptions;

use crate::support::{Asking, LONG, World, printed};

const OPEN: &str = "auth: none
drain: { ready_delay: 0, timeout: 1m }
kv: { path: values.redb }
tables: { countries: {} }";

#[test]
fn a_signal_drains_and_what_was_asked_for_is_answered() {
    let options = DemoOptions { latency: Duration::from_secs(2), ..DemoOptions::default() };
    let world = World::with_api(options, OPEN);
    let mut served = world.serve();
    let mut asking = Asking::begin(served.address, "GET", "/tables/countries?per_page=5", &[], "");
    // The API is asked, so the request is being worked on.
    let began = Instant::now();
    while world.api.requests() == 0 {
        assert!(began.elapsed() < LONG, "the API is not asked");
        std::thread::yield_now();
    }
    served.terminate();
    served.wait_for("draining: ");
    assert_eq!(asking.answer().rows().len(), 5);
    let (code, notes) = served.end();
    assert_eq!(code, Some(0), "{notes}");
    assert!(TcpStream::connect(served.address).is_err());
}

#[test]
fn values_that_were_acknowledged_are_there_after_the_end() {
    let world = World::new(OPEN);
    let mut served = world.serve();
    assert_eq!(served.ask("PUT", "/kv/a", &[], "first").status, 201);
    served.terminate();
    assert_eq!(served.end().0, Some(0));
    let served = world.serve();
    assert_eq!(served.ask("GET", "/kv/a", &[], "").body, "first");
}

/// SolaceProducts/solace-broker-mcp#130: a second signal was swallowed by the drain.
#[test]
fn a_second_signal_ends_the_drain() {
    let world = World::new(&OPEN.replace("ready_delay: 0", "ready_delay: 1h"));
    let mut served = world.serve();
    served.terminate();
    served.wait_for("draining: ");
    let ready = served.ask("GET", "/ready", &[], "");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(served.ask("GET", "/health", &[], "").status, 200);
    served.terminate();
    let (code, notes) = served.end();
    assert_eq!(code, Some(1), "{notes}");
    assert!(notes.contains("aborted"), "{notes}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let world = World::new("auth: none\ntables: { countries: {} }");
    let output = world.program(&["serve", "world.yaml", "--bind", &address]).output().unwrap();
    let (code, text, notes) = printed(&output);
    assert_eq!((code, text.as_str()), (Some(1), ""), "{notes}");
    assert!(notes.contains(&address) && notes.contains("--bind takes another"), "{notes}");
}

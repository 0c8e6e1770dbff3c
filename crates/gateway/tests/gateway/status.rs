//! The events of the status: for those who run the gateway, as they happen, and not for ever.

use std::{io::Write as _, time::Duration};

use flate2::write::GzDecoder;
use serde_json::Value;
use vantage_api_gateway::{Limits, TableConfig};
use vantage_api_pool::AwwPool;

use crate::support::{ADA, BOB, Connection, LONG, Served, cities, closed, json, open, until};

const EVENTS: &str = "/api/v1/status/events";

/// One who watches.
pub(crate) struct Watcher {
    connection: Connection,
    text: String,
}

impl Watcher {
    fn ask(served: &Served, fields: &str) -> (Self, String) {
        let mut connection = Connection::open(served.address);
        connection.write(format!("GET {EVENTS} HTTP/1.1\r\nhost: gateway\r\n{fields}\r\n"));
        let head = connection.head().to_ascii_lowercase();
        (Self { connection, text: String::new() }, head)
    }

    pub(crate) fn open(served: &Served) -> Self {
        let (watcher, head) = Self::ask(served, "");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        watcher
    }

    /// The next event: its fields by name. `None` at the end of the stream.
    fn event(&mut self) -> Option<Vec<(String, String)>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let fields = event.lines().map(|line| {
                    let (name, value) = line.split_once(": ").unwrap();
                    (name.to_owned(), value.to_owned())
                });
                let fields = fields.collect();
                self.text = rest.to_owned();
                return Some(fields);
            }
            let chunk = self.connection.chunk()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The document of the next event, which is not the last one.
    pub(crate) fn sample(&mut self) -> Value {
        self.numbered().1
    }

    /// The same with its number.
    pub(crate) fn numbered(&mut self) -> (u64, Value) {
        let event = self.event().unwrap();
        let field = |wanted| &event.iter().find(|(name, _)| name == wanted).unwrap().1;
        (field("id").parse().unwrap(), json(field("data")))
    }
}

#[test]
fn they_tell_what_is_done_as_it_is_done() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    let mut watcher = Watcher::open(&served);
    let first = watcher.sample();
    served.get("/api/v1/tables/cities/1");
    let of = |sample: &Value| {
        let routes = sample["gateway"]["routes"].as_array().unwrap().clone();
        let found = routes.into_iter().find(|route| route["route"] == "/tables/{table}/{id}");
        found.map_or(0, |route| route["statuses"][1].as_u64().unwrap())
    };
    assert_eq!(of(&first), 0);
    let mut last = first["at"].as_f64().unwrap();
    loop {
        let sample = watcher.sample();
        let at = sample["at"].as_f64().unwrap();
        assert!(at > last);
        last = at;
        let bounds = sample["bounds"].as_array().unwrap().len();
        let durations = &sample["gateway"]["routes"][0]["durations"];
        assert_eq!(durations.as_array().unwrap().len(), bounds + 1);
        if of(&sample) == 1 {
            return;
        }
    }
}

#[test]
fn they_tell_of_pools_what_was_between_two_of_them() {
    let pool = AwwPool::builder("http://127.0.0.1:9/").max_attempts(1).build().unwrap();
    let served = Served::start(open().pool("upstream", pool.clone()));
    let mut watcher = Watcher::open(&served);
    assert_eq!(watcher.sample()["pools"]["upstream"]["recent"], Value::Null);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(pool.get("/x")).unwrap_err();
    loop {
        let sample = watcher.sample();
        let upstream = &sample["pools"]["upstream"];
        assert!(upstream["total"]["workers"].is_array());
        if upstream["recent"]["calls_failed"] == 1 {
            break;
        }
    }
    assert_eq!(watcher.sample()["pools"]["upstream"]["total"]["calls_failed"], 1);
}

// Compressed events must not wait for the ones after them (actix/actix-web#3032,
// javaee/jersey#3309, dpskvn/express-sse#26).
#[test]
fn compressed_ones_arrive_whole_and_at_once() {
    let served = Served::start(open().table("cities", TableConfig::new(cities())));
    let (mut watcher, head) = Watcher::ask(&served, "accept-encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut decoder = GzDecoder::new(Vec::new());
    let mut lengths = Vec::new();
    for number in 1..=3 {
        // One chunk is one event, to its end, before the next one is there.
        let chunk = watcher.connection.chunk().unwrap();
        lengths.push(chunk.len());
        decoder.write_all(&chunk).unwrap();
        decoder.flush().unwrap();
        let event = String::from_utf8(std::mem::take(decoder.get_mut())).unwrap();
        assert!(event.starts_with(&format!("id: {number}\ndata: {{")), "{event}");
        assert!(event.ends_with("}\n\n"), "{event}");
    }
    // They are one stream: what was told before costs little.
    assert!(lengths[2] < lengths[0], "{lengths:?}");
}

#[test]
fn all_who_watch_are_told_the_same() {
    let served = Served::start(open());
    let mut watchers = [Watcher::open(&served), Watcher::open(&served), Watcher::open(&served)];
    let mut told: Vec<Vec<_>> = Vec::new();
    for watcher in &mut watchers {
        told.push((0..3).map(|_| watcher.event().unwrap()).collect());
    }
    for event in told.iter().flatten() {
        for other in told.iter().flatten() {
            // One number, one sample.
            assert_eq!(event[0] == other[0], event == other);
        }
    }
}

#[test]
fn they_are_for_those_who_run_the_gateway() {
    let served = Served::start(closed().stats_roles(["editor"]));
    assert_eq!(served.get(EVENTS).status, 401);
    assert_eq!(served.send("GET", EVENTS, &[BOB], "").status, 403);
    // No credentials in the query, where they would end in logs.
    assert_eq!(served.get(&format!("{EVENTS}?token=token-of-ada")).status, 401);
    let (name, value) = ADA;
    let (_, head) = Watcher::ask(&served, &format!("{name}: {value}\r\n"));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(served.send("HEAD", EVENTS, &[ADA], "").status, 200);
    assert_eq!(served.send("POST", EVENTS, &[ADA], "").status, 405);
}

// Streams that nobody counts pile up (gethelio/helio#285), as do those whose client has gone
// (cluesmith/codev#580, gmuxapp/gmux#243).
#[test]
fn so_many_may_watch_and_one_who_leaves_makes_room() {
    let limits = Limits { max_event_streams: 2, max_in_flight: 2, ..Limits::default() };
    let served = Served::start(open().limits(limits));
    let (first, second) = (Watcher::open(&served), Watcher::open(&served));
    let refused = served.get(EVENTS);
    assert_eq!((refused.status, refused.kind().as_str()), (503, "too_many_watchers"));
    assert_eq!(refused.field("retry-after"), Some("10"));
    // They take no place of other requests.
    assert_eq!(served.get("/api/v1/tables").status, 200);
    assert_eq!(served.handle.stats().in_flight, 0);
    drop(first);
    until(|| {
        let (_, head) = Watcher::ask(&served, "");
        head.starts_with("http/1.1 200")
    });
    drop(second);
}

// Servers wait for ever for such streams (tokio-rs/axum#2673, hyperium/hyper#2787,
// modelcontextprotocol/rust-sdk#493).
#[test]
fn they_end_when_the_gateway_drains() {
    let served = Served::with_drain(open(), Duration::ZERO, LONG);
    let (mut plain, mut other) = (Watcher::open(&served), Watcher::open(&served));
    plain.sample();
    served.handle.drain(LONG);
    for watcher in [&mut plain, &mut other] {
        let mut last = Vec::new();
        while let Some(event) = watcher.event() {
            last = event;
        }
        assert_eq!(last[0], ("event".to_owned(), "end".to_owned()));
        assert_eq!(json(&last[1].1)["reason"], "draining");
    }
    // The server ends, although its deadline is far away.
    drop(served);
}

#[test]
fn a_gateway_that_drains_begins_none() {
    let served = Served::with_drain(open(), LONG, LONG);
    served.handle.drain(LONG);
    let refused = served.get(EVENTS);
    assert_eq!((refused.status, refused.kind().as_str()), (503, "draining"));
    // The notice is a minute, which nobody waits for.
    std::mem::forget(served);
}

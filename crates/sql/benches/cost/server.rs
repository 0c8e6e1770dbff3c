//! The servers of the bench: one that answers each page after the same time, and one that does not
//! answer at all from some page on.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

pub(crate) const PAGE: usize = 100;

/// How long is waited for what must happen.
const LIMIT: Duration = Duration::from_secs(60);

/// Prints its URL, and answers until the process ends.
pub(crate) fn serve(latency: Duration, rows: usize) {
    let pages: Arc<Vec<Vec<u8>>> =
        Arc::new((0..rows.div_ceil(PAGE)).map(|page| answer(page, rows)).collect());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    for stream in listener.incoming().flatten() {
        let pages = Arc::clone(&pages);
        stream.set_nodelay(true).unwrap();
        thread::spawn(move || {
            let mut reader = BufReader::new(&stream);
            while let Some(page) = requested(&mut reader) {
                thread::sleep(latency);
                let Some(answer) = pages.get(page - 1) else { return };
                if (&stream).write_all(answer).is_err() {
                    return;
                }
            }
        });
    }
}

/// The page that the next request of a connection asks for, from 1. `None` at its end.
fn requested(reader: &mut impl BufRead) -> Option<usize> {
    let (mut line, mut page) = (String::new(), None);
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            return Some(page.unwrap_or(1));
        }
        if page.is_none() {
            let target = line.split_whitespace().nth(1)?;
            let number = target.split(['?', '&']).find_map(|part| part.strip_prefix("page="));
            page = Some(number.map_or(Some(1), |number| number.parse().ok())?);
        }
    }
}

/// A page from 0 as an answer.
fn answer(page: usize, rows: usize) -> Vec<u8> {
    let mut body = String::from("{\"data\":[");
    for id in page * PAGE..((page + 1) * PAGE).min(rows) {
        let comma = if id % PAGE == 0 { "" } else { "," };
        let x = (id % 1000) as f64 / 8.0;
        write!(
            body,
            "{comma}{{\"id\":{id},\"name\":\"Item {id}\",\"country\":\"C{}\",\"n\":{},\"x\":{x},\
             \"at\":\"2024-02-{:02}T10:00:00Z\"}}",
            id % 200,
            id * 7919 % 1_000_003,
            1 + id % 28,
        )
        .unwrap();
    }
    write!(body, "],\"total\":{rows}}}").unwrap();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {length}\r\n\r\n{body}").into_bytes()
}

/// A server that holds the requests for pages from some number on until the client goes away.
pub(crate) struct Holding {
    pub(crate) url: String,
    held: Arc<(Mutex<Held>, Condvar)>,
}

#[derive(Default)]
struct Held {
    open: usize,
    /// When the last one was given up.
    given_up: Option<Instant>,
}

impl Holding {
    /// Holds page `from` and those behind it; `failing` is answered with an error.
    pub(crate) fn start(from: usize, failing: Option<usize>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held: Arc<(Mutex<Held>, Condvar)> = Arc::default();
        let shared = Arc::clone(&held);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let held = Arc::clone(&shared);
                thread::spawn(move || hold(&stream, &held, from, failing));
            }
        });
        Self { url, held }
    }

    /// Waits until a request is held.
    pub(crate) fn wait_until_held(&self) {
        drop(self.wait(|held| held.open == 0));
    }

    /// Waits until no request is held. Returns how long after `began` that was.
    pub(crate) fn stopped_after(&self, began: Instant) -> Duration {
        let given_up = self.wait(|held| held.open > 0).given_up;
        given_up.map_or(Duration::ZERO, |given_up| given_up.saturating_duration_since(began))
    }

    fn wait(&self, is_other: impl Fn(&Held) -> bool) -> std::sync::MutexGuard<'_, Held> {
        let held = self.held.0.lock().unwrap();
        let waited = self.held.1.wait_timeout_while(held, LIMIT, |held| is_other(held)).unwrap();
        assert!(!waited.1.timed_out(), "{} requests are held", waited.0.open);
        waited.0
    }
}

fn hold(
    stream: &TcpStream,
    (held, changed): &(Mutex<Held>, Condvar),
    from: usize,
    failing: Option<usize>,
) {
    let mut reader = BufReader::new(stream);
    while let Some(page) = requested(&mut reader) {
        if page >= from {
            held.lock().unwrap().open += 1;
            changed.notify_all();
            // The client sends no more on this connection, but closes it.
            let _ = reader.read(&mut [0]);
            let mut held = held.lock().unwrap();
            (held.open, held.given_up) = (held.open - 1, Some(Instant::now()));
            changed.notify_all();
            return;
        }
        let answer = match Some(page) == failing {
            true => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
            false => answer(page - 1, 20 * PAGE),
        };
        if (&*stream).write_all(&answer).is_err() {
            return;
        }
    }
}

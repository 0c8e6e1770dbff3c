//! An API of numbered rows, in pages of 100 if not said otherwise: `GET /items?page=N`, and nothing else. It counts what it is
//! asked for, and may be slow, be down, or kill who asks for one page.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

const DOWN: &str = "503 Service Unavailable";

/// The running API. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rows: u64,
    page: u64,
    latency: Duration,
    is_down: bool,
    /// The page that kills whoever asks for it, as often as it says.
    poison: Option<(u64, u32)>,
    asked: HashMap<u64, u64>,
    /// How many requests per second are accepted, and when the next one is, if there is a limit.
    limit: Option<(f64, Instant)>,
    refused: u64,
    /// Whether each answer tells a quota of 100 requests per second.
    tells_quota: bool,
    /// The row after which rows have a wider column and one more.
    wider_after: Option<u64>,
}

impl Api {
    pub(crate) fn start(rows: u64, latency: Duration) -> Self {
        Self::in_pages(rows, 100, latency)
    }

    pub(crate) fn in_pages(rows: u64, page: u64, latency: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { rows, page, latency, ..State::default() };
        let api = Self { address, state: Arc::new(Mutex::new(state)) };
        let served = api.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = served.clone();
                // A connection that breaks is the client's business.
                thread::spawn(move || api.serve(&stream));
            }
        });
        api
    }

    /// The one at a base URL, which another process serves.
    pub(crate) fn at(base: &str) -> Self {
        let address = base.strip_prefix("http://").unwrap().parse().unwrap();
        Self { address, state: Arc::default() }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    pub(crate) fn poison(&self, page: u64, times: u32) {
        self.state.lock().unwrap().poison = Some((page, times));
    }

    /// Refuses more than so many requests per second, with bursts of a tenth of a second's worth.
    pub(crate) fn limit(&self, rate: f64) {
        self.state.lock().unwrap().limit = Some((rate, Instant::now()));
    }

    /// Tells with each answer that there is a quota of 100 requests per second.
    pub(crate) fn tell_quota(&self) {
        self.state.lock().unwrap().tells_quota = true;
    }

    /// Gives the rows after this one a float and a text where those before have a whole number alone.
    pub(crate) fn widen_after(&self, row: u64) {
        self.state.lock().unwrap().wider_after = Some(row);
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.state.lock().unwrap().refused
    }

    /// How many requests for pages were answered.
    pub(crate) fn requests(&self) -> u64 {
        self.state.lock().unwrap().asked.values().sum()
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut lines = BufReader::new(stream);
        loop {
            let mut request = String::new();
            if lines.read_line(&mut request)? == 0 {
                return Ok(());
            }
            let mut process = None;
            loop {
                let mut header = String::new();
                lines.read_line(&mut header)?;
                if header.trim().is_empty() {
                    break;
                }
                if let Some(id) = header.to_ascii_lowercase().strip_prefix("x-process: ") {
                    process = id.trim().parse().ok();
                }
            }
            if !request.starts_with("GET /items") {
                write(stream, "404 Not Found", "", "")?;
                continue;
            }
            let page = request.split_once("page=").map_or("1", |(_, rest)| rest);
            let digits = page.find(|c: char| !c.is_ascii_digit()).unwrap_or(page.len());
            self.answer(stream, page[..digits].parse().unwrap(), process)?;
        }
    }

    fn answer(&self, stream: &TcpStream, page: u64, process: Option<i32>) -> std::io::Result<()> {
        let (latency, quota, body) = {
            let mut state = self.state.lock().unwrap();
            if let Some((poison, times)) = &mut state.poison
                && *poison == page
                && *times > 0
            {
                *times -= 1;
                kill(process.unwrap(), libc::SIGKILL);
                return Ok(());
            }
            let is_refused = match &mut state.limit {
                Some((rate, next)) => {
                    let now = Instant::now();
                    let start = (*next).max(now);
                    let is_refused = start > now + Duration::from_millis(100);
                    if !is_refused {
                        *next = start + Duration::from_secs_f64(1.0 / *rate);
                    }
                    is_refused
                }
                None => false,
            };
            state.refused += u64::from(is_refused);
            let body = match state.is_down || is_refused {
                true => Err(if is_refused { "429 Too Many Requests" } else { DOWN }),
                false => {
                    *state.asked.entry(page).or_default() += 1;
                    let first = (page - 1) * state.page;
                    let ids = first + 1..=(first + state.page).min(state.rows);
                    let rows = ids.map(|id| match state.wider_after {
                        Some(after) if id > after => json!({ "id": id, "value": 1.5, "late": "x" }),
                        Some(_) => json!({ "id": id, "value": 1 }),
                        None => json!({ "id": id, "name": format!("row {id}") }),
                    });
                    let rows: Vec<_> = rows.collect();
                    Ok(json!({ "data": rows, "total": state.rows }).to_string())
                }
            };
            let quota = match state.tells_quota {
                true => "ratelimit-remaining: 6000\r\nratelimit-reset: 60\r\n",
                false => "",
            };
            (state.latency, quota, body)
        };
        thread::sleep(latency);
        match body {
            Ok(body) => write(stream, "200 OK", quota, &body),
            Err(status) => write(stream, status, quota, ""),
        }
    }
}

fn write(mut stream: &TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a signal to a process that this one has started.
#[allow(unsafe_code)]
pub(crate) fn kill(process: i32, signal: i32) {
    // SAFETY: the call takes numbers alone.
    unsafe { libc::kill(process, signal) };
}

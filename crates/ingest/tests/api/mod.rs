//! A small API whose rows a test sets. It answers `GET /v1/events` with `{"data": […]}`, and with
//! `?since=N` with those whose `at` is N or greater.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};
use vantage_api_ingest::{
    Job,
    description::Reader,
    report::{Report, StreamReport},
};

/// The running API. Its threads end with the process.
pub(crate) struct Api {
    address: SocketAddr,
    rows: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let rows: Arc<Mutex<Vec<Value>>> = Arc::default();
        let served = Arc::clone(&rows);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let rows = Arc::clone(&served);
                // A connection that was never used ends with an error, which nobody minds.
                thread::spawn(move || stream.and_then(|stream| answer(&stream, &rows)));
            }
        });
        Self { address, rows }
    }

    /// Serves these rows from now on, each of an `at` and a `what`.
    pub(crate) fn serve(&self, rows: &[(u64, Option<&str>)]) {
        let rows = rows.iter().map(|(at, what)| json!({ "at": at, "what": what }));
        *self.rows.lock().unwrap() = rows.collect();
    }

    /// Runs the job `copy` of a stream with these lines, and returns what it has done.
    pub(crate) async fn run(&self, db: &Path, stream: &str) -> StreamReport {
        let yaml = format!(
            "api: {{ base_url: \"${{BASE}}\" }}
tables:
  - name: events
    api: {{ paging: {{ by: none }}, envelope: {{ items: data }} }}
jobs:
  copy:
    sink: {{ sqlite: \"${{DB}}\" }}
    streams: [{{ table: events, {stream} }}]
"
        );
        let description = Reader::new()
            .variable("BASE", format!("http://{}/v1", self.address))
            .variable("DB", db.to_str().unwrap())
            .read_yaml(&yaml)
            .unwrap();
        let job = Job::new(&description, "copy").unwrap();
        let run = tokio::time::timeout(Duration::from_secs(180), job.run());
        let Report { streams, .. } = run.await.expect("the job ends");
        streams.into_iter().next().unwrap()
    }
}

fn answer(stream: &TcpStream, rows: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let since = request.split_once("since=").map_or("0", |(_, rest)| rest);
    let digits = since.find(|c: char| !c.is_ascii_digit()).unwrap_or(since.len());
    let since: u64 = since[..digits].parse().unwrap();
    let rows = rows.lock().unwrap();
    let data: Vec<&Value> = rows.iter().filter(|row| row["at"].as_u64() >= Some(since)).collect();
    let body = json!({ "data": data }).to_string();
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// What the events in a database are, in the order in which they were written.
pub(crate) fn events(db: &Path) -> Vec<String> {
    let db = Connection::open(db).unwrap();
    let mut statement = db.prepare("select what from events order by rowid").unwrap();
    let events = statement.query_map([], |row| row.get(0)).unwrap();
    events.collect::<Result<_, _>>().unwrap()
}

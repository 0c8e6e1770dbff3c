//! A small API of rows, ten on a page, whose pages a test lets pass.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use serde_json::{Value, json};

const PER_PAGE: u64 = 10;

/// The running API. Its threads end with the process.
pub(crate) struct Gated {
    address: SocketAddr,
    gate: Arc<Gate>,
}

struct Gate {
    pages: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Pages up to this one are answered; requests for others wait.
    open: u64,
    /// From this page on they are refused.
    refused: u64,
}

impl Gated {
    /// An API of so many pages, all of which wait.
    pub(crate) fn start(pages: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { open: 0, refused: u64::MAX });
        let gate = Arc::new(Gate { pages, state, changed: Condvar::new() });
        let served = Arc::clone(&gate);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let gate = Arc::clone(&served);
                // Whoever has asked may have gone.
                thread::spawn(move || stream.and_then(|stream| gate.answer(&stream)));
            }
        });
        Self { address, gate }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Lets pages up to this one pass.
    pub(crate) fn open(&self, page: u64) {
        self.gate.state.lock().unwrap().open = page;
        self.gate.changed.notify_all();
    }

    /// Refuses this page and those after it.
    pub(crate) fn refuse_from(&self, page: u64) {
        self.gate.state.lock().unwrap().refused = page;
    }
}

impl Gate {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let page = page_of(&request);
        let state = self.state.lock().unwrap();
        let state = self.changed.wait_while(state, |state| state.open < page).unwrap();
        let status = if page < state.refused { "200 OK" } else { "400 Bad Request" };
        drop(state);
        let body = self.page(page).to_string();
        let length = body.len();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
    }

    fn page(&self, page: u64) -> Value {
        let ids = (page - 1) * PER_PAGE..page * PER_PAGE;
        let rows: Vec<Value> = ids.map(|id| json!({ "id": id })).collect();
        json!({
            "data": rows,
            "pagination": {
                "page": page,
                "per_page": PER_PAGE,
                "total": self.pages * PER_PAGE,
                "total_pages": self.pages,
                "has_next": page < self.pages,
                "has_prev": page > 1,
            },
        })
    }
}

/// The page that the first line of a request asks for.
fn page_of(request: &str) -> u64 {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let page = query.split('&').find_map(|parameter| parameter.strip_prefix("page="));
    page.map_or(1, |page| page.parse().unwrap())
}

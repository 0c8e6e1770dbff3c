//! An API that answers as a test tells it to, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime,
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use url::form_urlencoded;

use crate::setup::LIMIT;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The decoded query, in its order.
    query: Vec<(String, String)>,
    /// The header `Authorization`, empty if there is none.
    pub(crate) authorization: String,
}

impl Request {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The number in a parameter.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.param(name)?.parse().ok()
    }

    /// The number of the page, from 1.
    pub(crate) fn page(&self) -> usize {
        self.number("page").unwrap_or(1)
    }
}

/// What the API answers.
pub(crate) struct Reply {
    status: u16,
    headers: String,
    body: String,
    is_cut: bool,
    gate: Option<Gate>,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(body.to_string())
    }

    /// 200 and this text, which is said to be JSON.
    pub(crate) fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    pub(crate) fn status(status: u16) -> Self {
        let (headers, body) = (String::new(), "{}".to_owned());
        Self { status, headers, body, is_cut: false, gate: None }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The same, broken off in the middle of its body.
    pub(crate) fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    /// The same, once the gate is open.
    pub(crate) fn behind(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, body, is_cut, .. } = self;
        let head = format!(
            "HTTP/1.1 {status} As Told\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let sent = if *is_cut { body.len() / 2 } else { body.len() };
        [head.as_bytes(), &body.as_bytes()[..sent]].concat()
    }
}

/// Holds back replies until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        let mut is_open = self.0.subscribe();
        // The sender is in this gate.
        let _ = is_open.wait_for(|is_open| *is_open).await;
    }
}

/// What the API has seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: Vec<Request>,
    /// How many requests wait for their replies.
    waiting: usize,
    /// The most that waited at a time.
    pub(crate) most_waiting: usize,
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    answer: Mutex<Arc<Answer>>,
    seen: watch::Sender<Seen>,
}

/// An API on a thread of its own. Dropped, it goes away for good.
pub(crate) struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
    is_up: watch::Sender<bool>,
}

impl Api {
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Arc<Answer> = Arc::new(answer);
        let shared =
            Arc::new(Shared { answer: Mutex::new(answer), seen: watch::Sender::default() });
        let (is_up, switch) = watch::channel(true);
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve(listener, of_thread, switch));
        });
        Self { address, shared, is_up }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers in another way from here on.
    pub(crate) fn answer(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(answer);
    }

    /// Closes all connections and refuses others.
    pub(crate) fn go_away(&self) {
        self.is_up.send_replace(false);
    }

    /// Is there again, at the same port.
    pub(crate) fn come_back(&self) {
        self.is_up.send_replace(true);
    }

    /// All that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.seen.borrow().requests.clone()
    }

    /// How often a page was asked for.
    pub(crate) fn count(&self, path: &str, page: usize) -> usize {
        let is_it = |request: &&Request| request.path == path && request.page() == page;
        self.requests().iter().filter(is_it).count()
    }

    /// The most requests that waited for their replies at a time.
    pub(crate) fn most_waiting(&self) -> usize {
        self.shared.seen.borrow().most_waiting
    }

    /// Waits until the API has seen what fulfils `condition`.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&Seen) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        let waiting = seen.wait_for(|seen| condition(seen));
        let result = timeout(LIMIT, waiting).await.expect("the API does not see it");
        assert!(result.is_ok());
    }
}

async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut is_up: watch::Receiver<bool>,
) {
    let address = listener.local_addr().unwrap();
    let mut listener = TcpListener::from_std(listener).unwrap();
    loop {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(converse(stream, Arc::clone(&shared)));
                    }
                }
                _ = is_up.wait_for(|is_up| !*is_up) => break,
            }
        }
        drop(listener);
        connections.shutdown().await;
        // Bound, so that nobody else gets the port, and refusing, as it does not listen.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        if is_up.wait_for(|is_up| *is_up).await.is_err() {
            return;
        }
        listener = socket.listen(1024).unwrap();
    }
}

/// A request that waits for its reply.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn of(request: &Request, shared: &'a Shared) -> Self {
        shared.seen.send_modify(|seen| {
            seen.requests.push(request.clone());
            seen.waiting += 1;
            seen.most_waiting = seen.most_waiting.max(seen.waiting);
        });
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.waiting -= 1);
    }
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut unread = Vec::new();
    while let Some(request) = read(&mut stream, &mut unread).await {
        let waiting = Waiting::of(&request, &shared);
        let answer = shared.answer.lock().unwrap().clone();
        let reply = answer(&request);
        if let Some(gate) = &reply.gate {
            gate.pass().await;
        }
        drop(waiting);
        if stream.write_all(&reply.bytes()).await.is_err() || reply.is_cut {
            return;
        }
    }
}

/// The next request; `None` once the client has closed.
async fn read(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, unread).await?;
    };
    let head = String::from_utf8(unread.drain(..end).collect()).ok()?;
    let length = header(&head, "content-length").map_or(Some(0), |length| length.parse().ok())?;
    while unread.len() < length {
        fill(stream, unread).await?;
    }
    unread.drain(..length);
    let target = head.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request {
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        authorization: header(&head, "authorization").unwrap_or_default().to_owned(),
    })
}

async fn fill(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(unread).await.ok()?;
    (read > 0).then_some(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let field = fields.find(|(own, _)| own.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value.trim())
}

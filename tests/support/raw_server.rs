//! A TCP server that sends exactly the bytes a test tells it to, and records
//! what it saw: every request head, and when connections closed. It knows no
//! HTTP but where a request ends.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// How long any wait on the server may take before the test fails.
pub const LIMIT: Duration = Duration::from_secs(180);

/// What the server saw so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How many connections were accepted.
    pub connections: usize,
    /// The number of the connection and the head of each request, in the order of arrival.
    pub heads: Vec<(usize, String)>,
    /// The number of each connection that the client closed, and when that was noticed.
    pub closed: Vec<(usize, Instant)>,
}

/// A running server. Dropping it stops it and cuts its connections.
pub struct RawServer {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
    _stop: oneshot::Sender<()>,
}

impl RawServer {
    /// Serves each connection with `script`.
    pub fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        Self::on(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Serves each connection that `listener` takes with `script`.
    pub fn on<F, Fut>(listener: std::net::TcpListener, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        Self::run(listener, None, script)
    }

    /// Serves each connection with `script`, inside TLS.
    pub fn start_tls<F, Fut>(tls: Arc<rustls::ServerConfig>, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::run(listener, Some(tls.into()), script)
    }

    /// Answers every request, on every connection, with the same bytes.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                while peer.request().await.is_some() {
                    peer.write(&answer).await;
                }
            }
        })
    }

    /// Reads one request on each connection, answers with the pieces, each in a segment of its
    /// own, and closes.
    pub fn answering_once(pieces: &[&[u8]]) -> Self {
        let pieces: Arc<[Vec<u8>]> = pieces.iter().map(|piece| piece.to_vec()).collect();
        Self::start(move |mut peer| {
            let pieces = Arc::clone(&pieces);
            async move {
                peer.request().await;
                for piece in pieces.iter() {
                    peer.write(piece).await;
                    peer.pause(Duration::from_millis(10)).await;
                }
            }
        })
    }

    fn run<F, Fut>(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (record, seen) = watch::channel(Seen::default());
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tasks = tokio::task::LocalSet::new();
            let serving = serve(listener, tls, Record(Arc::new(Mutex::new(record))), script);
            tasks.block_on(&runtime.unwrap(), async move {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, seen, _stop: stop }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server saw so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what the server saw fulfils `condition`, and returns it.
    pub async fn wait_for(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        let result = timeout(LIMIT, seen.wait_for(|seen| condition(seen))).await;
        result.expect("the server did not see it in time").unwrap().clone()
    }
}

async fn serve<F, Fut>(
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    record: Record,
    script: F,
) where
    F: Fn(Peer) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let listener = TcpListener::from_std(listener).unwrap();
    let script = Rc::new(script);
    for number in 0.. {
        let Ok((tcp, _)) = listener.accept().await else { return };
        tcp.set_nodelay(true).unwrap();
        record.add(|seen| seen.connections += 1);
        let (record, script, tls) = (record.clone(), Rc::clone(&script), tls.clone());
        tokio::task::spawn_local(async move {
            let stream = match tls {
                None => Stream::Plain(tcp),
                Some(tls) => match tls.accept(tcp).await {
                    Ok(stream) => Stream::Other(Box::new(stream)),
                    Err(_) => return,
                },
            };
            script(Peer { stream, number, record, unread: Vec::new() }).await;
        });
    }
}

#[derive(Clone)]
struct Record(Arc<Mutex<watch::Sender<Seen>>>);

impl Record {
    fn add(&self, change: impl FnOnce(&mut Seen)) {
        self.0.lock().unwrap().send_modify(change);
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

enum Stream {
    Plain(TcpStream),
    Other(Box<dyn Duplex>),
}

impl Stream {
    fn io(&mut self) -> &mut dyn Duplex {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Other(stream) => stream,
        }
    }
}

/// One connection to the client under test. Dropping it closes it.
pub struct Peer {
    stream: Stream,
    number: usize,
    record: Record,
    unread: Vec<u8>,
}

impl Peer {
    /// The number of this connection, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads and records a request head; `None` when the client has closed.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                let head = String::from_utf8(head).unwrap();
                self.record.add(|seen| seen.heads.push((self.number, head.clone())));
                return Some(head);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads a request with its body, whose length Content-Length gives, and returns the body.
    pub async fn request(&mut self) -> Option<Vec<u8>> {
        self.head_and_body().await.map(|(_, body)| body)
    }

    /// Reads a request with its body, whose length Content-Length gives.
    pub async fn head_and_body(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let length = length.transpose().unwrap().unwrap_or(0);
        while self.unread.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some((head, self.unread.drain(..length).collect()))
    }

    /// Takes what came of a body, and returns how much that was.
    pub async fn more(&mut self) -> usize {
        if self.unread.is_empty() && !self.fill().await {
            return 0;
        }
        std::mem::take(&mut self.unread).len()
    }

    async fn fill(&mut self) -> bool {
        match self.stream.io().read_buf(&mut self.unread).await {
            Ok(1..) => true,
            _ => {
                self.record.add(|seen| seen.closed.push((self.number, Instant::now())));
                false
            }
        }
    }

    /// Writes bytes at once, and says whether the connection took them.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        let result: io::Result<()> = async {
            self.stream.io().write_all(bytes).await?;
            self.stream.io().flush().await
        }
        .await;
        result.is_ok()
    }

    /// Passes everything on to `address`, and what comes from there back, until both sides
    /// have closed.
    pub async fn tunnel(mut self, address: SocketAddr) {
        let Ok(mut tcp) = TcpStream::connect(address).await else { return };
        let _ = tcp.write_all(&self.unread).await;
        let _ = tokio::io::copy_bidirectional(self.stream.io(), &mut tcp).await;
        self.record.add(|seen| seen.closed.push((self.number, Instant::now())));
    }

    /// Lets time pass.
    pub async fn pause(&mut self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Ends the sending side: a FIN, inside TLS a close_notify before it.
    pub async fn finish(&mut self) {
        let _ = self.stream.io().shutdown().await;
    }

    /// Waits until the client closes, which is recorded, and throws away what it sends till then.
    pub async fn closed(&mut self) {
        while self.fill().await {
            self.unread.clear();
        }
    }

    /// Cuts the connection with a reset.
    pub fn reset(self) {
        if let Stream::Plain(tcp) = &self.stream {
            tcp.set_zero_linger().unwrap();
        }
    }
}

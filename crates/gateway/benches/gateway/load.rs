//! Clients that ask again as soon as they have their answer.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::server::{Server, TOKEN};

/// The connections by which throughput is measured, and latency.
const MANY: usize = 32;
const FEW: usize = 8;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Microseconds of processor time by request.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// The median latency in microseconds.
    pub(crate) p50: f64,
}

impl Figures {
    pub(crate) const WORST: Self = Self { cpu: f64::INFINITY, rate: 0.0, p50: f64::INFINITY };

    pub(crate) fn better(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.min(other.cpu),
            rate: self.rate.max(other.rate),
            p50: self.p50.min(other.p50),
        }
    }
}

/// Measures one path for a while.
pub(crate) async fn measure(server: &Server, path: &str, time: Duration) -> Figures {
    let warm = load(server, path, FEW, time / 8).await;
    assert!(!warm.is_empty());
    let (before, started) = (server.cpu(), Instant::now());
    let requests = load(server, path, MANY, time).await.len() as f64;
    let (cpu, took) = (server.cpu() - before, started.elapsed());
    let mut latencies = load(server, path, FEW, time / 2).await;
    let middle = latencies.len() / 2;
    let (_, median, _) = latencies.select_nth_unstable(middle);
    Figures {
        cpu: cpu.as_secs_f64() * 1e6 / requests,
        rate: requests / took.as_secs_f64(),
        p50: median.as_secs_f64() * 1e6,
    }
}

/// The latencies of all requests that so many connections made in this time.
async fn load(server: &Server, path: &str, connections: usize, time: Duration) -> Vec<Duration> {
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let mut client = Client::connect(server, path).await;
        clients.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < until {
                let asked = Instant::now();
                client.ask().await;
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

/// What an idle connection takes, in KiB, after one request on each of so many.
pub(crate) async fn idle(server: &Server, path: &str, connections: usize) -> f64 {
    let before = server.resident();
    let mut idle = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut client = Client::connect(server, path).await;
        client.ask().await;
        idle.push(client);
    }
    (server.resident() - before) as f64 / connections as f64
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(server: &Server, path: &str) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {TOKEN}\r\n\r\n",
            server.address
        );
        Self { stream, request: request.into_bytes(), buffer: vec![0; 8192] }
    }

    /// Sends the request, and reads its answer to the end.
    async fn ask(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        let (mut read, mut whole) = (0, usize::MAX);
        while read < whole {
            let more = self.stream.read(&mut self.buffer[read..]).await.unwrap();
            assert!(more > 0, "the connection ended");
            read += more;
            if whole == usize::MAX {
                whole = length(&self.buffer[..read]).unwrap_or(usize::MAX);
            }
        }
    }
}

/// The length of a whole answer, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (_, length) = head.split_once("content-length: ").unwrap();
    Some(end + length.split("\r\n").next().unwrap().parse::<usize>().unwrap())
}

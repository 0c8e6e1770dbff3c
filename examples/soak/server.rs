//! A server that does to its clients what servers do on bad days. Every answer has
//! one chance in a hundred for each fault, and otherwise is right.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A fault of the server, and how often it was injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The current token holds no longer: every call that carries it meets a 401.
    Revoked,
    /// This request meets a 401 whatever its token.
    Unauthorized,
    /// 429 without a word on when to come back.
    Busy,
    /// 429 with a `Retry-After` that is garbage or in the past.
    StrangeWait,
    /// Quota headers that say nothing sensible.
    StrangeQuota,
    /// A body shorter than its length.
    CutLength,
    /// Chunks without the last one.
    CutChunks,
    /// A body that ends where the connection ends.
    UntilClose,
    /// Interim answers before the real one, in one segment or in several.
    Interim,
    /// The connection is closed as soon as it is reused.
    StaleClose,
}

const FAULTS: [Fault; 10] = [
    Fault::Revoked,
    Fault::Unauthorized,
    Fault::Busy,
    Fault::StrangeWait,
    Fault::StrangeQuota,
    Fault::CutLength,
    Fault::CutChunks,
    Fault::UntilClose,
    Fault::Interim,
    Fault::StaleClose,
];

const WAITS: [&str; 5] = ["-5", "soon", "1.5", "120, 240", "Thu, 01 Jan 1970 00:00:00 GMT"];

/// What the server knows and has done.
#[derive(Default)]
pub(crate) struct Chaos {
    token: AtomicUsize,
    pub(crate) heads: AtomicU64,
    injected: Mutex<HashMap<Fault, u64>>,
    /// How often each order was acted upon.
    orders: Mutex<HashMap<u64, u64>>,
    /// Requests that are not let in.
    outlaws: Mutex<HashSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of `/items/number` and `/orders/number`, long enough to be cut.
pub(crate) fn body(number: u64) -> String {
    format!("{{\"id\":{number},\"name\":\"{}\"}}", "row ".repeat(40))
}

impl Chaos {
    /// The token that is good at the moment.
    pub(crate) fn token(&self) -> String {
        format!("token-{}", self.token.load(Ordering::SeqCst))
    }

    pub(crate) fn injected(&self) -> Vec<(Fault, u64)> {
        let injected = lock(&self.injected);
        FAULTS.iter().map(|fault| (*fault, injected.get(fault).copied().unwrap_or(0))).collect()
    }

    pub(crate) fn times_ordered(&self, number: u64) -> u64 {
        lock(&self.orders).get(&number).copied().unwrap_or(0)
    }

    /// Starts the server on a thread of its own, which ends with the process.
    pub(crate) fn serve(self: &Arc<Self>) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let chaos = Arc::clone(self);
        std::thread::Builder::new().name("server".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((stream, _)) = listener.accept().await {
                    let chaos = Arc::clone(&chaos);
                    tokio::spawn(async move {
                        // A client that goes away is its own business.
                        let _ = chaos.connection(stream).await;
                    });
                }
            });
        })?;
        Ok(address)
    }

    async fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut unread = Vec::new();
        while let Some(head) = next_head(&mut stream, &mut unread).await? {
            self.heads.fetch_add(1, Ordering::SeqCst);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if lock(&self.outlaws).contains(&path)
                || !head.contains(&format!("{}\r\n", self.token()))
            {
                stream.write_all(head_of("401 Unauthorized", 0).as_bytes()).await?;
                continue;
            }
            let fault = FAULTS.get(fastrand::usize(..100)).copied();
            if let Some(fault) = fault {
                *lock(&self.injected).entry(fault).or_default() += 1;
            }
            if !self.answer(&mut stream, &path, fault).await? {
                return Ok(());
            }
            if fault == Some(Fault::StaleClose) {
                // Takes one more request and closes without a word.
                next_head(&mut stream, &mut unread).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers a request that was let in, and says whether the connection lives on.
    async fn answer(
        &self,
        stream: &mut TcpStream,
        path: &str,
        fault: Option<Fault>,
    ) -> io::Result<bool> {
        match fault {
            Some(Fault::Revoked) => {
                self.token.fetch_add(1, Ordering::SeqCst);
                stream.write_all(head_of("401 Unauthorized", 0).as_bytes()).await?;
                return Ok(true);
            }
            Some(Fault::Unauthorized) => {
                lock(&self.outlaws).insert(path.to_owned());
                stream.write_all(head_of("401 Unauthorized", 0).as_bytes()).await?;
                return Ok(true);
            }
            Some(Fault::Busy) => {
                stream.write_all(head_of("429 Too Many Requests", 0).as_bytes()).await?;
                return Ok(true);
            }
            Some(Fault::StrangeWait) => {
                let wait = WAITS[fastrand::usize(..WAITS.len())];
                let status = format!("429 Too Many Requests\r\nretry-after: {wait}");
                stream.write_all(head_of(&status, 0).as_bytes()).await?;
                return Ok(true);
            }
            _ => {}
        }
        let number = path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
        if path.starts_with("/orders") {
            *lock(&self.orders).entry(number).or_default() += 1;
        }
        let body = body(number);
        let half = &body[..body.len() / 2];
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let whole = head_of("200 OK", body.len()) + &body;
        let (answer, lives) = match fault {
            Some(Fault::CutLength) => (head_of("200 OK", body.len()) + half, false),
            Some(Fault::CutChunks) => (format!("{chunked}{:x}\r\n{half}\r\n", half.len()), false),
            Some(Fault::UntilClose) => (format!("HTTP/1.1 200 OK\r\n\r\n{body}"), false),
            Some(Fault::StrangeQuota) => {
                let quota = "200 OK\r\nx-ratelimit-remaining: -7\r\nratelimit: ;r=x\r\n\
                             x-ratelimit-reset: 99999999999999999";
                (head_of(quota, body.len()) + &body, true)
            }
            Some(Fault::Interim) => {
                let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
                stream.write_all(interim.as_bytes()).await?;
                if fastrand::bool() {
                    tokio::task::yield_now().await;
                }
                (format!("HTTP/1.1 100 Continue\r\n\r\n{whole}"), true)
            }
            _ => (whole, true),
        };
        stream.write_all(answer.as_bytes()).await?;
        Ok(lives)
    }
}

fn head_of(status: &str, length: usize) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n")
}

/// The head of the next request, whose body (one byte, if any) is dropped.
async fn next_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..at + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let length = usize::from(head.contains("content-length: 1\r\n"));
            while unread.len() < length {
                if stream.read_buf(unread).await? == 0 {
                    return Ok(None);
                }
            }
            unread.drain(..length);
            return Ok(Some(head));
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

//! A misbehaving server, over TCP and over TLS. Every response has one chance in a hundred for each
//! fault, and is correct otherwise.

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A fault of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The current token expires: every call that carries it gets a 401.
    Revoked,
    /// As `Revoked`, but the 401 comes when there is already a newer token.
    LateRefusal,
    /// This request gets a 401 whatever its token.
    Unauthorized,
    /// 429 without `Retry-After`, for a few requests in a row.
    Storm,
    /// 429 with a `Retry-After` that is garbage, past, of a skewed clock, or far too long.
    StrangeWait,
    /// Quota headers that make no sense.
    StrangeQuota,
    /// A body shorter than its declared length.
    CutLength,
    /// Chunks without the last one.
    CutChunks,
    /// A body that ends where the connection ends.
    UntilClose,
    /// Interim responses before the real one, in one segment or in several.
    Interim,
    /// The connection is closed as soon as it is reused.
    StaleClose,
}

const FAULTS: [Fault; 11] = [
    Fault::Revoked,
    Fault::LateRefusal,
    Fault::Unauthorized,
    Fault::Storm,
    Fault::StrangeWait,
    Fault::StrangeQuota,
    Fault::CutLength,
    Fault::CutChunks,
    Fault::UntilClose,
    Fault::Interim,
    Fault::StaleClose,
];

/// How many requests after the first one a storm refuses.
const STORM: u64 = 3;
/// How late a late refusal is.
const LATE: Duration = Duration::from_millis(20);

const WAITS: [&str; 8] = [
    "-5",
    "soon",
    "1.5",
    "1e20",
    "120, 240",
    "100000",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    // At once, by the clock of a server that is years ahead.
    "Tue, 01 Jan 2036 00:00:00 GMT\r\ndate: Tue, 01 Jan 2036 00:00:00 GMT",
];

const QUOTAS: [&str; 4] = [
    "x-ratelimit-remaining: -7\r\nx-ratelimit-reset: 99999999999999999",
    "ratelimit: ;r=x",
    "ratelimit: \"default\";r=-5;t=-1\r\nratelimit-policy: \"burst\";q=;w=60",
    "ratelimit-remaining: many\r\nratelimit-reset: 12345678901234567",
];

/// The rate of `/limited`, which no header reports, in requests per second.
const HIDDEN_LIMIT: f64 = 100.0;

/// The state and the records of the server.
pub(crate) struct Chaos {
    token: AtomicUsize,
    pub(crate) heads: AtomicU64,
    injected: Mutex<HashMap<Fault, u64>>,
    /// How often each order was processed.
    orders: Mutex<HashMap<u64, u64>>,
    /// Requests that are always refused.
    outlaws: Mutex<HashSet<String>>,
    /// How many requests the storm will still refuse.
    storm: AtomicU64,
    bucket: Mutex<Bucket>,
}

/// The hidden limit.
struct Bucket {
    tokens: f64,
    filled: Instant,
    limited: Limited,
}

/// The results of requests under the hidden limit.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limited {
    pub(crate) served: u64,
    pub(crate) refused: u64,
}

/// The addresses of the server, and its certificate for TLS.
pub(crate) struct Addresses {
    pub(crate) plain: String,
    pub(crate) tls: String,
    pub(crate) root: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of the row or the order `number`, long enough to be truncated.
pub(crate) fn body(number: u64) -> String {
    format!("{{\"id\":{number},\"name\":\"{}\"}}", "row ".repeat(40))
}

impl Chaos {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            token: AtomicUsize::default(),
            heads: AtomicU64::default(),
            injected: Mutex::default(),
            orders: Mutex::default(),
            outlaws: Mutex::default(),
            storm: AtomicU64::default(),
            bucket: Mutex::new(Bucket {
                tokens: HIDDEN_LIMIT,
                filled: Instant::now(),
                limited: Limited::default(),
            }),
        })
    }

    /// The currently valid token.
    pub(crate) fn token(&self) -> String {
        format!("token-{}", self.token.load(Ordering::SeqCst))
    }

    pub(crate) fn injected(&self, fault: Fault) -> u64 {
        lock(&self.injected).get(&fault).copied().unwrap_or(0)
    }

    pub(crate) fn times_ordered(&self, number: u64) -> u64 {
        lock(&self.orders).get(&number).copied().unwrap_or(0)
    }

    pub(crate) fn limited(&self) -> Limited {
        lock(&self.bucket).limited
    }

    /// Starts the server on a thread of its own, which ends with the process.
    pub(crate) fn serve(self: &Arc<Self>) -> Result<Addresses, Box<dyn StdError>> {
        let listen = || -> io::Result<(StdListener, SocketAddr)> {
            let listener = StdListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (plain, tls) = (listen()?, listen()?);
        let (root, acceptor) = certificate()?;
        let addresses = Addresses {
            plain: format!("http://{}", plain.1),
            tls: format!("https://localhost:{}", tls.1.port()),
            root,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let chaos = Arc::clone(self);
        std::thread::Builder::new().name("server".into()).spawn(move || {
            runtime.block_on(async move {
                let (Ok(plain), Ok(tls)) =
                    (TcpListener::from_std(plain.0), TcpListener::from_std(tls.0))
                else {
                    return;
                };
                tokio::join!(accept(&chaos, plain, None), accept(&chaos, tls, Some(acceptor)));
            });
        })?;
        Ok(addresses)
    }

    async fn connection(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        is_tls: bool,
    ) -> io::Result<()> {
        let mut unread = Vec::new();
        while let Some(head) = next_head(&mut stream, &mut unread).await? {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            if path.starts_with("/limited") {
                let status =
                    if self.is_within_limit() { "200 OK" } else { "429 Too Many Requests" };
                stream.write_all(head_of(status, 0).as_bytes()).await?;
                continue;
            }
            if path.starts_with("/fine") {
                let body = body(number_of(&path));
                stream.write_all((head_of("200 OK", body.len()) + &body).as_bytes()).await?;
                continue;
            }
            self.heads.fetch_add(1, Ordering::SeqCst);
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
                // Over TLS the connection may end with or without a close message.
                if is_tls && fastrand::bool() {
                    stream.shutdown().await?;
                }
                return Ok(());
            }
            if fault == Some(Fault::StaleClose) {
                // Takes one more request and closes without a response.
                next_head(&mut stream, &mut unread).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Responds to an authorised request, and returns whether the connection stays open.
    async fn answer(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        path: &str,
        fault: Option<Fault>,
    ) -> io::Result<bool> {
        let refusal = match fault {
            Some(Fault::Revoked) => {
                self.token.fetch_add(1, Ordering::SeqCst);
                Some("401 Unauthorized".to_owned())
            }
            Some(Fault::LateRefusal) => {
                self.token.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(LATE).await;
                Some("401 Unauthorized".to_owned())
            }
            Some(Fault::Unauthorized) => {
                lock(&self.outlaws).insert(path.to_owned());
                Some("401 Unauthorized".to_owned())
            }
            Some(Fault::Storm) => {
                self.storm.store(STORM, Ordering::SeqCst);
                Some("429 Too Many Requests".to_owned())
            }
            Some(Fault::StrangeWait) => {
                let wait = one_of(&WAITS);
                Some(format!("429 Too Many Requests\r\nretry-after: {wait}"))
            }
            _ if self.is_stormy() => Some("429 Too Many Requests".to_owned()),
            _ => None,
        };
        if let Some(status) = refusal {
            stream.write_all(head_of(&status, 0).as_bytes()).await?;
            return Ok(true);
        }
        let number = number_of(path);
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
                let quota = format!("200 OK\r\n{}", one_of(&QUOTAS));
                (head_of(&quota, body.len()) + &body, true)
            }
            Some(Fault::Interim) => {
                let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
                let rest = format!("HTTP/1.1 100 Continue\r\n\r\n{whole}");
                if fastrand::bool() {
                    (interim.to_owned() + &rest, true)
                } else {
                    stream.write_all(interim.as_bytes()).await?;
                    stream.flush().await?;
                    tokio::task::yield_now().await;
                    (rest, true)
                }
            }
            _ => (whole, true),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
        Ok(lives)
    }

    fn is_stormy(&self) -> bool {
        let left = |left: u64| left.checked_sub(1);
        self.storm.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok()
    }

    fn is_within_limit(&self) -> bool {
        let mut bucket = lock(&self.bucket);
        let now = Instant::now();
        let earned = now.duration_since(bucket.filled).as_secs_f64() * HIDDEN_LIMIT;
        bucket.tokens = (bucket.tokens + earned).min(HIDDEN_LIMIT);
        bucket.filled = now;
        let is_within = bucket.tokens >= 1.0;
        if is_within {
            bucket.tokens -= 1.0;
            bucket.limited.served += 1;
        } else {
            bucket.limited.refused += 1;
        }
        is_within
    }
}

async fn accept(chaos: &Arc<Chaos>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (chaos, tls) = (Arc::clone(chaos), tls.clone());
        // Ignore clients that go away.
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            match tls {
                None => chaos.connection(stream, false).await,
                Some(tls) => chaos.connection(tls.accept(stream).await?, true).await,
            }
        });
    }
}

/// A self-signed certificate for `localhost`: in PEM, and in the form that a server needs.
fn certificate() -> Result<(Vec<u8>, TlsAcceptor), Box<dyn StdError>> {
    let CertifiedKey { cert, signing_key }: CertifiedKey<KeyPair> =
        rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok((cert.pem().into_bytes(), Arc::new(config).into()))
}

fn one_of(words: &[&'static str]) -> &'static str {
    words[fastrand::usize(..words.len())]
}

fn number_of(path: &str) -> u64 {
    path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0)
}

fn head_of(status: &str, length: usize) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n")
}

/// The head of the next request, whose body (one byte, if any) is dropped.
async fn next_head(
    stream: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
) -> io::Result<Option<String>> {
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

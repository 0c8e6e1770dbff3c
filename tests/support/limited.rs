//! An API that answers as fast as it can, with headers of the test's choice, and refuses
//! what is above a limit. It notes when each request came.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// When a request came, and whether it was served.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub at: Instant,
    pub is_served: bool,
}

/// A running API. It stops when it is dropped.
pub struct Limited {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    _stop: oneshot::Sender<()>,
}

/// What becomes of the request with this number, from 0: whether it is served, and the
/// header lines of the answer, each with its end.
type Judge = dyn FnMut(usize, Instant) -> (bool, String) + Send;

impl Limited {
    /// Serves everything.
    pub fn open() -> Self {
        Self::judging(|_, _| (true, String::new()))
    }

    /// A bucket of one second's worth of `rate`, which it does not tell of.
    pub fn bucket(rate: f64) -> Self {
        let (mut left, mut filled_at) = (rate, Instant::now());
        Self::judging(move |_, now| {
            left = (left + (now - filled_at).as_secs_f64() * rate).min(rate);
            filled_at = now;
            let is_served = left >= 1.0;
            left -= f64::from(u8::from(is_served));
            (is_served, String::new())
        })
    }

    /// An API of the test's own.
    pub fn judging(judge: impl FnMut(usize, Instant) -> (bool, String) + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let serving = accept(listener, Arc::clone(&arrivals), Arc::new(Mutex::new(judge)));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, arrivals, _stop: stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().clone()
    }

    /// How many requests were served and how many refused from one moment up to another.
    pub fn counts(&self, from: Instant, to: Instant) -> [usize; 2] {
        let mut counts = [0; 2];
        for arrival in self.arrivals.lock().unwrap().iter() {
            if from <= arrival.at && arrival.at < to {
                counts[usize::from(!arrival.is_served)] += 1;
            }
        }
        counts
    }
}

/// Keeps `callers` busy with one call after the other for so long. What becomes of the calls
/// is not looked at.
pub async fn keep_busy<F>(callers: usize, length: Duration, call: impl Fn() -> F)
where
    F: Future,
{
    let end = tokio::time::Instant::now() + length;
    let busy = (0..callers).map(|_| async {
        // Calls that fail at once leave the others a turn.
        while tokio::time::timeout_at(end, call()).await.is_ok()
            && tokio::time::Instant::now() < end
        {
            tokio::task::yield_now().await;
        }
    });
    futures::future::join_all(busy).await;
}

async fn accept(
    listener: std::net::TcpListener,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    judge: Arc<Mutex<Judge>>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&arrivals), Arc::clone(&judge)));
    }
}

async fn serve(
    mut stream: TcpStream,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    judge: Arc<Mutex<Judge>>,
) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut head).await {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        let answer = {
            let mut arrivals = arrivals.lock().unwrap();
            let at = Instant::now();
            let (is_served, fields) = judge.lock().unwrap()(arrivals.len(), at);
            arrivals.push(Arrival { at, is_served });
            let status = if is_served { "200 OK" } else { "429 Too Many Requests" };
            format!("HTTP/1.1 {status}\r\n{fields}content-length: 0\r\n\r\n")
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

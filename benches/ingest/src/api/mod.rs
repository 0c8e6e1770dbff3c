//! The mock API: `/items?page={n}&per_page=100`, the pages rendered beforehand. One thread, cheap
//! enough that it is not what a run measures.

mod book;
mod bucket;
mod counts;

use std::{
    borrow::Cow,
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::LocalSet,
};

use bucket::Bucket;
use counts::Counts;

pub use book::{Book, PER_PAGE};

/// How it answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// The wait before each answer.
    pub latency: Duration,
    /// Requests per second, from a bucket of one second's worth; what is beyond is answered with
    /// 429 and `Retry-After`.
    pub limit: Option<u32>,
}

/// An API that serves a book until this is dropped.
pub struct Api {
    port: u16,
    counts: Arc<Counts>,
    _stop: oneshot::Sender<()>,
}

impl Api {
    /// Starts one on a free port.
    pub fn start(book: &Arc<Book>, behaviour: Behaviour) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(Counts::new(book.pages()));
        let (stop, stopped) = oneshot::channel();
        let server = Server {
            book: Arc::clone(book),
            latency: behaviour.latency,
            bucket: behaviour.limit.map(|limit| RefCell::new(Bucket::new(limit, Instant::now()))),
            counts: Arc::clone(&counts),
        };
        thread::spawn(move || {
            if let Err(error) = serve(server, listener, stopped) {
                eprintln!("the mock API has ended: {error:#}");
            }
        });
        Ok(Self { port, counts, _stop: stop })
    }

    /// Without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn serve(
    server: Server,
    listener: std::net::TcpListener,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::from_std(listener)?;
        tokio::select! {
            ended = accept_all(&listener, Rc::new(server)) => ended,
            // Its sender is dropped.
            _ = stopped => Ok(()),
        }
    })
}

async fn accept_all(listener: &TcpListener, server: Rc<Server>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let server = Rc::clone(&server);
        // A client that goes away is not an event.
        tokio::task::spawn_local(async move { server.answer_all(stream).await.ok() });
    }
}

struct Server {
    book: Arc<Book>,
    latency: Duration,
    bucket: Option<RefCell<Bucket>>,
    counts: Arc<Counts>,
}

impl Server {
    async fn answer_all(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut input: Vec<u8> = Vec::with_capacity(1024);
        loop {
            let end = loop {
                if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            };
            let page = page_of(&input[..end]);
            input.drain(..end);
            if !self.latency.is_zero() {
                tokio::time::sleep(self.latency).await;
            }
            stream.write_all(&self.answer(page)).await?;
        }
    }

    fn answer(&self, page: Option<u64>) -> Cow<'_, [u8]> {
        let bucket = self.bucket.as_ref();
        if let Some(wait) = bucket.and_then(|bucket| bucket.borrow_mut().take(Instant::now())) {
            self.counts.refused();
            return Cow::Owned(refusal(wait));
        }
        match page {
            Some(page) => {
                self.counts.served(page);
                Cow::Borrowed(self.book.page(page))
            }
            None => Cow::Borrowed(BAD_REQUEST),
        }
    }
}

const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

fn refusal(wait: Duration) -> Vec<u8> {
    // Most APIs know whole seconds only.
    let seconds = wait.as_secs_f64().ceil();
    let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0";
    format!("{head}\r\nretry-after: {seconds}\r\n\r\n").into_bytes()
}

/// The number of the page that is asked for, from 1.
fn page_of(head: &[u8]) -> Option<u64> {
    let target = std::str::from_utf8(head).ok()?.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let param = |name: &str| {
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    };
    if path != "/items" || param("per_page").is_some_and(|size| size.parse::<u64>() != Ok(PER_PAGE))
    {
        return None;
    }
    let page = param("page").map_or(Some(1), |page| page.parse::<u64>().ok())?;
    (page > 0).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_ask_for_pages() {
        for (target, page) in [
            ("/items", Some(1)),
            ("/items?page=7", Some(7)),
            ("/items?per_page=100&page=2000", Some(2000)),
            ("/items?per_page=50&page=7", None),
            ("/items?page=0", None),
            ("/items?page=x", None),
            ("/others?page=7", None),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
            assert_eq!(page_of(head.as_bytes()), page, "{target}");
        }
    }

    #[test]
    fn a_refusal_asks_for_whole_seconds() {
        let text = String::from_utf8(refusal(Duration::from_millis(20))).unwrap();
        assert!(text.ends_with("\r\nretry-after: 1\r\n\r\n"), "{text}");
    }
}

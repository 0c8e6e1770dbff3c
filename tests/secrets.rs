//! A token shows up nowhere but on the wire.

#![cfg(test)]

mod support;

use std::{
    error::Error as StdError,
    fmt::{Debug, Display},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use support::{raw_server::RawServer, soon};
use tracing_subscriber::{
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use vantage_api_pool::{AwwPool, Error, ErrorKind, PaginatedStream, Request, Token};

const CANARY: &str = "canary-8d1f";

/// Everything that was printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn debug(&self, value: &impl Debug) {
        self.text(&format!("{value:?}\n{value:#?}\n"));
    }

    fn display(&self, value: &(impl Display + ?Sized)) {
        self.text(&format!("{value}\n"));
    }

    fn error(&self, error: &Error) {
        self.debug(error);
        let mut cause: Option<&dyn StdError> = Some(error);
        while let Some(error) = cause {
            self.display(error);
            cause = error.source();
        }
    }

    fn text(&self, text: &str) {
        self.0.lock().unwrap().extend_from_slice(text.as_bytes());
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Answers each path with a trouble of its own.
fn troubles() -> RawServer {
    RawServer::start(|mut peer| async move {
        while let Some(head) = peer.head().await {
            assert_eq!(head.matches(CANARY).count(), 3, "header, bearer and query: {head}");
            let answer = match head.split(['/', '?']).nth(1).unwrap() {
                "fine" => "200 OK\r\ncontent-length: 2\r\n\r\n{}".into(),
                "failing" => "503 Unavailable\r\ncontent-length: 2\r\n\r\nno".into(),
                "unknown" => "404 Not Found\r\ncontent-length: 2\r\n\r\nno".into(),
                "refused" => "401 Unauthorized\r\ncontent-length: 0\r\n\r\n".into(),
                "busy" => "429 Busy\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n".into(),
                "cut" => "200 OK\r\ncontent-length: 9\r\n\r\n{}".into(),
                "moved" => format!(
                    "302 Found\r\nlocation: http://127.0.0.1:9/?key={CANARY}\r\n\
                     content-length: 0\r\n\r\n"
                ),
                "garbled" => "200 OK\r\ncontent-length: two\r\n\r\n{}".into(),
                "slow" => return peer.closed().await,
                _ => return,
            };
            peer.write(format!("HTTP/1.1 {answer}").as_bytes()).await;
            if head.contains("/cut") {
                return;
            }
        }
    })
}

fn apply(request: Request, token: &str) -> Request {
    let request = request.header("x-api-key", token).unwrap();
    let request = request.header("authorization", &format!("Bearer {token}")).unwrap();
    request.query(&[("key", token)]).unwrap()
}

#[tokio::test]
async fn faults_41_a_token_never_appears_in_debug_display_errors_statistics_or_traces() {
    let printed = Printed::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(printed.clone())
        .with_span_events(FmtSpan::FULL);
    tracing_subscriber::registry().with(layer).init();

    let api = troubles();
    let acquire =
        || async { Ok::<_, Error>(Token::new(CANARY).expires_in(Duration::from_secs(3_600))) };
    printed.debug(&Token::new(CANARY));
    let builder = AwwPool::builder(api.url())
        .request_timeout(Duration::from_millis(300))
        .max_retry_after(Duration::from_millis(1))
        .backoff_base(Duration::from_millis(1))
        .with_auth_callback(1, acquire, apply);
    printed.debug(&builder);
    let pool = builder.build().unwrap();

    let request = Request::get("/fine")
        .header("x-own", CANARY)
        .unwrap()
        .query(&[("own", CANARY)])
        .unwrap()
        .body(CANARY);
    printed.debug(&request);
    printed.debug(&apply(Request::get("/fine"), CANARY));
    let response = soon("a call", pool.get("/fine")).await.unwrap();
    printed.debug(&response);
    printed.error(&response.json::<u64>().unwrap_err());

    for (path, kind) in [
        ("/failing", ErrorKind::Status),
        ("/unknown", ErrorKind::Status),
        ("/refused", ErrorKind::Unauthorized),
        ("/busy", ErrorKind::RateLimited),
        ("/cut", ErrorKind::Truncated),
        ("/moved", ErrorKind::ForeignOrigin),
        ("/garbled", ErrorKind::Framing),
        ("/slow", ErrorKind::Timeout),
        ("/hung-up", ErrorKind::Disconnected),
    ] {
        let error = soon(path, pool.get(path)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error:?}");
        printed.error(&error);
    }
    for target in [
        format!("http://{CANARY}/"),
        format!("/../{CANARY}"),
        format!("/{CANARY}#x"),
        format!("http://user:{CANARY}@127.0.0.1/"),
    ] {
        printed.error(&pool.get(target).await.unwrap_err());
    }
    printed.error(&Request::get("/").header(CANARY, "a\nb").unwrap_err());
    printed.error(&Request::get("/").header("x\n", CANARY).unwrap_err());
    printed.error(&AwwPool::builder(format!("http://u:{CANARY}@h/")).build().unwrap_err());

    let stats = pool.stats().await.unwrap();
    printed.debug(&stats);
    printed.display(&stats);
    printed.debug(&pool);
    printed.debug(&PaginatedStream::get(pool.clone(), format!("/fine?key={CANARY}")));
    pool.shutdown(Duration::from_secs(1)).await;

    let printed = printed.all();
    assert!(printed.contains("retrying"), "traces are captured");
    let leaks: Vec<_> = printed.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

//! awc behind the guard in a simulated network, whose partitions, losses and time the test
//! controls: no wait is longer than promised, and nothing truncated counts as complete.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use actix_http::{
    RequestHead,
    error::{ParseError, PayloadError},
};
use awc::error::SendRequestError;
use futures::TryStreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};
use turmoil::net::{TcpListener, TcpStream};

use crate::{
    error::{Error, ErrorKind},
    transport::{sender::Sender, strict_io::StrictIo},
};

/// After how much silence a response has stalled.
const IDLE: Duration = Duration::from_secs(2);
/// A caller's time limit for one attempt.
const ATTEMPT: Duration = Duration::from_secs(6);
/// The resolution of simulated time.
const TICK: Duration = Duration::from_millis(20);
/// The number of pieces of a response, this far apart.
const PIECES: usize = 4;
const APART: Duration = Duration::from_millis(400);

/// Connections that may serve another request.
type Kept = Rc<RefCell<Vec<TcpStream>>>;

/// The outcome of a GET: its body, or an error kind if the guard gave one.
type Outcome = Result<String, Option<ErrorKind>>;

fn kind(error: io::Error) -> Option<ErrorKind> {
    error.downcast::<Error>().ok().map(|error| error.kind())
}

/// Makes GETs over one pool of connections.
fn client() -> impl AsyncFn(&str) -> Outcome {
    let (kept, sender) = (Kept::default(), Sender::new());
    async move |path: &str| {
        let idle = kept.borrow_mut().pop();
        let is_reused = idle.is_some();
        let stream = match idle {
            Some(stream) => stream,
            None => TcpStream::connect(("server", 80)).await.map_err(|_| None)?,
        };
        let io = StrictIo::new(stream, is_reused, IDLE, Instant::now());
        let io = Rc::new(RefCell::new(io));
        let mut head = RequestHead::default();
        head.uri = path.parse().unwrap();
        let (_, payload) = sender.send(&io, head, None).await.map_err(|error| match error {
            SendRequestError::Send(error) | SendRequestError::Response(ParseError::Io(error)) => {
                kind(error)
            }
            _ => None,
        })?;
        let parts: Vec<_> = payload.try_collect().await.map_err(|error| match error {
            PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => kind(error),
            _ => None,
        })?;
        kept.borrow_mut().extend(io.borrow_mut().take_reusable());
        Ok(String::from_utf8(parts.concat()).unwrap())
    }
}

fn body(path: &str) -> String {
    path.repeat(20 * PIECES)
}

async fn serve() -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", 80)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut request = Vec::new();
            while stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                let head = String::from_utf8_lossy(&request).into_owned();
                if !head.ends_with("\r\n\r\n") {
                    continue;
                }
                request.clear();
                let body = body(head.split(' ').nth(1).unwrap());
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                for piece in answer.as_bytes().chunks(answer.len().div_ceil(PIECES)) {
                    if stream.write_all(piece).await.is_err() {
                        return;
                    }
                    sleep(APART).await;
                }
            }
        });
    }
}

/// Runs `client` against the server in a network of its own.
fn simulate(
    mut network: turmoil::Builder,
    client: impl Future<Output = turmoil::Result> + 'static,
) {
    let mut sim =
        network.tick_duration(TICK).simulation_duration(Duration::from_secs(3_600)).build();
    sim.host("server", serve);
    sim.client("client", client);
    sim.run().unwrap();
}

#[test]
fn a_partition_within_a_body_is_a_stall_on_time_and_its_end_is_noticed() {
    simulate(turmoil::Builder::new(), async {
        let get = client();
        let cut = async {
            sleep(APART * 3 / 2).await;
            turmoil::partition("client", "server");
        };
        let (outcome, ()) = tokio::join!(get("/7"), cut);
        assert_eq!(outcome, Err(Some(ErrorKind::Stalled)));
        // The last piece came before the cut.
        let last = turmoil::elapsed() - IDLE;
        assert!(last >= APART && last < APART * 2, "{last:?}");
        turmoil::repair("client", "server");
        assert_eq!(get("/8").await, Ok(body("/8")));
        Ok(())
    });
}

#[test]
fn a_partition_before_the_answer_lasts_as_long_as_the_caller_allows() {
    simulate(turmoil::Builder::new(), async {
        let get = client();
        assert_eq!(get("/1").await, Ok(body("/1")));
        turmoil::partition("client", "server");
        let started = turmoil::elapsed();
        assert!(timeout(ATTEMPT, get("/2")).await.is_err());
        assert!(turmoil::elapsed() - started < ATTEMPT + TICK * 5);
        turmoil::repair("client", "server");
        // The connection that nobody waits for any more is not used again.
        assert_eq!(get("/3").await, Ok(body("/3")));
        Ok(())
    });
}

#[test]
fn a_pause_that_is_shorter_than_the_idle_timeout_costs_time_only() {
    simulate(turmoil::Builder::new(), async {
        let get = client();
        let pause = async {
            sleep(APART * 3 / 2).await;
            turmoil::hold("client", "server");
            sleep(IDLE - APART).await;
            turmoil::release("client", "server");
        };
        let (outcome, ()) = tokio::join!(get("/7"), pause);
        assert_eq!(outcome, Ok(body("/7")));
        Ok(())
    });
}

/// The outcomes of twenty GETs over a network that loses messages at random.
fn over_a_bad_network(seed: u64) -> Vec<Outcome> {
    let mut network = turmoil::Builder::new();
    network.rng_seed(seed).fail_rate(0.03).repair_rate(0.5);
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&outcomes);
    simulate(network, async move {
        let get = client();
        for number in 0..20 {
            let path = format!("/{number}");
            let outcome = timeout(ATTEMPT, get(&path)).await.unwrap_or(Err(None));
            if let Ok(text) = &outcome {
                assert_eq!(*text, body(&path), "not the whole answer, or another's");
            }
            seen.borrow_mut().push(outcome);
        }
        Ok(())
    });
    outcomes.take()
}

#[test]
fn over_a_network_that_loses_messages_an_answer_is_whole_or_an_error() {
    let outcomes: Vec<_> = (0..10).flat_map(over_a_bad_network).collect();
    let whole = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let stalled = outcomes.iter().filter(|outcome| **outcome == Err(Some(ErrorKind::Stalled)));
    assert!(whole > 50, "{whole} of {} were served", outcomes.len());
    assert!(stalled.count() > 10, "hardly anything was lost");
    assert_eq!(over_a_bad_network(7), over_a_bad_network(7), "a seed is one run");
}
